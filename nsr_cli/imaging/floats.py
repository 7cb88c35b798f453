"""Floating-point samples: which stored values are black and white, and whether the others stay distinct between them.

A file does not say which range it uses, so its samples decide. A small share of them is ignored: a few highlights of
a rendering, or a value that means "no data", say nothing about the others. Samples far beyond black or white bypass
the networks; see `engine.beyond`.

Networks compute around [0, 1] in float32, so two samples stay distinct if they differ by more than 2⁻²⁴ of the range
from black to white. That is plenty for photographs, renderings and elevations, but not where a value that means "no
data", such as GDAL's -3.4e38, is so frequent that it becomes black or white: all others would come back equal.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError

# White of a rendering that was exposed for another unit, and the maxima of 8, 10, 12, 14 and 16 bits.
_WHITES = (16, 255, 1023, 4095, 16_383, 65_535)
# Nearly all samples must lie below white times one of the first two, and above minus white times the third.
_UNIT_TOP, _TOP, _BOTTOM = 2.0, 1.5, 0.5
# The share of samples that may lie beyond. It is larger for white 1, since lamps and the sun may cover much of a
# rendering: with white 255 its picture would be lost in black, with white 1 the networks at worst do nothing for it.
_UNIT_SHARE, _SHARE = 0.05, 0.01
_STEPS = 1 << 24  # from black to white, as float32 has them just below 1
_LEAST_STEPS = 64  # that most samples must span: fewer show as bands in any viewer
# A range from black to white up to this is never refused. Samples that once were 16-bit integers or half precision
# stay within it, and so do elevations with -9999 for "no data".
_NARROW = float(1 << 17)
_FARTHEST = 2.0**126  # from the least to the greatest sample, so that a result a little beyond them is finite
_FAR_ABOVE, _FAR_BELOW = 3.0, 2.0  # whites above and below black beyond which samples bypass the networks
_LOWEST, _POWERS = 1074, 2100  # of two, from the least number of float64 to the greatest
_BLOCK = 1 << 20  # samples that are counted at a time


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Statistics of all samples of a picture; the tallies of its parts add up to that of the whole."""

    low: float
    high: float
    above: NDArray[np.int64]
    """For every n, how many samples lie from 2ⁿ to 1.5·2ⁿ, and from there to 2ⁿ⁺¹."""
    below: NDArray[np.int64]
    """The same for samples below 0, by their absolute values."""
    zeros: int

    @classmethod
    def of(cls, samples: NDArray[Any]) -> Self:
        """Count float samples: at least one, in any shape, all finite."""
        above, below = np.zeros(2 * _POWERS, np.int64), np.zeros(2 * _POWERS, np.int64)
        flat = samples.reshape(-1)
        for start in range(0, len(flat), _BLOCK):
            part = flat[start : start + _BLOCK]
            above += _by_half_octaves(part[part > 0])
            below += _by_half_octaves(-part[part < 0])
        zeros = samples.size - int(above.sum() + below.sum())
        return cls(float(samples.min()), float(samples.max()), above, below, zeros)

    def __add__(self, other: "Tally") -> "Tally":
        """The tally of both together."""
        return Tally(
            min(self.low, other.low),
            max(self.high, other.high),
            self.above + other.above,
            self.below + other.below,
            self.zeros + other.zeros,
        )

    @property
    def total(self) -> int:
        """How many samples there are."""
        return int(self.above.sum() + self.below.sum()) + self.zeros


