"""EXIF blocks: read the orientation, reset what no longer holds, and move between EXIF and TIFF.

An EXIF block is a small TIFF file: a header and directories of tagged values. Blocks are changed
in place where possible, because a maker's note may contain absolute positions, which would be wrong
in a rebuilt block. Everything here works on untrusted bytes: each position is checked.
"""

import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import (
    HEIGHT,
    ORIENTATION,
    WIDTH,
    DirectoryError,
    Entry,
    Layout,
    Value,
    build_directory,
    entries,
    read_values,
)
from nsr_cli.imaging.metadata import density

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
EXIF_DIRECTORY = 0x8769
GPS_DIRECTORY = 0x8825
INTEROPERABILITY = 0xA005  # in the EXIF directory: points to the interoperability directory
ADOBE_RGB_NAME = "Adobe RGB (its EXIF interoperability index)"
WIDTHS, HEIGHTS = (WIDTH, 0xA002), (HEIGHT, 0xA003)  # in the first and in the EXIF directory

_INDEX, _ADOBE_INDEX = 1, b"R03"  # of the interoperability directory (DCF 2.0)
_CODED = (0x9286, 0x001B, 0x001C)  # texts that begin with their encoding's name: a comment, and two of GPS
_UTF16 = b"UNICODE\0"
SIDEWAYS = range(5, 9)  # orientations that turn rows into columns
PREFIX = b"Exif\x00\x00"  # JPEG puts this before the block


def orientation(exif: bytes) -> int:
    """The orientation 1..8 of an EXIF block; 1 if it has none or an impossible one.

    DirectoryError if it is damaged, or has the wide positions of BigTIFF, which no block has.
    """
    layout = Layout.of(exif)
    if layout.big:
        raise DirectoryError("an EXIF block has no wide positions")
    for entry in entries(exif, layout.first_directory(exif), layout):
        if entry.tag == ORIENTATION:
            value = entry.integer()
            return value if value is not None and 1 <= value <= 8 else 1
    return 1


def make_upright(exif: bytes, turn: int) -> bytes:
    """The block of a picture that was turned upright from orientation `turn`.

    Its orientation is reset to 1, its thumbnail, which shows the old picture, is unlinked, and the resolutions across
    and down are exchanged if the sides were.
    """
    layout = Layout.of(exif)
    block = bytearray(exif)
    start = layout.first_directory(exif)
    dots = []
    for entry in entries(exif, start, layout):
        width = entry.integer_bytes
        if entry.tag == ORIENTATION and width:  # the same types that `orientation` reads
            block[entry.position : entry.position + width] = (1).to_bytes(width, layout.endian)
        dots += [entry] if entry.tag in (X_RESOLUTION, Y_RESOLUTION) else []
    if (
        turn in SIDEWAYS
        and len(dots) == 2
        and dots[0].kind == dots[1].kind
        and dots[0].count == dots[1].count
    ):
        # Exchange the entries' slots, not the values: in a damaged block a slot may point to something else.
        one, other = (slice(entry.slot, entry.slot + layout.sizes[2]) for entry in dots)
        block[one], block[other] = block[other], block[one]
    after = layout.next_pointer(exif, start)
    if after + 4 <= len(block):
        struct.pack_into("4x", block, after)
    return bytes(block)


def with_size(exif: bytes, width: int, height: int) -> bytes:
    """The block with the picture's size corrected wherever it states one."""
    sides = dict.fromkeys(WIDTHS, width) | dict.fromkeys(HEIGHTS, height)
    block = bytearray(exif)
    with suppress(DirectoryError):
        layout = Layout.of(exif)
        main = list(entries(exif, layout.first_directory(exif), layout))
        for directory in (main, subdirectory(exif, EXIF_DIRECTORY)[1]):
            for entry in directory:
                if entry.tag in sides and entry.kind in (3, 4):
                    _put_size(block, entry, sides[entry.tag])
    return bytes(block)


def _put_size(block: bytearray, entry: Entry, side: int) -> None:
    # A side above 65535 does not fit a 16-bit value, but its slot has room for a 32-bit one.
    order = entry.layout.order
    if entry.kind == 3 and side > 0xFFFF:
        struct.pack_into(order + "H", block, entry.slot - 6, 4)
        struct.pack_into(order + "I", block, entry.slot, side)
    else:
        struct.pack_into(order + ("H" if entry.kind == 3 else "I"), block, entry.position, side)


