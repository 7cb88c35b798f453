"""Reading a file or stdin that should hold a picture: never more bytes than a picture can have."""

import sys
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.errors import DecodeError, NotReady, PictureError, UsageError
from nsr_cli.imaging.limits import most_bytes
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.stream import read_stream
from nsr_cli.planning.inputs import STDIN
from nsr_cli.planning.kinds import is_folder, unread, unreadable
from nsr_cli.reads import read_regular
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import Console, is_terminal


@dataclass(frozen=True, slots=True)
class Source:
    """The picture of a command, with the bytes of its file; `label` is its name in messages."""

    label: str
    data: bytes
    picture: Picture

    @property
    def typed(self) -> str:
        """Its name in JSON: `-` for stdin, as on the command line."""
        return STDIN if self.label == "stdin" else self.label


def read_picture(image: str, max_pixels: int, console: Console) -> Source:
    """Read and decode the picture, and show its notes as warnings.

    Raises:
        UsageError: it is a folder, or stdin is a terminal.
        PictureError, NotReady: it cannot be read or decoded.
    """
    label = "stdin" if image == STDIN else image or "''"
    if image not in ("", STDIN) and is_folder(Path(image)):
        raise UsageError(f"{safe_text(image)} is a folder: give one picture")
    try:
        data = read_input(image, max_pixels, console)
        with Decoder(max_pixels, notice=console.warning) as decoder:
            picture = decoder.first(data)
    except (PictureError, NotReady) as error:
        raise type(error)(f"{safe_text(label)}: {error}") from error
    for note in picture.remarks:
        console.warning(f"{label}: {note}")
    return Source(label, data, picture)


def read_input(text: str, max_pixels: int, console: Console) -> bytes:
    """The bytes of the named picture: those of a file, or for `-` the first picture on stdin.

    Raises:
        UsageError: stdin is a terminal.
        DecodeError: it cannot be read, is a pipe or a device, or is too large to be a picture.
    """
    if text == STDIN:
        return _read_stdin(max_pixels, console)
    if reason := unreadable(text):
        raise DecodeError(reason)
    return read_file(Path(text), max_pixels)


def read_file(path: Path | None, max_pixels: int) -> bytes:
    """The bytes of a file that is not larger than any picture within the limit.

    Raises:
        DecodeError: it cannot be read, or is too large to be a picture.
    """
    if path is None:
        raise DecodeError("stdin holds no picture")
    try:
        check_bytes(path.stat().st_size, max_pixels)
        return read_regular(path, most_bytes(max_pixels))
    except OSError as error:
        raise DecodeError(unread(error)) from error


def check_bytes(stored: int, max_pixels: int) -> None:
    """DecodeError if a file of so many bytes is larger than any picture within the limit."""
    if stored > most_bytes(max_pixels):
        raise DecodeError(f"its {stored} bytes are too many for a picture within --max-pixels {max_pixels}")


def _read_stdin(max_pixels: int, console: Console) -> bytes:
    if is_terminal(sys.stdin):
        raise UsageError(
            "'-' reads a picture from stdin, which is a terminal: pipe or redirect a file into it"
        )
    pictures = read_stream(
        sys.stdin.buffer, max_pixels=max_pixels, notice=lambda text: console.warning(f"stdin: {text}")
    )
    try:
        data = next(pictures)
    except OSError as error:
        raise DecodeError(unread(error)) from error
    try:
        more = next(pictures, None) is not None
    except (DecodeError, OSError):  # what follows does not matter
        more = True
    if more:
        console.warning("stdin: only its first picture is taken")
    return data
