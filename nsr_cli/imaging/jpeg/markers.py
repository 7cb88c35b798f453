"""JPEG markers: their codes, and walking over the segments that stand before the pixels.

FF D8 │ FF marker, length, content │ … │ FF DA (scan), length, content, coded pixels │ … │ FF D9
"""

import re
from collections.abc import Iterator

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.filebytes import Readable

SCAN, END, TABLES, APP1, APP2, APP13 = 0xDA, 0xD9, 0xDB, 0xE1, 0xE2, 0xED
BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the frame header, which holds the picture's size."""
LONGEST = 65_533
"""Bytes of content that a segment can hold."""
_LS = 0xF7  # the frame header of JPEG-LS
_HIERARCHICAL = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE})
_BITS = 8
IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker that ends the coded pixels of a scan."""


def walk(data: Readable, most: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and length of the content of each segment before the first scan.

    Stops at anything else, and after `most` steps, so that a hostile file costs few reads. The content may be cut off.
    """
    place = 2
    for _ in range(most):
        head = data[place : place + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] in (SCAN, END):
            return
        if head[1] == 0xFF or head[1] in BARE:
            place += 1 if head[1] == 0xFF else 2
            continue
        length = int.from_bytes(head[2:], "big")
        if length < 2:
            return
        yield head[1], place + 4, length - 2
        place += 2 + length


def check_kind(data: Readable, most: int) -> None:
    """DecodeError for a kind of JPEG that is not read here, though it is sound. Looks at `most` segments."""
    for marker, place, length in walk(data, most):
        name = ""
        if marker == _LS:
            name = "JPEG-LS"
        elif marker in _HIERARCHICAL:
            name = "hierarchical JPEG"
        elif marker in FRAMES and length and data[place : place + 1] != bytes([_BITS]):
            name = f"{data[place : place + 1][0]}-bit JPEG"
        if name:
            raise DecodeError(f"{name} is not read here; convert it to PNG or TIFF first")
        if marker in FRAMES:
            return
