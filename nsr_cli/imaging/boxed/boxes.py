"""The boxes that JPEG 2000, AVIF and HEIF files consist of: a length, a name of four bytes, and the content.

ISO 14496-12, section 4.2, and ISO 15444-1, annex I.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nsr_cli.imaging.filebytes import Readable

_MOST = 4096  # boxes beside one another that are looked at; photographs have about ten
_SHORT, _LONG = 8, 16  # bytes before the content


class Box(NamedTuple):
    """One box in a file."""

    name: bytes
    start: int
    """Where its content begins."""
    end: int
    """Where its content ends, at most where that of the box around it does."""
    is_cut: bool
    """Whether it should go on beyond that."""


def boxes(data: Readable, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two places of a file, by default all of it. A damaged length ends them."""
    limit = len(data) if end is None else end
    for _ in range(_MOST):
        head = data[start : min(start + _LONG, limit)]
        length, size = int.from_bytes(head[:4]), _SHORT
        if length == 1:  # a longer length stands behind the name
            length, size = int.from_bytes(head[_SHORT:_LONG]), _LONG
        if length == 0:  # the last box of a file need not state its length
            length = limit - start
        if length < size or len(head) < size:
            return
        yield Box(head[4:8], start + size, min(limit, start + length), start + length > limit)
        start += length


def within(data: Readable, outer: Box, *, skip: int = 0) -> Iterator[Box]:
    """The boxes in a box, whose own content takes its first `skip` bytes."""
    return boxes(data, outer.start + skip, outer.end)


def first(found: Iterator[Box], name: bytes) -> Box | None:
    """The first box of that name."""
    return next((box for box in found if box.name == name), None)


def content(data: Readable, box: Box, most: int) -> bytes:
    """Up to `most` bytes of a box's content."""
    return data[box.start : min(box.end, box.start + most)]
