"""What is settled before the pictures of a run are restored."""

from pathlib import Path

import pytest

from nsr_cli.batch.execute import _any_large
from nsr_cli.planning.job import Job
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
