"""TIFF directories, of which EXIF blocks consist too: tagged values, read from untrusted bytes and written.

Every position is checked before it is used; DirectoryError where a directory cannot be read.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import maxsize
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.limits import MOST_METADATA

# Tags of a TIFF page that more than one module needs.
KIND, WIDTH, HEIGHT, BITS, COMPRESSION, COLOR, DESCRIPTION = 254, 256, 257, 258, 259, 262, 270
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_BYTES = 273, 274, 277, 278, 279
TILES, TILE_BYTES, PAGES_BELOW, EXTRA_SAMPLES = 324, 325, 330, 338

# How `struct` and NumPy write the numbers of each type; a fraction is two of them.
_LETTERS = {
    1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_BYTES = {kind: struct.calcsize(f"={letters}") for kind, letters in _LETTERS.items()}
LAST_OLD_TYPE = 13
"""Types above this one are BigTIFF's."""

_MOST_ENTRIES = 4096  # of a directory
_MOST_TAGS = 1 << 19  # of all pages of a file: 52 in each of 10,000


class DirectoryError(ValueError):
    """Bytes that cannot be read as a header or directory."""


class ChainError(DirectoryError):
    """A chain of directories that leads back into itself, or would take too long to follow."""


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


_USUAL = Layout("<")


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

    data: Readable
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.count * _BYTES[self.kind]

    @property
    def integer_bytes(self) -> int:
        """Bytes of each number if the values are unsigned integers, else 0."""
        return _BYTES[self.kind] if _LETTERS[self.kind] in "BHIQ" else 0

    def raw(self, most: int = maxsize) -> bytes:
        """The value's bytes in the order of the file, or the first `most` of them."""
        return bytes(self.data[self.position : self.position + min(self.size, most)])

    def integer(self) -> int | None:
        """The first value, if it is an unsigned integer. The others, which may be most of the file, are not read."""
        size = self.integer_bytes
        return self.layout.number(self.data, self.position, size) if size else None

    def integers(self, most: int = maxsize) -> NDArray[np.uint64]:
        """The first `most` values, if they are unsigned integers; none for other types."""
        if not (size := self.integer_bytes):
            return np.empty(0, np.uint64)
        return np.frombuffer(self.raw(most * size), f"{self.layout.order}u{size}").astype(np.uint64)


def directories(data: Readable, layout: Layout) -> Iterator[int]:
    """The position of each directory in a TIFF file's chain of pages.

    ChainError if the chain leads back to itself or its pages have more tags than those of any real file: directories
    may overlap, so that a small file has thousands with thousands of tags each.
    """
    seen: set[int] = set()
    place, total = layout.first_directory(data), 0
    while place:
        if place in seen:
            raise ChainError("its pages form a circle")
        seen.add(place)
        total += layout.number(data, place, layout.sizes[0])
        if total > _MOST_TAGS:
            raise ChainError("its pages have far too many tags")
        yield place
        place = layout.number(data, layout.next_pointer(data, place), layout.sizes[2])


def entries(data: Readable, start: int, layout: Layout) -> Iterator[Entry]:
    """The entries of the directory at `start` whose type is known and whose bytes lie inside `data`."""
    head, row, wide = layout.sizes
    total = layout.number(data, start, head)
    if total > _MOST_ENTRIES or start + head + total * row > len(data):
        raise DirectoryError("a directory is longer than the block")
    rows = data[start + head : start + head + total * row]  # at once: `data` may be a file
    form = layout.order + ("HHQQ" if layout.big else "HHII")
    for number, (tag, kind, count, place) in enumerate(struct.iter_unpack(form, rows)):
        slot = start + head + number * row + row - wide
        length = count * _BYTES.get(kind, 0)
        position = slot if length <= wide else place
        if length and position + length <= len(data):
            yield Entry(tag, kind, count, position, slot, data, layout)


def by_tag(data: Readable, start: int, layout: Layout) -> dict[int, Entry]:
    """`entries` by their tags; of several with the same one, the last."""
    return {entry.tag: entry for entry in entries(data, start, layout)}


def number(tags: Mapping[int, Entry], tag: int, default: int) -> int:
    """The first unsigned integer of one of these tags; `default` if it has none."""
    found = tags[tag].integer() if tag in tags else None
    return default if found is None else found


@dataclass(frozen=True, slots=True)
class Value:
    """A tagged value outside of its file, in little-endian order unless said otherwise."""

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
        if entry.kind > LAST_OLD_TYPE or entry.size > MOST_METADATA:
            continue
        raw = entry.raw()
        unit = struct.calcsize(f"={_LETTERS[entry.kind][0]}")
        if layout.order == ">" and unit > 1:
            raw = np.frombuffer(raw, f">u{unit}").astype(f"<u{unit}").tobytes()
        found.append(Value(entry.tag, entry.kind, entry.count, raw))
    return found


def build_directory(values: Iterable[Value], position: int, layout: Layout = _USUAL) -> bytes:
    """A directory for `position`, followed by its long values, which must be in the layout's byte order."""
    head, row, wide = layout.sizes
    rows, tail, found = [], b"", sorted(values, key=lambda value: value.tag)
    after = position + head + row * len(found) + wide
    for value in found:
        slot = value.data.ljust(wide, b"\0")
        if len(value.data) > wide:
            slot = (after + len(tail)).to_bytes(wide, layout.endian)
            tail += value.data + b"\0" * (len(value.data) % 2)
        count = value.count.to_bytes(wide, layout.endian)
        rows.append(struct.pack(layout.order + "HH", value.tag, value.kind) + count + slot)
    return len(rows).to_bytes(head, layout.endian) + b"".join(rows) + bytes(wide) + tail
