"""Spread what clipping will cut off over the pixels around, so that mean colors stay the same.

Where a picture is black or white, a network's result goes a little below black and above white. The mean of those
pixels is right before clipping, but not after: a dark sky with values of 0 to 2 comes out brighter. So the pixels
around get their share of what will be missing. docs/results.md says what that does to PSNR.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

RADIUS = 2
"""How many pixels far, along each axis, an excess is spread; a tile needs that many around it."""

_SIDE = 2 * RADIUS + 1
_BLOCK = 1 << 17  # samples of a strip, which then stays in the caches


def is_clipped(dtype: DTypeLike) -> bool:
    """Whether samples of this type end at black and white: integers do, floating-point highlights do not."""
    return np.issubdtype(dtype, np.integer)


def spread_excess(array: NDArray[np.float32], limit: float = 1.0) -> None:
    """Add to every sample of (H, W, C), in place, the mean of what clipping will cut off in the 5×5 around it.

    Outside the array nothing is cut off. A result within [0, limit] is not changed.
    """
    planes = array.transpose(2, 0, 1)  # as networks make them, each channel contiguous
    channels, height, width = planes.shape
    rows = max(1, _BLOCK // (channels * width))
    above = np.zeros((channels, RADIUS, width), np.float32)  # cut off in the strip before
    for top in range(0, height, rows):
        strip = planes[:, top : top + rows]
        count = strip.shape[1]
        excess = np.zeros((channels, count + 2 * RADIUS, width + 2 * RADIUS), np.float32)
        inside = excess[:, :, RADIUS:-RADIUS]
        inside[:, :RADIUS] = above
        read = planes[:, top : top + count + RADIUS]
        np.subtract(read, read.clip(0, np.float32(limit)), out=inside[:, RADIUS : RADIUS + read.shape[1]])
        above = inside[:, count : count + RADIUS].copy()
        if excess.any():
            down = _sums([excess[:, start : start + count] for start in range(_SIDE)])
            across = _sums([down[:, :, start : start + width] for start in range(_SIDE)])
            across *= np.float32(1 / _SIDE**2)
            strip += across


def _sums(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = parts[0] + parts[1]
    for part in parts[2:]:
        total += part
    return total
