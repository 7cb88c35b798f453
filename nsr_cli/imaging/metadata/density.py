"""Resolutions: pixels per inch, or only a pixel's shape, so many pixels across being as long as so many down.

A file may claim any of them, and a microscope's can be beyond what a format can state.
"""

from fractions import Fraction
from math import inf

RATIO_NAME = "the pixel aspect ratio"

_METER = 1 / 0.0254  # in inches
_UNIT = 13  # where a JPEG file that begins with JFIF's segment states the unit of its densities
_RECORDS = {
    "PNG": (_METER, 2**31 - 1),
    "BMP": (_METER, 2**31 - 1),
    "JPEG": (1.0, 65_535),
    "WEBP": (1e3, 2**32 - 1),
    "TIFF": (1e9, (2**32 - 1) * 10**9),
}
"""By format: the units that one pixel per inch is, and the greatest number of them that can be stored."""


def stated(dpi: tuple[float, float] | None, kind: str) -> tuple[float, float] | None:
    """`dpi` (across and down) if a format can state it, else None."""
    if dpi is None or kind not in _RECORDS:
        return None
    unit, most = _RECORDS[kind]
    return dpi if all(1 <= value * unit <= most for value in dpi) else None


def read_ratio(across: float, down: float) -> tuple[float, float] | None:
    """The ratio that a file states; None for square pixels and impossible values."""
    sound = 0 < across < inf and 0 < down < inf
    return (float(across), float(down)) if sound and across != down else None


def whole(ratio: tuple[float, float], kind: str) -> tuple[int, int]:
    """The ratio, or one close to it, in whole numbers from 1 to the greatest that PNG or JPEG can store."""
    most = _RECORDS[kind][1]
    small, large = sorted(ratio)
    found = Fraction(small / large).limit_denominator(most)
    parts = (found.numerator, found.denominator) if found else (1, most)
    return parts if ratio[0] < ratio[1] else parts[::-1]


def into_jpeg(data: bytes) -> bytes:
    """The JPEG file with its densities, written as pixels per inch, declared to be a ratio."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0":
        return data
    return data[:_UNIT] + b"\0" + data[_UNIT + 1 :]
