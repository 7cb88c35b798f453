"""The time that a dry run tells, from the multiplications of the networks and what earlier runs did."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from nsr_cli.forecast.pace import NAME, Pace, estimate
from nsr_cli.model.config import PRESETS
from nsr_cli.planning.settings import Settings
from tests.command import Inside, Paint

TINY = dataclasses.replace(PRESETS["tiny"], scale=2, channels=3).macs_per_pixel


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / NAME


@pytest.fixture
def settings(tiny_model: Path) -> Settings:
    return Settings("upscale", scale=2.0, model=str(tiny_model))


def test_a_run_sets_the_pace_for_the_next(remembered: Path, settings: Settings) -> None:
    assert estimate([(100, 50)], settings) is None
    pace = Pace(settings)
    pace.add([(100, 50)], 1.5)
    pace.add([(50, 100)], 0.5)
    pace.remember()
    known = json.loads(remembered.read_text())
    assert known == {"schema": 1, "multiplications_per_second": {"auto auto": TINY * 5000}}
    assert estimate([(100, 100), (100, 200)], settings) == pytest.approx(6)
    assert estimate([(100, 100)], dataclasses.replace(settings, tta=True)) == pytest.approx(16)
    # Four times in two steps: the second has four times the pixels.
    assert estimate([(100, 100)], dataclasses.replace(settings, scale=4.0)) == pytest.approx(10)
    assert estimate([(100, 100)], dataclasses.replace(settings, device="cuda")) is None


def test_another_device_does_not_forget_the_first(remembered: Path, settings: Settings) -> None:
    for one in (settings, dataclasses.replace(settings, device="cpu")):
        pace = Pace(one)
        pace.add([(100, 50)], 2.0)
        pace.remember()
    assert estimate([(100, 50)], settings) == estimate(
        [(100, 50)], dataclasses.replace(settings, device="cpu")
    )


def test_a_moment_of_work_says_nothing(remembered: Path, settings: Settings) -> None:
    pace = Pace(settings)
    pace.add([(100, 50)], 0.1)
    pace.remember()
    assert not remembered.exists()


def test_small_pictures_set_no_pace_for_others(remembered: Path, settings: Settings) -> None:
    pace = Pace(settings)
    pace.add([(100, 40), (40, 100)], 5.0)
    pace.remember()
    assert not remembered.exists()
    pace.add([(100, 50)], 2.0)
    pace.remember()
    assert estimate([(100, 50)], settings) == pytest.approx(2.0)
    assert estimate([(10, 10)] * 50, settings) == pytest.approx(2.0)


def test_published_weights_are_estimated_by_their_presets(remembered: Path) -> None:
    """The networks of ×2 and ×3 are of the base tier, and `--model` can name one of the lite tier: half the work."""
    plain = Settings("upscale", scale=2.0)
    pace = Pace(plain)
    pace.add([(100, 50)], 2.0)
    pace.remember()
    assert estimate([(100, 50)], plain) == pytest.approx(2.0)
    first = dataclasses.replace(PRESETS["base"], scale=2).macs_per_pixel
    for preset, scale, model in (("base", 3, None), ("lite", 2, "upscale-x2-lite")):
        other = estimate([(100, 50)], dataclasses.replace(plain, scale=float(scale), model=model))
        work = dataclasses.replace(PRESETS[preset], scale=scale).macs_per_pixel
        assert other == pytest.approx(2.0 * work / first)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"schema": 2}', '{"schema": 1, "multiplications_per_second": {"auto auto": 0}}', "[" * 60000,
     '{"schema": 1, "multiplications_per_second": {"auto auto": "fast"}}',
     '{"schema": 1, "multiplications_per_second": {"auto auto": NaN}}'],
)  # fmt: skip
def test_a_damaged_memory_is_no_memory(content: str, remembered: Path, settings: Settings) -> None:
    remembered.parent.mkdir()
    remembered.write_text(content)
    assert estimate([(100, 50)], settings) is None
    pace = Pace(settings)
    pace.add([(100, 50)], 2.0)
    pace.remember()
    assert estimate([(100, 50)], settings) == pytest.approx(2)


def test_a_cache_that_cannot_be_written_is_no_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "file"))
    pace = Pace(settings)
    pace.add([(100, 50)], 2.0)
    pace.remember()
    assert estimate([(100, 50)], settings) is None


def test_the_dry_run_says_it(
    inside: Inside,
    paint: Paint,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nsr_cli.forecast.pace._LEAST", 0.0)
    monkeypatch.setattr("nsr_cli.forecast.pace._SMALL", 0)
    paint(Path("a.png"))
    options = ("upscale", "a.png", "-s", "2", "--model", tiny_model)
    assert inside(*options, "--dry-run") == 0
    assert "pace" not in capsys.readouterr().err
    assert inside(*options) == 0
    assert inside(*options, "--dry-run", "--if-exists", "overwrite") == 0
    assert " s at the pace of the last run" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_or_a_device_in_place_of_the_memory_is_left_alone(
    remembered: Path, settings: Settings
) -> None:
    remembered.parent.mkdir()
    pace = Pace(settings)
    pace.add([(100, 50)], 2.0)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/full")):
        make(remembered)
        before = remembered.lstat()
        pace.remember()  # would wait for a reader
        assert estimate([(100, 50)], settings) is None
        assert remembered.lstat().st_ino == before.st_ino
        remembered.unlink()


def test_a_file_too_large_for_weights_is_not_read_for_an_estimate(
    remembered: Path, settings: Settings, tmp_path: Path
) -> None:
    pace = Pace(settings)
    pace.add([(100, 50)], 2.0)
    pace.remember()
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.truncate(1 << 40)  # a hole
    large = dataclasses.replace(settings, model=str(tmp_path / "large.safetensors"))
    assert remembered.exists() and estimate([(100, 50)], large) is None
