"""What `nsr bench` prints and draws; the measurements themselves are replaced."""

import json
from pathlib import Path

import pytest
from PIL import Image

from nsr_cli.bench import figures, runs
from tests.command import Inside


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [figures.Figure("peak", 90.0, "GFLOP/s"), figures.Figure.at_most(1.1, "ratio", 1.2, "×")]
    grown = figures.Growth((0.25, 1.0), (1.0, 4.0))
    monkeypatch.setattr(runs, "run_all", lambda place, **_: (rows, grown))


def test_the_table_says_what_is_met(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    assert inside("bench", "--device", "cpu", "--repeats", "1") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["figure", "value", "target", "met"]
    assert lines[2] == ["peak", "90.000", "GFLOP/s"]
    assert lines[3] == ["ratio", "1.200", "×", "≤", "1.1", "no"]


def test_json_has_the_same_figures(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    assert inside("bench", "--device", "cpu", "--precision", "bf16", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["precision"] == "bf16"  # the word of the option and of `nsr eval`
    rows = answer["figures"]
    assert rows[0] == {"name": "peak", "value": 90.0, "unit": "GFLOP/s", "target": None, "met": None}
    assert (rows[1]["target"], rows[1]["met"]) == ("≤ 1.1", False)


def test_the_drawing_is_a_png(inside: Inside, tmp_path: Path) -> None:
    assert inside("bench", "--device", "cpu", "--plot", "growth.png") == 0
    with Image.open(tmp_path / "growth.png") as image:
        assert image.format == "PNG" and image.size == (800, 500)


def test_a_drawing_replaces_nothing_unasked(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "photo.png"
    mine.write_bytes(b"mine")
    args = ("bench", "--device", "cpu", "--plot", "photo.png")
    assert inside(*args) == 2 and "already exists" in capsys.readouterr().err
    assert inside(*args, "--if-exists", "skip") == 0
    said = capsys.readouterr()
    assert "skipped, photo.png already exists" in said.err and "peak" in said.out
    assert mine.read_bytes() == b"mine"
    assert inside(*args, "--if-exists", "overwrite") == 0 and mine.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["growth.jpg", "missing/growth.png"])
def test_a_drawing_that_cannot_be_written_is_refused_before_measuring(
    inside: Inside, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "run_all", lambda *_, **__: pytest.fail("measured"))
    assert inside("bench", "--plot", name) == 2
    assert "--plot" in capsys.readouterr().err
