"""Resolutions without a unit: they state only a pixel's shape, so many pixels across being as long as so many down."""

from fractions import Fraction
from math import inf

NAME = "the pixel aspect ratio"
_UNIT = 13  # where a JPEG file that begins with JFIF's segment states the unit of its densities


def read(across: float, down: float) -> tuple[float, float] | None:
    """The ratio that a file states; None for square pixels and impossible values."""
    sound = 0 < across < inf and 0 < down < inf
    return (float(across), float(down)) if sound and across != down else None


def whole(ratio: tuple[float, float], most: int) -> tuple[int, int]:
    """The ratio, or one close to it, in whole numbers from 1 to `most`."""
    small, large = sorted(ratio)
    found = Fraction(small / large).limit_denominator(most)
    parts = (found.numerator, found.denominator) if found else (1, most)
    return parts if ratio[0] < ratio[1] else parts[::-1]


def into_jpeg(data: bytes) -> bytes:
    """The JPEG file with its densities, written as pixels per inch, declared to be a ratio."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0":
        return data
    return data[:_UNIT] + b"\0" + data[_UNIT + 1 :]
