"""Opening what ought to be a regular file: nothing is waited for, and two versions never mix."""

import errno
import os
import socket
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from nsr_cli import reads
from nsr_cli.reads import open_regular, read_regular, refuse_others, why_no_file

POSIX = pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")


def test_the_bytes_of_a_file_come_whatever_its_length(tmp_path: Path) -> None:
    for content in (b"", b"a", bytes(range(256)) * 1000):
        (tmp_path / "a").write_bytes(content)
        assert read_regular(tmp_path / "a") == content
        assert read_regular(tmp_path / "a", len(content)) == content


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    monkeypatch.setattr(reads, "_read", lambda *_: pytest.fail("it is read"))
    with pytest.raises(OSError, match="its 10 bytes are too many"):
        read_regular(tmp_path / "a", 9)


def test_of_a_file_of_unknown_size_the_end_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network file systems have them, and Linux under /proc."""
    (tmp_path / "a").write_bytes(b"0123456789")
    monkeypatch.setattr(reads, "state_of", lambda _: (0, 1))
    for most in (10, 1000, 1 << 62):
        assert read_regular(tmp_path / "a", most) == b"0123456789"
    with pytest.raises(OSError, match="more than 9 bytes") as caught:
        read_regular(tmp_path / "a", 9)
    assert caught.value.errno == errno.EFBIG
    monkeypatch.setattr(reads, "_UNKNOWN", 8)
    with pytest.raises(OSError, match="more than 8 bytes"):
        read_regular(tmp_path / "a")


@POSIX
def test_a_special_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for name, reason in (("pipe", "pipe"), ("folder", "folder"), ("link", "pipe"), ("s", "device")):
            for work in (open_regular, read_regular, refuse_others):
                with pytest.raises(OSError, match=reason) as caught:
                    work(tmp_path / name)
                assert caught.value.strerror
    with pytest.raises(OSError, match="device"):
        read_regular("/dev/zero")
    assert [path.name for path in Path("/proc/self/fd").iterdir() if leads_to(path, tmp_path)] == []


def leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:
        return False


@POSIX
def test_a_pipe_that_takes_the_place_of_a_file_in_between_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"file")
    true = os.stat

    def then_a_pipe(name: Any, **more: Any) -> os.stat_result:
        found = true(name, **more)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(os, "stat", then_a_pipe)
    with pytest.raises(OSError, match="pipe"):
        open_regular(path)


def test_what_is_not_there_yet_is_nothing_else(tmp_path: Path) -> None:
    refuse_others(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent")


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "shorter": lambda path: os.truncate(path, 5000),
    "emptied": lambda path: os.truncate(path, 0),
    "rewritten": lambda path: path.write_bytes(b"b" * 10_000),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("early", [False, True])
def test_a_file_that_changes_while_it_is_read_is_refused(
    change: str, early: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a" * 10_000)
    os.utime(path, (1, 1))
    true = reads._read

    def then_changed(file: FileIO, most: int) -> bytes:
        if early:
            CHANGES[change](path)
        found = true(file, most)
        if not early:
            CHANGES[change](path)
        return found

    monkeypatch.setattr(reads, "_read", then_changed)
    with pytest.raises(OSError, match="changed while it was read"):
        read_regular(path)


def test_a_file_that_is_replaced_or_removed_while_it_is_read_comes_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    true = reads._read
    for change in (lambda: other.replace(path), path.unlink):
        path.write_bytes(b"old")
        other.write_bytes(b"new and longer")

        def then_changed(file: FileIO, most: int, change: Callable[[], object] = change) -> bytes:
            if os.name == "posix":
                change()
            return true(file, most)

        monkeypatch.setattr(reads, "_read", then_changed)
        assert read_regular(path) == b"old"


def test_the_reason_for_a_missing_file_is_given(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_no_file(tmp_path / "file") is None
    for path, why in (
        (tmp_path / "gone", "there is no such file"),
        (tmp_path / "file" / "inside", "there is no such file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "a\0b", "no file can have such a name"),
        (tmp_path / ("n" * 5000), os.strerror(errno.ENAMETOOLONG)),
    ):
        assert why_no_file(path) == why
