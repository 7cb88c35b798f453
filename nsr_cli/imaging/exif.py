"""EXIF blocks: read the orientation, reset what no longer holds, and move between EXIF and TIFF.

An EXIF block is a small TIFF file: a header and directories of tagged values. Blocks are changed
in place where possible, because a maker's note can point to its own absolute position; one that
is rebuilt would lose it. Everything here works on untrusted bytes: each position is checked.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
EXIF_DIRECTORY = 0x8769
GPS_DIRECTORY = 0x8825
_PIXEL_SIZES = {0xA002: "width", 0xA003: "height"}  # in the EXIF directory

PREFIX = b"Exif\x00\x00"  # JPEG puts this before the block
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}
_SWAP_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # unit of byte order, if above 1
_MOST_ENTRIES = 4096


class ExifError(ValueError):
    """A block that cannot be read as EXIF."""


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
            raise ExifError("no TIFF header")
        magic = struct.unpack_from(order + "H", data, 2)[0]
        if magic not in (42, 43):
            raise ExifError("no TIFF header")
        return cls(order, magic == 43)

    def first_directory(self, data: bytes) -> int:
        """Position of the first directory."""
        return self.number(data, 8 if self.big else 4, 8 if self.big else 4)

    def number(self, data: bytes, position: int, size: int) -> int:
        """The unsigned integer of `size` bytes at `position`."""
        if position < 0 or position + size > len(data):
            raise ExifError("a directory points outside the block")
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
        raise ExifError("a directory is longer than the block")
    for place in range(start + head, start + head + total * row, row):
        tag, kind = struct.unpack_from(layout.order + "HH", data, place)
        count = layout.number(data, place + 4, wide)
        slot = place + 4 + wide
        length = count * _TYPE_BYTES.get(kind, 0)
        position = slot if length <= wide else layout.number(data, slot, wide)
        if length and position + length <= len(data):
            yield Entry(tag, kind, count, position, slot)


def orientation(exif: bytes) -> int:
    """The orientation 1..8 of an EXIF block; 1 if it has none or an impossible one."""
    layout = Layout.of(exif)
    for entry in entries(exif, layout.first_directory(exif), layout):
        if entry.tag == ORIENTATION:
            value = entry.integer(exif, layout)
            return value if value is not None and 1 <= value <= 8 else 1
    return 1


def make_upright(exif: bytes) -> bytes:
    """The block with its orientation reset to 1 and its thumbnail, which shows the old picture, unlinked."""
    layout = Layout.of(exif)
    block = bytearray(exif)
    start = layout.first_directory(exif)
    for entry in entries(exif, start, layout):
        if entry.tag == ORIENTATION and entry.kind == 3:
            struct.pack_into(layout.order + "H", block, entry.position, 1)
    after = start + 2 + 12 * layout.number(exif, start, 2)
    if not layout.big and after + 4 <= len(block):
        struct.pack_into("4x", block, after)
    return bytes(block)


def with_size(exif: bytes, width: int, height: int) -> bytes:
    """The block with the picture's size, where it states one, corrected."""
    try:
        layout = Layout.of(exif)
        block = bytearray(exif)
        for entry in _subdirectory(exif, layout, EXIF_DIRECTORY):
            side = {"width": width, "height": height}.get(_PIXEL_SIZES.get(entry.tag, ""))
            if side is not None and entry.kind in (3, 4):
                _put_size(block, entry, layout, side)
    except ExifError:
        return exif
    return bytes(block)


def _put_size(block: bytearray, entry: Entry, layout: Layout, side: int) -> None:
    # A side above 65535 does not fit a 16-bit value, but its slot has room for a 32-bit one.
    if entry.kind == 3 and side > 0xFFFF:
        struct.pack_into(layout.order + "H", block, entry.slot - 6, 4)
        struct.pack_into(layout.order + "I", block, entry.slot, side)
    else:
        struct.pack_into(layout.order + ("H" if entry.kind == 3 else "I"), block, entry.position, side)


