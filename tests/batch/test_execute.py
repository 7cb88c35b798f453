"""What is settled before the pictures of a run are restored."""

import subprocess
import sys
from pathlib import Path

import pytest

from nsr_cli.batch.execute import _any_large, _needs_networks
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from tests.command import Inside, Paint
from tests.threads import allow


def test_runs_over_small_pictures_keep_their_heaps(tmp_path: Path) -> None:
    """Their threads would wait for each other."""
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(bytes(1 << 19))
    large.write_bytes(bytes(1 << 20))
    jobs = [Job(source, None, None) for source in (small, tmp_path / "absent.png")]
    assert not _any_large(jobs)
    assert _any_large([*jobs, Job(large, None, None)]) and _any_large([*jobs, Job(None, None, None)])


@pytest.mark.parametrize(
    "settings, names, needed",
    [
        (Settings("dejpeg"), ("a.png", "b.tif"), False),
        (Settings("auto"), ("a.png", "b.tif"), False),
        (Settings("dejpeg"), ("a.png", "b.JPG"), True),
        (Settings("dejpeg"), ("a.png", None), True),
        (Settings("dejpeg", jpeg_quality=20), ("a.png",), True),
        (Settings("auto", scale=2.0), ("a.png",), True),
        (Settings("denoise"), ("a.png",), True),
        (Settings("upscale", scale=2.0), ("a.png",), True),
    ],
)
def test_networks_are_loaded_beside_the_first_picture_unless_none_may_need_them(
    settings: Settings, names: tuple[str | None, ...], needed: bool
) -> None:
    jobs = [Job(None if name is None else Path(name), None, None) for name in names]
    assert _needs_networks(jobs, settings) == needed


def test_a_folder_in_which_nothing_is_to_be_restored_loads_no_torch(
    environment: dict[str, str], paint: Paint, tmp_path: Path
) -> None:
    """It takes a second of CPU and 200 MB."""
    paint(tmp_path / "a.png")
    code = """
import sys
from nsr_cli.cli.app import _guarded
from nsr_cli.terminal.console import Console
print([_guarded(["dejpeg", "a.png"], Console()), "torch" in sys.modules])
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, False]\n" and "no JPEG traces found" in done.stderr


@pytest.mark.parametrize("allowed", [0, 3, 7])
def test_a_limit_to_threads_makes_a_run_slower_or_ends_it_with_one_line(
    allowed: int,
    inside: Inside,
    tiny_model: Path,
    paint: Paint,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was an internal error."""
    paint(Path("a.png"))
    allow(allowed, monkeypatch)
    code = inside("upscale", "a.png", "-s", "2", "--model", tiny_model)
    said = capsys.readouterr().err
    assert Path("a_x2.png").exists() == (code == 0) == (allowed > 4)
    assert "internal error" not in said and ("the system allows no more threads; " in said) == (code == 1)
