"""Which stored value of 16-bit samples is white.

Scanners, microscopes and raw converters often store 10, 12 or 14 bits in the low bits of 16. With white at 65535,
such a picture is nearly black: networks make little of it, and a noise level means something else than intended.

    what the file states  ─┐
    its greatest sample   ─┴─ `white_of` ─ `united` over the pages ─> `Picture.white` ─> `to_unit`, `from_unit`

Stored samples keep their values: only what networks and estimates see is scaled, and it is scaled back afterwards.
Alpha is never scaled: opaque stays 65535.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from nsr_cli.imaging.color import White, to_unit
from nsr_cli.imaging.picture import Picture, Pixels

FULL = 65_535
GREATEST = 16_383
"""The greatest white below 65535 that is concluded from samples: one sample above it means 16 bits."""

_WHITES = (255, 1023, 4095, GREATEST)  # of 8, 10, 12 and 14 bits
_LEAST_BITS, _MOST_BITS = 8, 15  # statements of a file beyond these are ignored


def white_of(greatest: int, stated: int | None = None) -> White | None:
    """White of a picture by its greatest sample; None if it is 65535.

    The white that the file states counts if no sample exceeds it; then no result exceeds it either. Otherwise white is
    the least of the maxima of 8, 10, 12 and 14 bits that no sample exceeds. If a sample reaches it, the picture has so
    many bits, and a result ends there too; if not, it may be a dark picture of 16 bits, and a result may go beyond.

    Args:
        greatest: the greatest sample, alpha excluded.
        stated: the white that the file states, as from `of_bits`; `FULL` where samples were scaled to 16 bits.
    """
    if stated is not None and greatest <= stated:
        return None if stated == FULL else White(stated, stated)
    value = next((white for white in _WHITES if greatest <= white), None)
    if value is None:
        return None
    return White(value, value if greatest == value else FULL)


def united(whites: Iterable[White | None]) -> White | None:
    """One white for all pages of a file, the greatest of theirs, so that a noise level means the same in each."""
    found = list(whites)
    known = [white for white in found if white is not None]
    if not known or len(known) < len(found):
        return None
    value = max(white.value for white in known)
    return White(value, min(white.top for white in known if white.value == value))


def as_one(pages: Sequence[Picture]) -> list[Picture]:
    """The pages of one file; all with 16 bits get the same white."""
    white = united(page.white for page in pages if page.bits == 16)
    return [replace(page, white=white) if page.bits == 16 else page for page in pages]


def in_whole_range(pixels: Pixels, white: White | None) -> Pixels:
    """Samples for display and estimates: where white is not 65535, they become uint8 if it is 255, else float."""
    if white is None or pixels.dtype != np.uint16:
        return pixels
    return np.minimum(pixels, 255).astype(np.uint8) if white.value == 255 else to_unit(pixels, white)


def of_bits(bits: int) -> int | None:
    """White of samples of `bits` bits, as a file states them; None if these are too few or too many to count."""
    return (1 << bits) - 1 if _LEAST_BITS <= bits <= _MOST_BITS else None