def _subdirectory(data: bytes, layout: Layout, pointer: int) -> list[Entry]:
    """The entries of the directory that tag `pointer` of the first directory names."""
    for entry in entries(data, layout.first_directory(data), layout):
        if entry.tag == pointer:
            start = entry.integer(data, layout)
            return [] if start is None else list(entries(data, start, layout))
    return []


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch across and down, if the block states them."""
    try:
        values = {value.tag: value.data for value in read_block(exif)[0]}
        across, down = (_fraction(values[tag]) for tag in (X_RESOLUTION, Y_RESOLUTION))
        unit = int.from_bytes(values.get(RESOLUTION_UNIT, b"\2")[:2], "little")
    except (ExifError, KeyError, struct.error, ZeroDivisionError):
        return None
    factor = {2: 1.0, 3: 2.54}.get(unit)  # per inch, per centimeter
    return None if factor is None or across <= 0 or down <= 0 else (across * factor, down * factor)


def _fraction(raw: bytes) -> float:
    above, below = struct.unpack("<II", raw[:8])
    return float(above / below)


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The block (or a new one) stating pixels per inch, for formats without a record of their own.

    A longer first directory is appended and the header points to it, so that nothing else moves.
    """
    block = exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    layout = Layout.of(block)
    if layout.big:
        raise ExifError("an EXIF block has no wide positions")
    order, start = layout.order, layout.first_directory(block)
    total = layout.number(block, start, 2)
    rows = [block[place : place + 12] for place in range(start + 2, start + 2 + 12 * total, 12)]
    own = {struct.pack(order + "H", tag) for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)}
    rows = [row for row in rows if row[:2] not in own]
    block += b"\0" * (len(block) % 2)
    values = len(block) + 2 + 12 * (len(rows) + 3) + 4
    rows += [
        struct.pack(order + "HHII", X_RESOLUTION, 5, 1, values),
        struct.pack(order + "HHII", Y_RESOLUTION, 5, 1, values + 8),
        struct.pack(order + "HHIHH", RESOLUTION_UNIT, 3, 1, 2, 0),
    ]
    rows.sort(key=lambda row: struct.unpack(order + "H", row[:2]))
    fractions = (part for value in dpi for part in (round(value * 1000), 1000))
    directory = struct.pack(order + "H", len(rows)) + b"".join(rows) + bytes(4)
    header = block[:4] + struct.pack(order + "I", len(block))
    return header + block[8:] + directory + struct.pack(order + "4I", *fractions)


# --- directories as plain values, to build an EXIF block from a TIFF file and the reverse


@dataclass(frozen=True, slots=True)
class Value:
    """A tagged value on its own, in little-endian order."""

    tag: int
    kind: int
    count: int
    data: bytes


def read_values(data: bytes, start: int, layout: Layout) -> list[Value]:
    """The directory at `start` as values; wide BigTIFF types are left out, EXIF has none."""
    found = []
    for entry in entries(data, start, layout):
        raw = entry.raw(data)
        unit = _SWAP_BYTES.get(entry.kind, 1)
        if layout.order == ">" and unit > 1:
            raw = b"".join(raw[i : i + unit][::-1] for i in range(0, len(raw), unit))
        if entry.kind <= 13:
            found.append(Value(entry.tag, entry.kind, entry.count, raw))
    return found


def read_block(exif: bytes) -> tuple[list[Value], list[Value], list[Value]]:
    """The first, the EXIF and the GPS directory of a block, without the pointers between them."""
    layout = Layout.of(exif)
    main = read_values(exif, layout.first_directory(exif), layout)
    children = []
    for pointer in (EXIF_DIRECTORY, GPS_DIRECTORY):
        start = next((v for v in main if v.tag == pointer and v.kind in (4, 13)), None)
        place = int.from_bytes(start.data[:4], "little") if start else 0
        children.append(read_values(exif, place, layout) if place else [])
    main = [value for value in main if value.tag not in (EXIF_DIRECTORY, GPS_DIRECTORY)]
    return main, children[0], children[1]


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


def build_block(main: list[Value], exif: list[Value], gps: list[Value]) -> bytes:
    """An EXIF block of these directories."""
    pointers = {EXIF_DIRECTORY: exif, GPS_DIRECTORY: gps}
    present = {tag: values for tag, values in pointers.items() if values}
    blank = [Value(tag, 4, 1, b"\0\0\0\0") for tag in present]
    end = 8 + len(build_directory(main + blank, 8))
    children, filled = b"", []
    for tag, values in present.items():
        filled.append(Value(tag, 4, 1, struct.pack("<I", end + len(children))))
        children += build_directory(values, end + len(children))
    return b"II*\0\x08\0\0\0" + build_directory(main + filled, 8) + children
