"""The digest of everything in a result besides its pixels, which becomes part of the note in the same file.

    file with a token in its note ── digest of all else ──▶ the digest in the token's place

Texts, EXIF, XMP, IPTC, profile and resolution of all pages count; the note itself and how pixels are compressed do not.
This runs in the program's own process, so no library sees the file: its parts are found here, byte by byte.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from nsr_cli.imaging import codec, ifd, outline
from nsr_cli.imaging.filebytes import OpenFile, Readable
from nsr_cli.imaging.ifd import Layout
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.metadata import exif, xmp
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.tiff import tags
from nsr_cli.notes.texts_of_file import KEYWORD, packed_texts, png_text

_MOST_PARTS = 1 << 22  # chunks, segments or pages that are looked at
_JPEG_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})  # segments for applications, and comments
# Not the time either, which programs change when they compress a file again.
_PNG_PIXELS = frozenset((b"IHDR PLTE tRNS IDAT IEND acTL fcTL fdAT tIME").split())
_WEBP_PIXELS = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANMF"))
# Kind, sides, bits, compression, color, fill order, positions and sizes of strips and tiles, layout, predictor, format
_TIFF_PIXELS = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339)
)
_DIRECTORIES = (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of metadata in a file."""

    name: str
    content: bytes
    place: int
    """Where the content begins in the file."""

    holds_texts: bool = False
    """Whether it is an XMP packet or a text of PNG, and may hold the note."""


def digest(data: Readable) -> str | None:
    """sha256 of all metadata of a file except the note; None for formats without such texts.

    Raises:
        DecodeError, ValueError, IndexError, struct.error: the file is damaged; `texts_of_file.DAMAGE` names them.
    """
    kind = codec.sniff(data)
    if kind not in _PARTS:
        return None
    pieces = sorted(piece for part in _PARTS[kind](data) for piece in _pieces(part, kind))
    return hashlib.sha256(repr(pieces).encode()).hexdigest()


def seal(data: bytes, token: str) -> bytes:
    """The file of a result with its digest in place of `token` in its note; unchanged without a note."""
    pieces: list[bytes | memoryview] = []
    view, done = memoryview(data), 0
    for place, content in _changes(data, token):
        pieces += [view[done:place], content]
        done = place + len(content)
    return b"".join([*pieces, view[done:]]) if done else data


def seal_file(file: BinaryIO, token: str) -> None:
    """`seal` for a file that is open for reading and writing."""
    for place, content in _changes(OpenFile(file), token):
        file.seek(place)
        file.write(content)


def _changes(data: Readable, token: str) -> list[tuple[int, bytes]]:
    """Positions and bytes to write there, in the order of the file, so that the digest takes the token's place."""
    kind = codec.sniff(data)
    found = digest(data)
    if found is None:
        return []
    changes = []
    for part in _PARTS[kind](data):
        content = part.content.replace(token.encode(), found.encode()) if part.holds_texts else part.content
        if content != part.content and kind == "PNG":
            content += struct.pack(">I", zlib.crc32(part.name.encode() + content))
        if content[: len(part.content)] != part.content:
            changes.append((part.place, content))
    return sorted(changes)


def _pieces(part: Part, kind: str) -> Iterator[tuple[str, str]]:
    """Name and content of the pieces of a part that count. A text is one piece, however it is stored."""
    if part.holds_texts:
        texts = png_text(part.name.encode(), part.content) if kind == "PNG" else packed_texts(part.content)
        if texts is not None:
            yield from ((f"text {key}", value) for key, value in texts if key != KEYWORD)
            return
    yield part.name, hashlib.sha256(part.content).hexdigest()


def _of_png(data: Readable) -> Iterator[Part]:
    for name, place, length in pngchunks.walk(data, _MOST_PARTS):
        if name not in _PNG_PIXELS:
            yield Part(name.decode("latin-1"), data[place : place + length], place, name in pngread.TEXTS)


def _of_jpeg(data: Readable) -> Iterator[Part]:
    for marker, place, length in markers.walk(data, _MOST_PARTS):
        content = data[place : place + length]
        if content.startswith(xmp.JPEG_HEAD) and marker == markers.APP1:
            start = len(xmp.JPEG_HEAD)
            yield Part("XMP", content[start:], place + start, holds_texts=True)
        elif marker in _JPEG_METADATA:
            yield Part(str(marker), content, place)


def _of_webp(data: Readable) -> Iterator[Part]:
    for name, place, length in outline.webp_chunks(data, _MOST_PARTS):
        if name not in _WEBP_PIXELS:
            content = data[place : place + length]
            yield Part(name.decode("latin-1"), content, place, holds_texts=name == b"XMP ")


def _of_tiff(data: Readable) -> Iterator[Part]:
    """The tags of every page and of its EXIF and GPS directories."""
    layout = Layout.of(data)
    for number, start in enumerate(ifd.directories(data, layout), 1):
        for entry in ifd.entries(data, start, layout):
            name = f"page {number} tag {entry.tag}"
            if entry.tag in _DIRECTORIES:
                inner = entry.integer()
                values = ifd.read_values(data, inner, layout) if inner else []
                yield from (Part(f"{name} {value.tag}", value.data, entry.position) for value in values)
            elif entry.tag not in _TIFF_PIXELS and entry.size <= MOST_METADATA:
                yield Part(name, entry.raw(), entry.position, holds_texts=entry.tag == tags.XMP)


_PARTS = {"PNG": _of_png, "JPEG": _of_jpeg, "WEBP": _of_webp, "TIFF": _of_tiff}
