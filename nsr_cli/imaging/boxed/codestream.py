"""The codestream inside a JPEG 2000 file: the sizes that it states, and whether all of its tiles are there.

    FF4F │ FF51: sides, tiles, and bits and steps of each component │ … │ FF90 tile's part │ … │ FFD9

ISO 15444-1, annex A. What the codestream says is what the decoder allocates, whatever the boxes around it say.
"""

import struct
from dataclasses import dataclass

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.filebytes import Readable

START = b"\xff\x4f\xff\x51"
_FIRST_SEGMENT = 2  # where the first segment begins
_SIZES = struct.Struct(">8I")  # sides and origin of the picture, sides and origin of its tiles
_SIZES_AT, _COUNT_AT, _COMPONENTS_AT = 8, 40, 42
_MOST_COMPONENTS = 1 << 14
_TILE, _TILE_HEAD = b"\xff\x90", 12  # the mark of a tile's part, and the bytes of its first segment
_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Codestream:
    """What the first segment says."""

    width: int
    height: int
    tiles: int
    bits: tuple[int, ...]
    """Bits of each component."""
    signed: bool
    """Whether a component has negative samples."""
    whole: bool
    """Whether all components have a sample for every pixel."""


def read(data: Readable, start: int) -> Codestream:
    """The sizes in a codestream. DecodeError if it does not begin with them."""
    head = data[start : start + _COMPONENTS_AT]
    if len(head) < _COMPONENTS_AT or not head.startswith(START):
        raise DecodeError("the JPEG 2000 file is damaged: its codestream does not begin with a size")
    right, bottom, left, top, across, down, first_left, first_top = _SIZES.unpack_from(head, _SIZES_AT)
    count = int.from_bytes(head[_COUNT_AT:])
    place = start + _COMPONENTS_AT
    stored = data[place : place + 3 * min(count, _MOST_COMPONENTS)]
    if not count * across * down or len(stored) < 3 * count:
        raise DecodeError("the JPEG 2000 file is damaged: it lists no components or tiles")
    return Codestream(
        max(0, right - left),
        max(0, bottom - top),
        -(-(right - first_left) // across) * -(-(bottom - first_top) // down),
        tuple((depth & 0x7F) + 1 for depth in stored[::3]),
        signed=any(depth & 0x80 for depth in stored[::3]),
        whole=set(stored[1::3]) | set(stored[2::3]) == {1},
    )


def check_whole(data: bytes, start: int, end: int, tiles: int) -> None:
    """DecodeError if the codestream between two places lacks tiles, which OpenJPEG would leave black."""
    place, found = _first_tile(data, start + _FIRST_SEGMENT, end), set[int]()
    while data[place : place + 2] == _TILE and place + _TILE_HEAD <= end:
        tile, length = struct.unpack_from(">HI", data, place + 4)
        # The last part may say 0: it reaches to the end.
        place = place + max(length, _TILE_HEAD) if length else data.rfind(_END, place, end)
        found.add(tile)
    if len(found) < tiles:
        raise DecodeError(f"the JPEG 2000 file is cut off: {tiles - len(found)} of {tiles} tiles are missing")
    if place < 0 or data[place : place + 2] != _END:
        raise DecodeError("the JPEG 2000 file is cut off: its end mark is missing")


def _first_tile(data: bytes, place: int, end: int) -> int:
    """Where the first tile begins: behind the segments of the main header, the first of which is at `place`."""
    while place + 4 <= end and data[place] == START[0] and data[place : place + 2] != _TILE:
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return place