def subdirectory(data: bytes, pointer: int) -> tuple[int, list[Entry]]:
    """Position and entries of the directory to which tag `pointer` of the first one points; 0 and none without it."""
    layout = Layout.of(data)
    for entry in entries(data, layout.first_directory(data), layout):
        if entry.tag == pointer:
            start = entry.integer()
            return (0, []) if start is None else (start, list(entries(data, start, layout)))
    return 0, []


def is_adobe_rgb(exif: bytes) -> bool:
    """Whether the block says that the colors are Adobe RGB, which cameras write instead of a profile."""
    with suppress(DirectoryError):
        return has_adobe_index(subdirectory(exif, EXIF_DIRECTORY)[1])
    return False


def has_adobe_index(own: Iterable[Entry]) -> bool:
    """`is_adobe_rgb` for the entries `own` of an EXIF directory. DirectoryError for a damaged interoperability one."""
    pointers = (entry for entry in own if entry.tag == INTEROPERABILITY)
    found = (e for p in pointers if (start := p.integer()) for e in entries(p.data, start, p.layout))
    return any(entry.tag == _INDEX and entry.raw().startswith(_ADOBE_INDEX) for entry in found)


def take_out(block: bytearray, start: int, entry: Entry) -> None:
    """Remove an entry from the directory at `start`; later ones and the pointer to the next directory move up."""
    layout, (_, row, wide) = entry.layout, entry.layout.sizes
    first, end = entry.slot - 8, min(layout.next_pointer(bytes(block), start) + wide, len(block))
    count = layout.number(bytes(block), start, 2)
    block[first : end - row] = block[first + row : end]
    struct.pack_into(layout.order + "H", block, start, count - 1)


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch across and down, if the block states them."""
    across, down, unit = _dots(exif)
    factor = {2: 1.0, 3: 2.54}.get(unit)  # per inch, per centimeter
    return None if factor is None or min(across, down) <= 0 else (across * factor, down * factor)


def ratio(exif: bytes) -> tuple[float, float] | None:
    """The pixel aspect ratio, if the block states that instead of a resolution, as a TIFF file may."""
    across, down, unit = _dots(exif)
    return density.read_ratio(across, down) if unit == 1 else None


def _dots(exif: bytes) -> tuple[float, float, int]:
    """Pixels a unit across and down, and the number of that unit; all 0 if the block does not say."""
    try:
        values = {value.tag: value.data for value in read_block(exif)[0]}
        across, down = (_fraction(values[tag]) for tag in (X_RESOLUTION, Y_RESOLUTION))
        unit = int.from_bytes(values.get(RESOLUTION_UNIT, b"\2")[:2], "little")
    except (DirectoryError, KeyError, struct.error, ZeroDivisionError):
        return 0.0, 0.0, 0
    return across, down, unit


def _fraction(raw: bytes) -> float:
    above, below = struct.unpack("<II", raw[:8])
    return float(above / below)


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The block (or a new one) stating pixels per inch, for formats without a record of their own.

    The longer first directory is appended, and the header points to it, so that nothing else moves.
    """
    block = exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    layout = Layout.of(block)
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


def read_directory(data: Readable, start: int, layout: Layout) -> list[Value]:
    """`ifd.read_values`, with texts in UTF-16 also brought from the block's byte order to little-endian."""
    found = read_values(data, start, layout)
    return found if layout.order == "<" else [_little(value) for value in found]


def _little(value: Value) -> Value:
    if value.tag not in _CODED or not value.data.startswith(_UTF16):
        return value
    text = bytearray(value.data)
    end = len(text) - len(text) % 2
    text[8:end:2], text[9:end:2] = text[9:end:2], text[8:end:2]
    return replace(value, data=bytes(text))


def read_block(exif: bytes) -> tuple[list[Value], list[Value], list[Value]]:
    """The first, the EXIF and the GPS directory of a block, without the pointers between them."""
    layout = Layout.of(exif)
    main = read_values(exif, layout.first_directory(exif), layout)
    children = []
    for pointer in (EXIF_DIRECTORY, GPS_DIRECTORY):
        start = next((v for v in main if v.tag == pointer and v.kind in (4, 13)), None)
        place = int.from_bytes(start.data[:4], "little") if start else 0
        children.append(read_directory(exif, place, layout) if place else [])
    main = [value for value in main if value.tag not in (EXIF_DIRECTORY, GPS_DIRECTORY)]
    return main, children[0], children[1]


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
