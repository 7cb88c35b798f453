"""Which stored value of 16-bit samples is white.

Scanners, microscopes and raw converters often store 10, 12 or 14 bits in the low bits of 16. Seen as parts of 65535,
such a picture is nearly black: networks make little of it, and a noise level counts for another thing than is meant.

    what the file states  ─┐
    its greatest sample   ─┴─ `white_of` ─ `united` over the pages ─> `Picture.white` ─> `to_unit`, `from_unit`

Samples keep their values: only what networks and estimates see is scaled, and it is scaled back afterwards. Alpha is
not: opaque stays 65535.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from nsr_cli.imaging.color import White, to_unit
from nsr_cli.imaging.picture import Picture, Pixels

FULL = 65_535
GREATEST = 16_383
"""The greatest white but 65535 that samples alone tell: a picture with one above it has all 16 bits."""

_WHITES = (255, 1023, 4095, GREATEST)  # of 8, 10, 12 and 14 bits
_LEAST_BITS, _MOST_BITS = 8, 15  # that a file may state, for it to count


def white_of(greatest: int, stated: int | None = None) -> White | None:
    """White of a picture by its greatest sample; None if it is 65535.

    What the file states counts where no sample exceeds it, and then no result does. Otherwise it is the least of the
    maxima of 8, 10, 12 and 14 bits that no sample exceeds. If one is as great, the picture ends there, as if it had so
    many bits, and so does a result; if not, it may as well be a dark picture of 16 bits, and a result may go beyond.

    Args:
        greatest: of all samples, alpha left out.
        stated: what the file says, as `of_bits` returns it; `FULL` where samples were scaled to 16 bits.
    """
    if stated is not None and greatest <= stated:
        return None if stated == FULL else White(stated, stated)
    value = next((white for white in _WHITES if greatest <= white), None)
    if value is None:
        return None
    return White(value, value if greatest == value else FULL)


def united(whites: Iterable[White | None]) -> White | None:
    """White of several pages of one file, by those of each: the greatest, so that a level means the same in all."""
    found = list(whites)
    known = [white for white in found if white is not None]
    if not known or len(known) < len(found):
        return None
    value = max(white.value for white in known)
    return White(value, min(white.top for white in known if white.value == value))


def as_one(pages: Sequence[Picture]) -> list[Picture]:
    """The pages of one file, those of 16 bits with one white."""
    white = united(page.white for page in pages if page.bits == 16)
    return [replace(page, white=white) if page.bits == 16 else page for page in pages]


def in_whole_range(pixels: Pixels, white: White | None) -> Pixels:
    """Samples for those who look at a picture: where white is not 65535, as 8 bits if it is 255, else as float."""
    if white is None or pixels.dtype != np.uint16:
        return pixels
    return np.minimum(pixels, 255).astype(np.uint8) if white.value == 255 else to_unit(pixels, white)


def of_bits(bits: int) -> int | None:
    """White of samples of so many bits, which a file states; None if these are too few or too many to count."""
    return (1 << bits) - 1 if _LEAST_BITS <= bits <= _MOST_BITS else None
