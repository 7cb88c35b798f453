"""The subject's place, which EXIF states in pixels: it moves when the picture is turned or enlarged.

Values are changed in place, for the reason given in `exif`; an entry whose new values cannot be stated is taken out of
its directory.
"""

import struct
from collections.abc import Callable
from contextlib import suppress

from nsr_cli.imaging.ifd import DirectoryError, Entry, Layout, entries
from nsr_cli.imaging.metadata import exif

NAME = "its EXIF subject area"

_AREA, _LOCATION = 0x9214, 0xA214
_SHORT, _LONG = 3, 4
_GREATEST = 0xFFFF  # of a 16-bit integer
_CIRCLE = 3  # values are a center and a diameter; two are a point, four a center, a width and a height

Move = Callable[[tuple[int, ...], tuple[int, int]], tuple[int, ...]]
"""From old values, and the width and height that they refer to, to new values."""


def turned(block: bytes, orientation: int) -> tuple[bytes, bool]:
    """The block after turning from EXIF orientation 2…8 to upright, and whether the area had to be removed."""

    def move(values: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
        (x, y), extent, (width, height) = values[:2], values[2:], size
        if orientation in exif.SIDEWAYS:
            (x, y), extent, (width, height) = (y, x), extent[::-1], (height, width)
        if orientation in (3, 4, 7, 8):
            y = height - 1 - y
        if orientation in (2, 3, 6, 7):
            x = width - 1 - x
        return x, y, *extent

    found, size, is_lost = _moved(block, move)
    if size is not None and orientation in exif.SIDEWAYS:
        found = exif.with_size(found, size[1], size[0])
    return found, is_lost


def scaled(block: bytes, width: int, height: int) -> tuple[bytes, bool]:
    """The block for a picture of this size, not the one it states, and whether the area had to be removed."""

    def move(values: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
        across, down = width / size[0], height / size[1]
        factors = (across, down, min(across, down) if len(values) == _CIRCLE else across, down)
        return tuple(round(value * factor) for value, factor in zip(values, factors, strict=False))

    found, _, is_lost = _moved(block, move)
    return found, is_lost


def _moved(block: bytes, move: Move) -> tuple[bytes, tuple[int, int] | None, bool]:
    """The block with moved values, the size that the old ones refer to, and whether any had to be removed."""
    found, is_lost, size = bytearray(block), False, None
    with suppress(DirectoryError):
        start, own = exif.subdirectory(block, exif.EXIF_DIRECTORY)
        subjects = [entry for entry in own if entry.tag in (_AREA, _LOCATION)]
        if not subjects:
            return block, None, False
        size = _size(block, own)
        for entry in reversed(subjects):  # taking one out moves those behind it
            if not _put(found, entry, size, move):
                exif.take_out(found, start, entry)
                is_lost = True
    return bytes(found), size, is_lost


def _size(block: bytes, own: list[Entry]) -> tuple[int, int] | None:
    """Width and height that the block states, whose EXIF directory has the entries `own`."""
    layout = Layout.of(block)
    main = entries(block, layout.first_directory(block), layout)
    stated = {entry.tag: entry.integer() for entry in (*main, *own)}
    for width, height in zip(exif.WIDTHS[::-1], exif.HEIGHTS[::-1], strict=True):
        if (across := stated.get(width)) and (down := stated.get(height)):
            return across, down
    return None


def _put(block: bytearray, entry: Entry, size: tuple[int, int] | None, move: Move) -> bool:
    """Move the values of an entry; False if that cannot be done."""
    if size is None or entry.kind not in (_SHORT, _LONG) or not 2 <= entry.count <= 4:
        return False
    form = f"{entry.layout.order}{entry.count}{'H' if entry.kind == _SHORT else 'I'}"
    values = move(struct.unpack_from(form, block, entry.position), size)
    if min(values) < 0 or max(values) > _GREATEST:
        return False
    struct.pack_into(form, block, entry.position, *values)
    return True
