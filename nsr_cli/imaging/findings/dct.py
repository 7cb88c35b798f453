"""The DCT with which noise and traces of JPEG are found."""

import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Pixels along each side of a block."""


def dct_matrix() -> NDArray[np.float64]:
    """The orthonormal two-dimensional DCT-II of a block: (64 coefficients, 64 pixels), both row by row."""
    place = np.arange(SIDE)
    one = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * place[:, np.newaxis] / (2 * SIDE))
    one[0] /= np.sqrt(2)
    both: NDArray[np.float64] = np.kron(one, one)
    return both
