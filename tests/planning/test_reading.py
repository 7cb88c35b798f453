"""What is read where a picture was named: a file or the first picture on stdin, and never without end."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nsr_cli.errors import DecodeError, UsageError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.reading import read_input, read_picture
from nsr_cli.terminal.console import Console

PNM = b"P5 3 2 255\n" + bytes(6)


class Endless:
    """A photograph that goes on for ever, and how many bytes of it were read."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int) -> bytes:
        start = b"\xff\xd8\xff\xda\0\x08\x01\x01\0\0\x3f\0" if not self.given else b""
        self.given += size
        return start + b"\x55" * (size - len(start))


def stdin(monkeypatch: pytest.MonkeyPatch, source: object) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=source, isatty=lambda: False))


def test_a_stream_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Endless()
    stdin(monkeypatch, source)
    with pytest.raises(DecodeError, match="goes on beyond the largest picture"):
        read_input("-", 1000, Console())
    assert source.given < 1 << 27


@pytest.mark.parametrize("more", [b"", b"\n"])
def test_a_picture_on_stdin_is_taken_whole(more: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, io.BytesIO(PNM + more))
    assert read_input("-", 1000, Console()) == PNM


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (PNM, "only its first picture is taken"),
        (b"no picture", "what follows picture 1 of the stream is not a picture: left out"),
    ],
)
def test_what_follows_the_first_picture_is_left_out_and_that_is_said(
    more: bytes, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, io.BytesIO(PNM + more))
    assert read_input("-", 1000, Console()) == PNM
    assert capsys.readouterr().err == f"stdin: {told}\n"


def test_stdin_that_is_a_terminal_or_a_folder_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(UsageError, match="which is a terminal"):
        read_input("-", 1000, Console())
    folder = os.open(tmp_path, os.O_RDONLY)
    stdin(monkeypatch, SimpleNamespace(read=lambda size: os.read(folder, size)))
    with pytest.raises(DecodeError, match=r"^cannot be read: Is a directory"):
        read_input("-", 1000, Console())
    os.close(folder)


def test_devices_pipes_and_files_too_large_for_a_picture_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 30)
    for name, reason in (
        ("/dev/zero", "a device"),
        ("pipe.png", "a pipe"),
        ("large.png", "too many"),
        ("x", "no such"),
    ):
        with pytest.raises(DecodeError, match=reason):
            read_input(str(tmp_path / name), 1000, Console())


def test_a_picture_is_decoded_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = codec.encode_pages([Picture(np.full((4, 5, 3), level, np.uint8)) for level in (9, 99)], "TIFF")
    (tmp_path / "b.tif").write_bytes(stored)
    monkeypatch.setattr(codec, "decode", lambda *args, **options: pytest.fail("decoded here"))
    found = read_picture(str(tmp_path / "b.tif"), 1 << 20, Console())
    assert (found.label, found.data) == (str(tmp_path / "b.tif"), stored)
    assert (found.picture.width, int(found.picture.pixels[0, 0, 0])) == (5, 9)


def test_what_is_wrong_with_a_picture_is_one_line_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").touch()
    with pytest.raises(DecodeError, match=r"^a\.png: the file is empty$"):
        read_picture("a.png", 1 << 20, Console())
