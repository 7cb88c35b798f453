"""The chunks that a PNG file is made of: its signature, its header, and how many pictures it holds."""

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import outline
from nsr_cli.imaging.filebytes import Readable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD_END = len(SIGNATURE) + 25  # where IHDR, the first chunk, ends
METER = 0.0254  # inches to meters
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type


@dataclass(frozen=True, slots=True)
class Header:
    """The content of IHDR."""

    width: int
    height: int
    depth: int
    color: int

    @property
    def is_palette(self) -> bool:
        """Whether pixels are indices."""
        return self.color == 3

    @property
    def is_gray(self) -> bool:
        """Whether pixels have one color sample."""
        return self.color in (0, 4)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Type, content and end position of each chunk up to IEND. DecodeError if the file ends before."""
    view, place = memoryview(data), len(SIGNATURE)
    for number in itertools.count(1):
        outline.check_parts(number, len(data), "PNG", "chunks")
        if place + 12 > len(data):
            raise DecodeError("the PNG file is cut off")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise DecodeError("the PNG file is cut off")
        yield kind, view[place + 8 : end - 4], end
        if kind == b"IEND":
            return
        place = end


def walk(data: Readable, most: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and start and length of the content, which may be cut off, of the first `most` chunks of a PNG file.

    Only their headers are read.
    """
    place = len(SIGNATURE)
    for _ in range(most):
        if len(head := data[place : place + 8]) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        yield name, place + 8, length
        place += 12 + length


def header(data: Readable) -> Header:
    """IHDR of a PNG file. DecodeError if it has none."""
    start = data[:HEAD_END]
    if len(start) < HEAD_END or start[12:16] != b"IHDR":
        raise DecodeError("the PNG file has no header")
    width, height, depth, color = struct.unpack_from(">IIBB", start, 16)
    if color not in SAMPLES or depth not in (1, 2, 4, 8, 16):
        raise DecodeError(f"the PNG header is invalid (depth {depth}, color type {color})")
    return Header(width, height, depth, color)


def pictures(data: bytes) -> tuple[int, bool]:
    """How many pictures a PNG file has, and whether the first stands apart from the frames of its animation.

    A file without animation has 1. DecodeError if there are too many.
    """
    frames, is_shown = 0, False
    for kind, content, _ in chunks(data):
        if kind == b"acTL" and len(content) >= 8:
            frames = frames or int(struct.unpack_from(">I", content)[0])
            outline.check_pictures(frames, "frames")
        is_shown |= kind == b"fcTL"
        if kind == b"IDAT":
            break
    is_apart = frames > 0 and not is_shown
    return max(1, frames) + is_apart, is_apart


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
