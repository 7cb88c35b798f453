"""`--files-from`: lists of paths out of files and pipes, and what is wrong with some."""

import io
import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.imaging.png.chunks import SIGNATURE
from nsr_cli.options.settings import RESTORING
from nsr_cli.planning import listed
from nsr_cli.planning.inputs import gather
from nsr_cli.planning.listed import listed_paths
from tests.command import Inside, Run

LATIN = os.fsdecode(b"caf\xe9.png")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("data", "null", "expected"),
    [
        (b"a.png\n\n  b c.png\r\n\r\nd/e.png", False, ("a.png", "  b c.png", "d/e.png")),
        (b"\xef\xbb\xbfa.png\n", False, ("a.png",)),
        (b"a\nb.png\0\0c.png\r\0", True, ("a\nb.png", "c.png\r")),
        (b"alone.png", True, ("alone.png",)),
        (b"caf\xe9.png\n-\n[a].png\n", False, (LATIN, "-", "[a].png")),
    ],
)
def test_a_list_has_a_path_a_line_or_nul_bytes_between_them(
    data: bytes, null: bool, expected: tuple[str, ...]
) -> None:
    Path("list").write_bytes(data)
    assert listed_paths([], ["list"], null) == expected


@pytest.mark.parametrize(
    ("data", "null", "reason"),
    [
        (None, False, "--files-from list: there is no such file"),
        (b"", False, "--files-from list: it is empty"),
        (b"\n\r\n", False, "--files-from list: it is empty"),
        (b"a.png\0b.png\0", False, "it has NUL bytes: give -0 if they stand between the paths"),
        (b"a.png\nb.png\n", True, "it has lines, and no NUL bytes: leave out -0"),
        (b"a" * 33, False, "it is longer than 0 MiB: split it into several lists"),
    ],
)
def test_an_invalid_list_is_one_line(
    data: bytes | None, null: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST", 32)
    if data is not None:
        Path("list").write_bytes(data)
    with pytest.raises(UsageError, match=reason):
        listed_paths([], ["list"], null)


def test_an_impossible_name_is_reported_with_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list").write_bytes(b"a.png\nb\xff.png\n")
    monkeypatch.setattr(listed, "os", SimpleNamespace(fsdecode=lambda path: path.decode("utf-8")))
    with pytest.raises(UsageError, match=r"path 2, b'b\\xff.png', is not written in utf-8"):
        listed_paths([], ["list"], False)


def test_options_that_do_not_go_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="missing IN: give pictures or folders, or a list"):
        listed_paths([], None, False)
    with pytest.raises(UsageError, match="-0 is for a list of paths"):
        listed_paths(["a.png"], None, True)
    with pytest.raises(UsageError, match="stdin can hold the list of --files-from or pictures, not both"):
        listed_paths(["-"], ["-"], False)
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        listed_paths([], ["."], False)
    with pytest.raises(UsageError, match="--files-from is empty: name a list"):
        listed_paths([], [""], False)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a.png"), isatty=lambda: True))
    with pytest.raises(UsageError, match="which is a terminal"):
        listed_paths([], ["-"], False)
    assert listed_paths(["a.png"], None, False) == ()


def test_a_list_may_be_a_pipe_as_a_shell_makes_one() -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(b"a.png\nb.png\n",))
    writer.start()
    assert listed_paths(["c.png"], ["pipe"], False) == ("a.png", "b.png")
    writer.join()


def test_several_lists_are_taken_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("one").write_text("b.png\n")
    Path("none").write_text("")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"c.png"), isatty=lambda: False))
    assert listed_paths([], ["none", "-", "one"], False) == ("c.png", "b.png")
    with pytest.raises(UsageError, match="'-' is given twice: stdin can be read once"):
        listed_paths([], ["-", "one", "-"], False)
    with pytest.raises(UsageError, match="--files-from none --files-from none: they are empty"):
        listed_paths([], ["none", "none"], False)
    with pytest.raises(UsageError, match="--files-from gone: there is no such file"):
        listed_paths([], ["one", "gone"], False)


@pytest.mark.parametrize("command", [*RESTORING, "inspect"])
def test_the_option_may_be_given_several_times(
    command: str, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        Path(name).write_text(f"{name}.png\n")
    assert inside(command, "--files-from", "b", "c.png", "--files-from", "a") == 3
    told = [line.split(":")[1].strip() for line in capsys.readouterr().err.splitlines() if "no such" in line]
    assert told == ["c.png", "b.png", "a.png"]


def test_listed_paths_are_taken_as_they_are_and_once() -> None:
    for name in ("-", "a.png", "[a].png", "d/b.png", "d/sub/c.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    inputs = ("-", "./a.png", "[a].png", "?.png", "d", "no.png")
    gathered = gather(["a.png"], False, inputs)
    assert [str(found.path) for found in gathered.found] == ["a.png", "-", "[a].png", "d/b.png"]
    assert [(remark.path, remark.reason) for remark in gathered.failed] == [
        ("?.png", "no such file"),
        ("no.png", "no such file"),
    ]
    assert (gathered.folders, gathered.unvisited) == ([Path("d")], 1)


def test_one_plan_is_made_of_a_long_list_out_of_a_pipe(nsr: Run, tmp_path: Path) -> None:
    for i in range(2000):
        (tmp_path / f"a picture {i}.png").write_bytes(SIGNATURE)
    names = b"".join(os.fsencode(path.name) + b"\0" for path in tmp_path.iterdir())
    done = nsr("upscale", "--files-from", "-", "-0", "-s", "2", "-n", "--json", stdin=names)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({record["output"] for record in records}) == 2000
    assert b"2000 to restore; " in done.stderr


@pytest.mark.parametrize("command", RESTORING)
def test_all_restoring_commands_take_a_list_and_see_collisions_in_it(
    command: str, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/x.png", "b/x.png"):
        Path(name).parent.mkdir()
        Path(name).touch()
    Path("list").write_text("a/x.png\nb/x.png\n")
    assert inside(command, "--files-from", "list", "-o", "out/", "-n") == 2
    assert "a/x.png and b/x.png would both become out/x.png" in capsys.readouterr().err
