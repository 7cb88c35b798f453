"""Bicubic resizing by MATLAB's `imresize` convention, for any factor up or down.

The kernel is Keys' cubic with a = -1/2. When a side shrinks, the kernel is stretched by the
inverse factor (antialiasing), so that it covers four output pixels. Samples sit at pixel centers
and the picture continues as its mirror image beyond each edge (edge sample repeated).

Resizing is separable. Each pass multiplies by a banded matrix, block by block:

    output columns   |---- 32 ----|---- 32 ----|
    input columns  |---- support ----|
                               |---- support ----|

A block is a small dense matrix product, which numpy hands to BLAS; nothing of the size
input x output is ever built.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatT = TypeVar("FloatT", np.float32, np.float64)

_TAPS = 4  # width of the cubic kernel, in pixels of the coarser of the two grids
BLOCK = 32
"""Output samples per matrix product."""


def resize(array: NDArray[FloatT], height: int, width: int, *, scale: float | None = None) -> NDArray[FloatT]:
    """Resize (H, W) or (H, W, C) to exactly `height` x `width`; same float type, not clipped.

    The factor of each side is its new length over its old one. With `scale`, both sides use that
    factor instead, for the kernel and the sampling positions, as `imresize(A, scale)` does even if
    it rounds the new length up. Values must be finite. ValueError for an empty size.
    """
    if height < 1 or width < 1 or 0 in array.shape:
        raise ValueError(f"cannot resize {array.shape} to {height} x {width}")
    planes = array[..., np.newaxis] if array.ndim == 2 else array
    factors = (scale or height / array.shape[0], scale or width / array.shape[1])
    out = np.empty((height, width, planes.shape[2]), dtype=array.dtype)
    for channel in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[..., channel])
        # The side with the smaller factor first, which leaves less work for the second pass.
        for axis in (0, 1) if factors[0] <= factors[1] else (1, 0):
            plane = _resize_axis(plane, (height, width)[axis], factors[axis], axis)
        out[..., channel] = plane
    return out[..., 0] if array.ndim == 2 else out


def downscale8(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """The low-resolution input of the protocol: 8-bit (H, W, C), shrunk by `scale`, 8-bit again.

    A side that is not a multiple of `scale` is rounded up, as `imresize(A, 1 / scale)` does.
    """
    height, width = (-(-side // scale) for side in pixels.shape[:2])
    small = resize(pixels.astype(np.float64), height, width, scale=1 / scale)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _resize_axis(plane: NDArray[FloatT], length: int, factor: float, axis: int) -> NDArray[FloatT]:
    """Resize one axis of a contiguous (H, W) plane."""
    if length == plane.shape[axis] and factor == 1:
        return plane
    indices, weights = contributions(plane.shape[axis], length, factor)
    shape = (length, plane.shape[1]) if axis == 0 else (plane.shape[0], length)
    out = np.empty(shape, dtype=plane.dtype)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        low, matrix = block_matrix(indices[start:stop], weights[start:stop], plane.dtype)
        high = low + matrix.shape[1]
        if axis == 0:
            np.matmul(matrix, plane[low:high], out=out[start:stop])
        else:
            out[:, start:stop] = plane[:, low:high] @ matrix.T
    return out


def block_matrix(
    indices: NDArray[np.int64], weights: NDArray[np.float64], dtype: Any
) -> tuple[int, NDArray[Any]]:
    """Where the support of some rows of `contributions` starts, and their dense matrix (outputs, support)."""
    low = int(indices.min())
    matrix = np.zeros((len(indices), int(indices.max()) - low + 1))
    # Mirrored taps can name one input sample twice, so their weights are added, not assigned.
    np.add.at(matrix, (np.arange(len(indices))[:, np.newaxis], indices - low), weights)
    return low, matrix.astype(dtype)


def contributions(
    length_in: int, length_out: int, factor: float, start: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which input samples make each output sample: indices and weights, both (length_out - start, taps).

    Output samples before `start` are left out. Weights are float64 and sum to 1 in each row; indices are
    already mirrored into 0..length_in-1.
    """
    stretch = min(factor, 1.0)
    reach = _TAPS / stretch
    # Positions in units of input samples, whose centers are at integers.
    centers = (np.arange(start, length_out) + 0.5) / factor - 0.5
    taps = int(np.ceil(reach)) + 2
    positions = np.floor(centers - reach / 2).astype(np.int64)[:, np.newaxis] + np.arange(taps)
    weights = cubic((centers[:, np.newaxis] - positions) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = (weights != 0).any(axis=0)
    folded = np.mod(positions[:, used], 2 * length_in)
    return np.minimum(folded, 2 * length_in - 1 - folded), weights[:, used]


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2 (IEEE Trans. ASSP 29, 1981)."""
    t = np.abs(x)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0.0))
