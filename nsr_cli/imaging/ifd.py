"""TIFF directories, which EXIF blocks are made of too: tagged values, read from untrusted bytes and written.

Every position is checked before it is used; what cannot be read is a `DirectoryError`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}
_SWAP_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # unit of byte order, if above 1
_MOST_ENTRIES = 4096


class DirectoryError(ValueError):
    """Bytes that cannot be read as a header or directory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How directories are laid out: byte order and, for BigTIFF, wide positions."""

    order: str
    """struct's sign of the byte order, "<" or ">"."""

    big: bool = False

    @classmethod
    def of(cls, data: bytes) -> "Layout":
        """Read the header of a TIFF file or EXIF block."""
        order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
        if order is None or len(data) < 8:
            raise DirectoryError("no TIFF header")
        magic = struct.unpack_from(order + "H", data, 2)[0]
        if magic not in (42, 43):
            raise DirectoryError("no TIFF header")
        return cls(order, magic == 43)

    def first_directory(self, data: bytes) -> int:
        """Position of the first directory."""
        return self.number(data, 8 if self.big else 4, 8 if self.big else 4)

    def number(self, data: bytes, position: int, size: int) -> int:
        """The unsigned integer of `size` bytes at `position`."""
        if position < 0 or position + size > len(data):
            raise DirectoryError("a directory points outside the block")
        return int(struct.unpack_from(self.order + {2: "H", 4: "I", 8: "Q"}[size], data, position)[0])


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

    def raw(self, data: bytes) -> bytes:
        """The value's bytes in the order of the file."""
        return bytes(data[self.position : self.position + self.count * _TYPE_BYTES[self.kind]])

    def integer(self, data: bytes, layout: Layout) -> int | None:
        """The first value, if it is an unsigned integer of 2, 4 or 8 bytes."""
        size = {3: 2, 4: 4, 13: 4, 16: 8}.get(self.kind)
        return layout.number(data, self.position, size) if size and self.count else None


def entries(data: bytes, start: int, layout: Layout) -> Iterator[Entry]:
    """The entries of the directory at `start` whose type is known and whose bytes lie inside `data`."""
    head, row, wide = (8, 20, 8) if layout.big else (2, 12, 4)
    total = layout.number(data, start, head)
    if total > _MOST_ENTRIES or start + head + total * row > len(data):
        raise DirectoryError("a directory is longer than the block")
    for place in range(start + head, start + head + total * row, row):
        tag, kind = struct.unpack_from(layout.order + "HH", data, place)
        count = layout.number(data, place + 4, wide)
        slot = place + 4 + wide
        length = count * _TYPE_BYTES.get(kind, 0)
        position = slot if length <= wide else layout.number(data, slot, wide)
        if length and position + length <= len(data):
            yield Entry(tag, kind, count, position, slot)


@dataclass(frozen=True, slots=True)
class Value:
    """A tagged value on its own, in little-endian order."""

    tag: int
    kind: int
    count: int
    data: bytes


def read_values(data: bytes, start: int, layout: Layout) -> list[Value]:
    """The directory at `start` as values; wide BigTIFF types are left out, EXIF has none.

    DirectoryError if they are longer than all of `data` together: thousands of them may lie over one another.
    """
    found, room = [], len(data)
    for entry in entries(data, start, layout):
        room -= entry.count * _TYPE_BYTES[entry.kind]
        if room < 0:
            raise DirectoryError("values of a directory overlap")
        raw = entry.raw(data)
        unit = _SWAP_BYTES.get(entry.kind, 1)
        if layout.order == ">" and unit > 1:
            raw = b"".join(raw[i : i + unit][::-1] for i in range(0, len(raw), unit))
        if entry.kind <= 13:
            found.append(Value(entry.tag, entry.kind, entry.count, raw))
    return found


def build_directory(values: list[Value], position: int) -> bytes:
    """A little-endian directory that will stand at `position`, followed by its long values."""
    rows, tail = [], b""
    after = position + 2 + 12 * len(values) + 4
    for value in sorted(values, key=lambda v: v.tag):
        slot = value.data.ljust(4, b"\0")
        if len(value.data) > 4:
            slot = struct.pack("<I", after + len(tail))
            tail += value.data + b"\0" * (len(value.data) % 2)
        rows.append(struct.pack("<HHI", value.tag, value.kind, value.count) + slot)
    return struct.pack("<H", len(rows)) + b"".join(rows) + b"\0\0\0\0" + tail
