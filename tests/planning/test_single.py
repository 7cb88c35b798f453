"""Where the one result of a showing command goes, decided before any work."""

import os
from pathlib import Path

import pytest

from nsr_cli.errors import DecodeError, UsageError, WriteError
from nsr_cli.planning.reading import read_picture
from nsr_cli.planning.single import Target, place
from nsr_cli.terminal.console import Console

FORMS = {".png": "PNG", ".html": "HTML"}
PRIVATE = Path("in/a.png")  # nobody who may not read it gets to read the result


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")


@pytest.mark.parametrize(
    "output, expected",
    [
        (None, Target(Path("in/a_x.png"), "PNG", like=PRIVATE)),
        ("in", Target(Path("in/a_x.png"), "PNG", like=PRIVATE)),
        ("new/", Target(Path("new/a_x.png"), "PNG", like=PRIVATE)),
        ("b.PNG", Target(Path("b.PNG"), "PNG", like=PRIVATE)),
        ("deep/er/b.html", Target(Path("deep/er/b.html"), "HTML", like=PRIVATE)),
        ("-", Target(None, "PNG")),
    ],
)
def test_places(output: str | None, expected: Target) -> None:
    assert place(str(PRIVATE), output, "_x", FORMS, None) == expected


@pytest.mark.parametrize(
    "output, rule, there",
    [(None, None, True), (None, "overwrite", False), ("in/a_x.png", "skip", True), ("in/", None, True)],
)
def test_a_result_that_is_there(output: str | None, rule: str | None, there: bool) -> None:
    Path("in/a_x.png").write_bytes(b"old")
    assert place("in/a.png", output, "_x", FORMS, rule).there == there


@pytest.mark.parametrize("output, rule", [("in/a_x.png", None), (None, "error")])
def test_a_result_that_must_not_be_there(output: str | None, rule: str | None) -> None:
    Path("in/a_x.png").write_bytes(b"old")
    with pytest.raises(UsageError, match="already exists"):
        place("in/a.png", output, "_x", FORMS, rule)


def test_the_picture_itself_is_never_replaced() -> None:
    os.link("in/a.png", "other.png")
    with pytest.raises(UsageError, match="is the input itself"):
        place("in/a.png", "other.png", "_x", FORMS, "overwrite")


def test_what_is_empty_names_nothing() -> None:
    with pytest.raises(UsageError, match=r"^-o is empty: name a file or a folder$"):
        place("in/a.png", "", "_x", FORMS, "overwrite")
    Path("_x.png").touch()  # what the empty name's own result would be called
    assert place("", None, "_x", FORMS, "overwrite").path == Path("_x.png")
    with pytest.raises(DecodeError, match=r"^'': no such file$"):
        read_picture("", 1000, Console())


def test_devices_are_written_to() -> None:
    os.mkfifo("pipe.png")
    assert place("in/a.png", "pipe.png", "_x", FORMS, None) == Target(Path("pipe.png"), "PNG", like=PRIVATE)


def test_a_file_in_the_way_is_found_early() -> None:
    with pytest.raises(WriteError, match="choose another folder"):
        place("in/a.png", "in/a.png/b.png", "_x", FORMS, None)
    Path("dir.png").mkdir()
    Path("dir.png/a_x.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        place("in/a.png", "dir.png", "_x", FORMS, None)
