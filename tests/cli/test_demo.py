"""`nsr demo` with bicubic interpolation in place of the network, so that the gain is known: none."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsr_cli.cli import demo
from nsr_cli.evaluate import Baseline
from nsr_cli.restore import Restorer
from tests.command import Inside


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Restorer, "load", lambda *_, **__: Baseline("bicubic", 2))


def test_it_writes_four_pictures_and_says_so_in_one_line(
    inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inside("demo", "-o", "look") == 0
    said = re.fullmatch(
        r"wrote \S+ \(640x480, x2\) in \d+\.\d\d s, \+0\.00 dB over bicubic .*: look/compare\.png\n",
        capsys.readouterr().out,
    )
    assert said is not None
    sizes = {}
    for path in Path("look").iterdir():
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    assert sizes == {
        "input": (320, 240),
        "bicubic": (640, 480),
        "restored": (640, 480),
        "compare": (1288, 504),
    }


def test_an_empty_folder_name_is_not_the_working_folder(
    inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inside("demo", "-o", "") == 2
    assert "-o is empty" in capsys.readouterr().err
    assert inside("demo", "-o", ".") == 0 and Path("restored.png").exists()


@pytest.mark.parametrize("name", demo.NAMES)
def test_what_is_there_already_stays_unless_it_may_be_replaced(
    name: str, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Path(f"{name}.png")
    mine.write_bytes(b"mine")
    assert inside("demo", "-o", ".") == 0
    said = capsys.readouterr()
    assert "already exists" in said.err and said.out == ""
    assert inside("demo", "-o", ".", "--if-exists", "error") == 2
    assert [path.read_bytes() for path in Path().iterdir()] == [b"mine"]
    assert inside("demo", "-o", ".", "--if-exists", "overwrite") == 0 and mine.read_bytes() != b"mine"


def test_pictures_stand_side_by_side_under_their_names() -> None:
    black, red = np.zeros((30, 60, 3), np.uint8), np.full((30, 60, 3), (200, 0, 0), np.uint8)
    sheet = demo.side_by_side({"one": black, "two": red})
    top = demo.LABEL_HEIGHT
    assert np.array_equal(sheet[top:, :60], black) and np.array_equal(sheet[top:, -60:], red)
    assert (sheet[top:, 60:68] == 255).all()
    assert (sheet[:top, :60] < 128).any() and (sheet[:top, -60:] < 128).any(), "names are written"


def test_a_folder_that_cannot_be_made_is_one_line(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert inside("demo", "-o", "file") == 1
    assert capsys.readouterr().err.count("\n") == 1
