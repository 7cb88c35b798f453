"""Sample values and color spaces: stored integers to the unit range and back, luma, YCbCr.

Every function works elementwise on numpy arrays and never changes its argument.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FloatArray = NDArray[np.floating[Any]]

# BT.601, studio range: luma of R, G, B in 0..255 lies in 16..235.
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0

_BLOCK = 1 << 20  # samples that are rounded at a time

# JFIF 1.02: full-range YCbCr with BT.601's luma weights; pictures are made gray with them, too.
FULL_LUMA_WEIGHTS = _KR, _KG, _KB = 0.299, 0.587, 0.114


@dataclass(frozen=True, slots=True)
class White:
    """The white of 16-bit samples where it is not 65535, and how far a result may exceed it."""

    value: int
    """The stored value of white, 1..65534."""
    top: int
    """The greatest stored value that a result may have, `value`..65535."""

    @property
    def limit(self) -> float:
        """`top` where white is 1: the greatest value that a result may have, 1 or more."""
        return self.top / self.value


def to_unit(pixels: NDArray[Any], white: White | None = None) -> NDArray[np.float32]:
    """Stored samples as float32, with black 0 and white 1.

    uint8 is divided by 255, uint16 by 65535 or the value of `white`; floating point is taken to be in the unit
    range already (values outside it are kept). The shape is unchanged. TypeError for other types.
    """
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) * np.float32(1 / 255)
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) * np.float32(1 / (65535 if white is None else white.value))
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels.astype(np.float32)
    raise TypeError(f"samples of type {pixels.dtype} have no unit range")


def from_unit(array: FloatArray, dtype: DTypeLike, white: White | None = None) -> NDArray[Any]:
    """Inverse of `to_unit`: uint8 and uint16 are rounded to the nearest level and clipped; `white` is for uint16.

    float32 is returned as it is, not clipped, so that a float picture keeps its highlights.
    TypeError for other types. Values must be finite: NaN has no level.
    """
    target = np.dtype(dtype)
    if target == np.float32:
        return array.astype(np.float32)
    if target not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise TypeError(f"samples of type {target} have no unit range")
    greatest, found = int(np.iinfo(target).max), np.empty(array.shape, target)
    peak, most = (greatest, greatest) if white is None or target != np.uint16 else (white.value, white.top)
    # Some rows at a time, to save a second copy of a large picture.
    rows = max(1, _BLOCK * len(array) // max(1, array.size))
    for top in range(0, len(array), rows):
        scaled = array[top : top + rows] * array.dtype.type(peak)
        np.rint(scaled, out=scaled)
        found[top : top + rows] = np.clip(scaled, 0, most, out=scaled)
    return found


def planar(pixels: NDArray[Any]) -> NDArray[Any]:
    """The same (H, W, C) with each channel contiguous in memory."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)


def luma(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """Y of BT.601 studio range, not rounded: (H, W, 3) or (H, W, 1) in 0..255 to float64 (H, W).

    A single channel is gray and returned as it is, since gray sets are scored as they are stored.
    """
    if rgb.shape[-1] == 1:
        return rgb[..., 0].astype(np.float64)
    weighted: NDArray[np.float64] = rgb.astype(np.float64) @ np.asarray(LUMA_WEIGHTS)
    return LUMA_OFFSET + weighted / 255.0


def rgb_to_ycc(rgb: FloatArray, peak: float = 1.0) -> FloatArray:
    """Full-range YCbCr as in JPEG: (H, W, 3) in 0..peak, chroma centered on peak / 2."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    half = peak / 2
    y = _KR * r + _KG * g + _KB * b
    cb = (b - y) / (2 * (1 - _KB)) + half
    cr = (r - y) / (2 * (1 - _KR)) + half
    return np.stack([y, cb, cr], axis=-1)


def ycc_to_rgb(ycc: FloatArray, peak: float = 1.0) -> FloatArray:
    """Inverse of `rgb_to_ycc`, not clipped."""
    y, cb, cr = ycc[..., 0], ycc[..., 1] - peak / 2, ycc[..., 2] - peak / 2
    r = y + 2 * (1 - _KR) * cr
    b = y + 2 * (1 - _KB) * cb
    g = (y - _KR * r - _KB * b) / _KG
    return np.stack([r, g, b], axis=-1)
