"""Floating-point samples: which stored values are black and white, and whether the others stay apart between them.

Networks compute around [0, 1] in float32, so two samples stay apart if they differ by more than one part in 2²⁴ of
what lies between black and white. That is plenty for photographs, renderings and elevations, but not where a value
that means "no data", such as GDAL's -3.4e38, is one end of it: all others would come back as one and the same.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError

_WHITES = (255, 1023, 4095, 16_383, 65_535)
_STEPS = 1 << 24  # from black to white, as float32 has them just below 1
_LEAST_STEPS = 64  # for most samples: fewer show as bands, whatever a viewer makes of them
# No farther apart are black and white of what was integers of 16 bits or half precision once. Elevations with -9999
# for "no data" and high dynamic range with a sun of 1e5 are within it too: these are never refused.
_NARROW = float(1 << 17)
_FARTHEST = 2.0**126  # from black to white: a result that goes beyond white is still to be finite
_LOWEST, _POWERS = 1074, 2100  # of two, from the least number of float64 to the greatest


def float_span(low: float, high: float) -> tuple[float, float]:
    """Which stored values to take for black and white, from the least and greatest sample.

    Values up to 2 are unit range with highlights. Above that, white is the least maximum of 8, 10, 12,
    14 or 16 bits that holds them all, else the greatest sample. Black is 0 unless the picture goes well
    below it.
    """
    white = 1.0 if high <= 2 else next((float(w) for w in _WHITES if high <= w), high)
    black = low if low < -0.1 * white else 0.0
    return black, max(white, black + 1.0)


def checked_span(low: float, high: float, count: Callable[[], NDArray[np.int64]]) -> tuple[float, float]:
    """`float_span`, for samples that stay apart between black and white and give a finite result.

    Samples as large as the largest, within a factor of two, are not asked about: of what remains, half must be large
    enough for 64 steps. A single highlight does not make a picture unusable, nor do dark corners.

    Args:
        low, high: the least and the greatest sample.
        count: looks at all samples and says what `powers` does of them; called if black and white are far apart.

    Raises:
        DecodeError: they would not.
    """
    span = float_span(low, high)
    wide = span[1] - span[0]
    if wide <= _NARROW:
        return span
    reach = f"its samples reach from {low:g} to {high:g}"
    below = _most_others_below(count())
    if below is not None and below < wide / _STEPS * _LEAST_STEPS:
        raise DecodeError(
            f"{reach}, so far that most others, which are below {below:g}, would become alike; replace values "
            "that mean no data, or clip the brightest, and try again"
        )
    if wide > _FARTHEST:
        raise DecodeError(
            f"{reach}, too far for a result in float32; replace values that mean no data, or divide all samples by "
            "some number, and try again"
        )
    return span


def powers(samples: NDArray[Any]) -> NDArray[np.int64]:
    """How many samples that are not 0 lie between two powers of two, for each; counts of parts add up."""
    exponents = np.frexp(samples[samples != 0])[1]
    return np.bincount(exponents + _LOWEST, minlength=_POWERS)


def _most_others_below(counts: NDArray[np.int64]) -> float | None:
    """The power of two below which half of the samples are, the largest and 0 left out; None if there are no others."""
    others = np.cumsum(counts[: int(np.flatnonzero(counts)[-1])])
    if not len(others) or not others[-1]:
        return None
    return float(2.0 ** float(np.searchsorted(others, others[-1] / 2) - _LOWEST))
