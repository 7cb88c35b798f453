"""TIFF directories, of which EXIF blocks consist too: tagged values, read from untrusted bytes and written.

Every position is checked before it is used; DirectoryError where a directory cannot be read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.limits import MOST_METADATA

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_SWAP_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # unit of byte order, if above 1
_UNSIGNED = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}  # bytes of a value, by type
_LAST_OLD_TYPE = 13  # those above are BigTIFF's
_MOST_ENTRIES = 4096


class DirectoryError(ValueError):
    """Bytes that cannot be read as a header or directory."""


class CircleError(DirectoryError):
    """A chain of directories that leads back into itself."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How directories are laid out: byte order and, for BigTIFF, 64-bit positions."""

    order: str
    """The byte order as `struct` writes it, "<" or ">"."""

    big: bool = False

    @classmethod
    def of(cls, data: Readable) -> "Layout":
        """Read the header of a TIFF file or EXIF block."""
        order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
        if order is None or len(data) < 8:
            raise DirectoryError("no TIFF header")
        magic = struct.unpack(order + "H", data[2:4])[0]
        if magic not in (42, 43):
            raise DirectoryError("no TIFF header")
        return cls(order, magic == 43)

    @property
    def endian(self) -> Literal["little", "big"]:
        """The byte order as `int.from_bytes` names it."""
        return "little" if self.order == "<" else "big"

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Bytes of a directory's count of entries, of an entry, and of a position."""
        return (8, 20, 8) if self.big else (2, 12, 4)

    def first_directory(self, data: Readable) -> int:
        """Position of the first directory."""
        return self.number(data, 8 if self.big else 4, 8 if self.big else 4)

    def next_pointer(self, data: Readable, start: int) -> int:
        """Where the directory at `start` keeps the position of the next one."""
        head, row, _ = self.sizes
        return start + head + row * self.number(data, start, head)

    def number(self, data: Readable, position: int, size: int) -> int:
        """The unsigned integer of `size` bytes at `position`."""
        if position < 0 or position + size > len(data):
            raise DirectoryError("a directory points outside the block")
        return int.from_bytes(data[position : position + size], self.endian)


@dataclass(frozen=True, slots=True)
class Entry:
    """One tagged value of a directory."""

    tag: int
    kind: int
    """TIFF type number, such as 2 for text and 3 for a 16-bit integer."""

    count: int
    position: int
    """Where the value's bytes begin."""

    slot: int
    """Where the entry's own value-or-position field begins."""

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.count * _TYPE_BYTES[self.kind]

    def raw(self, data: Readable) -> bytes:
        """The value's bytes in the order of the file."""
        return bytes(data[self.position : self.position + self.size])

    def integer(self, data: Readable, layout: Layout) -> int | None:
        """The first value, if it is an unsigned integer of 2, 4 or 8 bytes."""
        return layout.number(data, self.position, self.integer_bytes) if self.integer_bytes else None

    def integers(self, data: Readable, layout: Layout) -> NDArray[np.uint64]:
        """All values, if they are unsigned integers of 1 to 8 bytes; none for other types."""
        if (size := _UNSIGNED.get(self.kind)) is None:
            return np.empty(0, np.uint64)
        return np.frombuffer(self.raw(data), f"{layout.order}u{size}").astype(np.uint64)

    @property
    def integer_bytes(self) -> int:
        """How many bytes `integer` reads; 0 if it returns None."""
        return {3: 2, 4: 4, 13: 4, 16: 8}.get(self.kind, 0) if self.count else 0


def directories(data: Readable, layout: Layout) -> Iterator[int]:
    """The position of each directory in a TIFF file's chain of pages. CircleError if the chain leads back to itself."""
    seen: set[int] = set()
    place = layout.first_directory(data)
    while place:
        if place in seen:
            raise CircleError("its pages form a circle")
        seen.add(place)
        yield place
        place = layout.number(data, layout.next_pointer(data, place), layout.sizes[2])


def entries(data: Readable, start: int, layout: Layout) -> Iterator[Entry]:
    """The entries of the directory at `start` whose type is known and whose bytes lie inside `data`."""
    head, row, wide = layout.sizes
    total = layout.number(data, start, head)
    if total > _MOST_ENTRIES or start + head + total * row > len(data):
        raise DirectoryError("a directory is longer than the block")
    rows = data[start + head : start + head + total * row]  # at once: `data` may be a file
    for place in range(0, total * row, row):
        tag, kind = struct.unpack(layout.order + "HH", rows[place : place + 4])
        count = layout.number(rows, place + 4, wide)
        slot = start + head + place + 4 + wide
        length = count * _TYPE_BYTES.get(kind, 0)
        position = slot if length <= wide else layout.number(rows, place + 4 + wide, wide)
        if length and position + length <= len(data):
            yield Entry(tag, kind, count, position, slot)


@dataclass(frozen=True, slots=True)
class Value:
    """A tagged value outside of its file, in little-endian order."""

    tag: int
    kind: int
    count: int
    data: bytes


def read_values(data: Readable, start: int, layout: Layout) -> list[Value]:
    """The values of the directory at `start`, without those of BigTIFF's own types and those that are too long.

    DirectoryError if together they are longer than `data`: a hostile directory may let thousands of them overlap.
    """
    found, room = [], len(data)
    for entry in entries(data, start, layout):
        room -= entry.size
        if room < 0:
            raise DirectoryError("values of a directory overlap")
        if entry.kind > _LAST_OLD_TYPE or entry.size > MOST_METADATA:
            continue
        raw = entry.raw(data)
        unit = _SWAP_BYTES.get(entry.kind, 1)
        if layout.order == ">" and unit > 1:
            raw = np.frombuffer(raw, f">u{unit}").astype(f"<u{unit}").tobytes()
        found.append(Value(entry.tag, entry.kind, entry.count, raw))
    return found


def build_directory(values: list[Value], position: int, *, big: bool = False) -> bytes:
    """A little-endian directory for `position`, followed by its long values; `big` has the layout of BigTIFF."""
    head, row, wide = ("Q", "<HHQ", 8) if big else ("H", "<HHI", 4)
    rows, tail = [], b""
    after = position + struct.calcsize("<" + head) + len(values) * (struct.calcsize(row) + wide) + wide
    for value in sorted(values, key=lambda v: v.tag):
        slot = value.data.ljust(wide, b"\0")
        if len(value.data) > wide:
            slot = (after + len(tail)).to_bytes(wide, "little")
            tail += value.data + b"\0" * (len(value.data) % 2)
        rows.append(struct.pack(row, value.tag, value.kind, value.count) + slot)
    return struct.pack("<" + head, len(rows)) + b"".join(rows) + bytes(wide) + tail
