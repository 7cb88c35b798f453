"""`nsr demo` with bicubic interpolation in place of the network, so that the gain is known: none."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nsr_cli.cli import demo
from nsr_cli.errors import UsageError, WriteError
from nsr_cli.evaluate import Baseline
from nsr_cli.restore import Restorer
from nsr_cli.terminal.console import Console


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Restorer, "load", lambda *_, **__: Baseline("bicubic", 2))


def test_it_writes_four_pictures_and_says_so_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(demo.app, ["-o", str(tmp_path / "look")], obj=Console())
    assert done.exit_code == 0, done.exception
    said = re.fullmatch(
        r"wrote (\S+) \(640x480, x2\) in \d+\.\d\d s, ([+-]\d+\.\d\d) dB over bicubic .*: (\S+)\n",
        done.stdout,
    )
    assert said is not None, done.stdout
    assert said[2] == "+0.00"
    sizes = {}
    for path in (tmp_path / "look").iterdir():
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    assert sizes == {
        "input": (320, 240),
        "bicubic": (640, 480),
        "restored": (640, 480),
        "compare": (1288, 504),
    }
    assert Path(said[3]).name == "compare.png"


def test_an_empty_folder_name_is_not_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(demo.app, ["-o", ""], obj=Console())
    assert isinstance(refused.exception, UsageError) and "-o is empty" in str(refused.exception)
    assert CliRunner().invoke(demo.app, ["-o", "."], obj=Console()).exit_code == 0
    assert (tmp_path / "restored.png").exists()


@pytest.mark.parametrize("name", demo.NAMES)
def test_what_is_there_already_stays_unless_it_may_be_replaced(tmp_path: Path, name: str) -> None:
    mine = tmp_path / f"{name}.png"
    mine.write_bytes(b"mine")
    left = CliRunner().invoke(demo.app, ["-o", str(tmp_path)], obj=Console())
    assert left.exit_code == 0 and "already exists" in left.stderr and left.stdout == ""
    refused = CliRunner().invoke(demo.app, ["-o", str(tmp_path), "--if-exists", "error"], obj=Console())
    assert isinstance(refused.exception, UsageError)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]
    done = CliRunner().invoke(demo.app, ["-o", str(tmp_path), "--if-exists", "overwrite"], obj=Console())
    assert done.exit_code == 0 and mine.read_bytes() != b"mine"


def test_an_unknown_device_is_wrong_usage() -> None:
    assert CliRunner().invoke(demo.app, ["--device", "cpu:"], obj=Console()).exit_code == 2


def test_pictures_stand_side_by_side_under_their_names() -> None:
    black, red = np.zeros((30, 60, 3), np.uint8), np.full((30, 60, 3), (200, 0, 0), np.uint8)
    sheet = demo.side_by_side({"one": black, "two": red})
    top = demo.LABEL_HEIGHT
    assert np.array_equal(sheet[top:, :60], black) and np.array_equal(sheet[top:, -60:], red)
    assert (sheet[top:, 60:68] == 255).all()
    assert (sheet[:top, :60] < 128).any() and (sheet[:top, -60:] < 128).any(), "names are written"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = CliRunner().invoke(demo.app, ["-o", str(tmp_path / "file")], obj=Console())
    assert isinstance(done.exception, WriteError) and "\n" not in str(done.exception)
