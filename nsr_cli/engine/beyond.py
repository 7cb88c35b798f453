"""Samples far beyond black and white bypass a network: the excess is resized bicubically.

    samples ─┬─ clipped to the network's range ──> network ──┬─ sum ─> result
             └─ what that cut off ───────────────> bicubic ──┘

Otherwise a lamp of 50 in a rendering between 0 and 1 would affect the features of all windows around it, which choose
their kernels by the mean: with two such samples in 96×96, an enlargement was off by up to 5 at a distance of more than
three pixels.
"""

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.resizing.resize import BLOCK
from nsr_cli.imaging.resizing.rows import resize_rows, support

Limits = tuple[float, float]

ENLARGING: Limits = (-0.25, 1.25)
"""Beyond these, an enlarging network, trained on samples in [0, 1], soon does worse than bicubic resizing."""

NOISY: Limits = (-2.0, 3.0)
"""Other networks keep their quality further out; noise of 75, which must reach the network, stays within these."""

_BLOCK = 1 << 20  # samples processed at a time


def limits_of(scale: int) -> Limits:
    """The least and the greatest sample that a network of this scale may see."""
    return ENLARGING if scale > 1 else NOISY


def within(array: NDArray[np.float32], limits: Limits) -> NDArray[np.float32]:
    """The samples clipped to the limits; the array itself if nothing is beyond them."""
    low, high = limits
    if array.min() >= low and array.max() <= high:
        return array
    inside: NDArray[np.float32] = array.clip(np.float32(low), np.float32(high))
    return inside


def add_beyond(out: NDArray[np.float32], array: NDArray[np.float32], limits: Limits) -> None:
    """Add what clipping `array` (H, W, C) to the limits cuts off, resized, to a result (H', W', C), in place."""
    height, width = out.shape[:2]
    rows = max(1, _BLOCK // (BLOCK * width)) * BLOCK
    low, high = (np.float32(limit) for limit in limits)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = support(top, bottom, len(array), height)
        part = array[first:last]
        beyond = part - part.clip(low, high)
        if beyond.any():
            out[top:bottom] += resize_rows(beyond, first, (top, bottom), len(array), (height, width))
