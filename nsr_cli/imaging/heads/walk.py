"""Walk over the chunks of PNG and WebP files, reading their headers alone."""

import struct
from collections.abc import Iterator

from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.png.chunks import SIGNATURE

Chunk = tuple[bytes, int, int]
"""The name, and the start and length of the content, which may be cut off."""


def png_chunks(data: Readable, most: int) -> Iterator[Chunk]:
    """The first `most` chunks of a PNG file."""
    place = len(SIGNATURE)
    for _ in range(most):
        if len(head := data[place : place + 8]) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        yield name, place + 8, length
        place += 12 + length


def webp_chunks(data: Readable, most: int) -> Iterator[Chunk]:
    """The first `most` chunks of a WebP file."""
    place = 12
    for _ in range(most):
        if len(head := data[place : place + 8]) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        yield name, place + 8, length
        place += 8 + length + length % 2
