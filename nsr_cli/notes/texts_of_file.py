"""The text of the note in a picture file, found without decoding pixels, nor reading them if they can be skipped.

This runs in the program's own process, so no library sees the file: its parts are found here, in a bounded number of
reads, whatever the file says.
"""

import struct
import zlib
from pathlib import Path

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, ifd, outline
from nsr_cli.imaging.filebytes import FileBytes, Readable
from nsr_cli.imaging.ifd import Layout
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.metadata import xmp
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.tiff import tags

Texts = tuple[tuple[str, str], ...]
"""Keywords and texts."""

KEYWORD = "nsr"
"""Under which the note stands."""

DAMAGE = (DecodeError, ValueError, IndexError, struct.error)
"""The errors that a damaged file raises."""

_MOST_PARTS = 1 << 16  # chunks or segments that are looked at; a result of nsr has its text before the pixels


def find(path: Path) -> str | None:
    """The first text under `KEYWORD` in a file; None if there is none, or it cannot be read.

    Raises:
        OSError: the file cannot be read.
        DecodeError: it is not a picture.
    """
    with FileBytes(path) as data:
        kind = codec.sniff(data)
        try:
            texts = _texts(data, kind)
        except DAMAGE as error:
            raise DecodeError(f"the {kind} file is damaged") from error
    return next((value for key, value in texts or () if key == KEYWORD), None)


def _texts(data: Readable, kind: str) -> Texts | None:
    if kind == "PNG":
        return _of_png(data)
    packet = _PACKETS[kind](data) if kind in _PACKETS else None
    return None if packet is None else packed_texts(packet)


def _of_png(data: Readable) -> Texts | None:
    """The note; nothing else is unpacked."""
    start = KEYWORD.encode() + b"\0"
    for name, place, length in pngchunks.walk(data, _MOST_PARTS):
        if name in pngread.TEXTS and length <= MOST_METADATA and data[place : place + len(start)] == start:
            return png_text(name, data[place : place + length])
    return None


def png_text(name: bytes, content: bytes) -> Texts | None:
    """The keyword and text of a text chunk of PNG; None if it is damaged or too long."""
    try:
        return (pngread.read_text(name, content, MOST_METADATA),)
    except (ValueError, IndexError, zlib.error):
        return None


def packed_texts(packet: bytes) -> Texts | None:
    """The keywords and texts in an XMP packet; None if it is not UTF-8."""
    text = xmp.decode(packet)
    return None if text is None else xmp.unpack(text)


def _of_jpeg(data: Readable) -> bytes | None:
    """The XMP packet, the last one of several; extended ones begin differently."""
    packet = None
    for marker, place, length in markers.walk(data, _MOST_PARTS):
        if marker == markers.APP1:
            content = data[place : place + length]
            packet = content.removeprefix(xmp.JPEG_HEAD) if content.startswith(xmp.JPEG_HEAD) else packet
    return packet


def _of_webp(data: Readable) -> bytes | None:
    """The XMP packet."""
    for name, place, length in outline.webp_chunks(data, _MOST_PARTS):
        if name == b"XMP " and length <= MOST_METADATA:
            return data[place : place + length]
    return None


def _of_tiff(data: Readable) -> bytes | None:
    """The XMP packet of the first page."""
    layout = Layout.of(data)
    for entry in ifd.entries(data, layout.first_directory(data), layout):
        if entry.tag == tags.XMP:
            return entry.raw() if entry.size <= MOST_METADATA else None
    return None


_PACKETS = {"JPEG": _of_jpeg, "WEBP": _of_webp, "TIFF": _of_tiff}
