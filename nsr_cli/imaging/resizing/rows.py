"""Bicubic resizing of some rows of a picture, from no more of its rows than they need.

The result is what `resize` gives for the whole picture. For rows that start at a multiple of `BLOCK`, even the
matrix products are the same.
"""

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.resizing.resize import BLOCK, block_matrix, contributions, resize


def support(top: int, bottom: int, height_in: int, height: int) -> tuple[int, int]:
    """The input rows, from first to one past the last, from which output rows top…bottom of `height` are made."""
    if height == height_in:
        return top, bottom
    indices, _ = contributions(height_in, bottom, height / height_in, top)
    return int(indices.min()), int(indices.max()) + 1


def resize_rows(
    part: NDArray[np.float32], first: int, rows: tuple[int, int], height_in: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Rows of a resized picture.

    Args:
        part: (N, W, C), the input's rows from `first` on, at least those that `support` names.
        rows: of the output, from and to.
        height_in: rows of the whole input.
        size: height and width of the whole output.
    """
    height, width = size
    factors = (height / height_in, width / part.shape[1])
    if factors[0] <= factors[1]:
        return _across(_down(part, first, rows, height_in, height), width)
    return _down(_across(part, width), first, rows, height_in, height)


def _across(part: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return part if part.shape[1] == width else resize(part, part.shape[0], width)


def _down(
    part: NDArray[np.float32], first: int, rows: tuple[int, int], height_in: int, height: int
) -> NDArray[np.float32]:
    top, bottom = rows
    if height == height_in:
        return part[top - first : bottom - first]
    out = np.empty((bottom - top, *part.shape[1:]), part.dtype)
    flat, into = np.ascontiguousarray(part).reshape(len(part), -1), out.reshape(bottom - top, -1)
    for start in range(top, bottom, BLOCK):
        stop = min(start + BLOCK, bottom)
        indices, weights = contributions(height_in, stop, height / height_in, start)
        low, matrix = block_matrix(indices, weights, part.dtype)
        np.matmul(
            matrix, flat[low - first : low - first + matrix.shape[1]], out=into[start - top : stop - top]
        )
    return out