def float_span(tally: Tally) -> tuple[float, float]:
    """Which stored values to take for black and white.

    White is 1 if 95 % of the samples are below 2, however bright the others are. Otherwise it is the least of 16
    and the maxima of 8, 10, 12, 14 and 16 bits that at most 1 % of the samples exceed by more than half; if there is
    none, it is about the greatest of the lowest 99 %. Black is 0 unless more than 1 % of the samples lie below minus
    half of white; then it is about the least of the highest 99 %.

    Returns:
        Two finite numbers, the second at least one above the first.
    """
    few = _SHARE * tally.total
    if _beyond(tally.above, _UNIT_TOP) <= _UNIT_SHARE * tally.total:
        white = 1.0
    else:
        greatest = min(tally.high, _bound(tally.above, few))
        # The maxima are one below a power of two, where a half octave begins.
        fits = (float(w) for w in _WHITES if _beyond(tally.above, _TOP * (w + 1)) <= few)
        white = next(fits, greatest)
    black = 0.0
    if _beyond(tally.below, _BOTTOM * (white if white == 1 else white + 1)) > few:
        black = max(tally.low, -_bound(tally.below, few))
    return black, max(white, black + 1.0)


def _by_half_octaves(amounts: NDArray[Any]) -> NDArray[np.int64]:
    mantissas, exponents = np.frexp(amounts)
    return np.bincount(2 * (exponents + _LOWEST) + (mantissas >= 0.75), minlength=2 * _POWERS)


def _beyond(counts: NDArray[np.int64], amount: float) -> int:
    """How many samples are in the half octave of `amount` or above it."""
    return int(counts[int(_by_half_octaves(np.array([amount])).argmax()) :].sum())


def _bound(counts: NDArray[np.int64], few: float) -> float:
    """Where the first half octave starts from which on upwards there are at most `few` samples."""
    beyond = np.cumsum(counts[::-1])[::-1]
    place = int(np.searchsorted(-beyond, -few))
    return float(np.ldexp(0.75 if place % 2 else 0.5, place // 2 - _LOWEST))


def remarks(span: tuple[float, float], tally: Tally) -> tuple[str, ...]:
    """A note about samples so far beyond black and white that they bypass the networks; see `engine.beyond`."""
    black, white = span
    unit = white if white == 1 else white + 1
    count = _beyond(tally.above, _FAR_ABOVE * unit) + _beyond(tally.below, _FAR_BELOW * unit)
    if not count or black != 0:  # where black is not 0, steps do not tell
        return ()
    samples = "sample lies" if count == 1 else "samples lie"
    return (
        f"its white is taken to be {white:g}; {count} {samples} far beyond, where networks change nothing",
    )


def checked_span(tally: Tally) -> tuple[tuple[float, float], tuple[str, ...]]:
    """`float_span` and `remarks`, after a check that most samples stay distinct and the result is finite.

    Zeros and samples within a factor of two of the largest are ignored; half of the others must be large enough to
    span 64 steps. So neither a single highlight nor dark corners make a picture unusable.

    Raises:
        DecodeError: too many samples would become equal, or the range is too large for float32.
    """
    span = float_span(tally)
    wide = span[1] - span[0]
    reach = f"its samples reach from {tally.low:g} to {tally.high:g}"
    below = _most_others_below(tally) if wide > _NARROW else None
    if below is not None and below < wide / _STEPS * _LEAST_STEPS:
        raise DecodeError(
            f"{reach}, so far that most others, which are below {below:g}, would become alike; replace values "
            "that mean no data, or clip the brightest, and try again"
        )
    if max(span[1], tally.high) - min(span[0], tally.low) > _FARTHEST:
        raise DecodeError(
            f"{reach}, too far for a result in float32; replace values that mean no data, or divide all samples by "
            "some number, and try again"
        )
    return span, remarks(span, tally)


def _most_others_below(tally: Tally) -> float | None:
    """The power of two below which half of the samples are, ignoring the largest and 0; None if none remain."""
    counts = (tally.above + tally.below).reshape(_POWERS, 2).sum(axis=1)
    others = np.cumsum(counts[: int(np.flatnonzero(counts)[-1])])
    if not len(others) or not others[-1]:
        return None
    return float(2.0 ** float(np.searchsorted(others, others[-1] / 2) - _LOWEST))
