"""What the plain resize of a picture to twice its size must be, computed in the most direct way."""

import numpy as np
from numpy.typing import NDArray

from tests.cli.kinds import Case, Samples
from tests.cli.restored import Result


def check_pixels(case: Case, made: Result) -> None:
    """The result has the depth, the colors and the transparency of the file, and each sample is right."""
    assert (made.pixels.dtype, made.pixels.shape[2]) == (case.pixels.dtype, case.pixels.shape[2])
    visible = has_color(case.alpha, made.pixels.shape)
    assert visible.sum() > visible.size // 4
    check_samples(made.pixels, enlarged(case.pixels), visible)
    assert (made.alpha is None) == (case.alpha is None)
    if made.alpha is not None and case.alpha is not None:
        everywhere = np.ones(made.alpha.shape, dtype=bool)
        check_samples(made.alpha[..., None], enlarged(case.alpha[..., None]), everywhere)


def bicubic(length: int, twice: int) -> NDArray[np.float64]:
    """The dense matrix (2 length, length) of Keys' cubic at the centers of halved pixels, edges mirrored."""
    matrix = np.zeros((twice, length))
    for row in range(twice):
        center = (row + 0.5) / 2 - 0.5
        for tap in range(int(np.floor(center)) - 1, int(np.floor(center)) + 3):
            t = abs(center - tap)
            weight = 1.5 * t**3 - 2.5 * t**2 + 1 if t <= 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
            matrix[row, -tap - 1 if tap < 0 else min(tap, 2 * length - 1 - tap)] += weight
    return matrix


def enlarged(samples: Samples) -> NDArray[np.float64]:
    height, width = samples.shape[:2]
    rows, columns = bicubic(height, 2 * height), bicubic(width, 2 * width)
    return np.asarray(np.einsum("ij,jkc,lk->ilc", rows, samples.astype(float), columns))


def check_samples(made: Samples, exact: NDArray[np.float64], where: NDArray[np.bool_]) -> None:
    """Each sample is the exact value, rounded and clipped to its type; floats keep what is outside 0 to 1."""
    if made.dtype.kind == "f":
        np.testing.assert_allclose(made[where], exact[where], rtol=0, atol=2e-6)
        return
    peak = np.iinfo(made.dtype).max
    off = np.abs(made.astype(float) - exact.clip(0, peak))[where]
    assert off.max() <= 0.5 + 4e-6 * peak  # what single precision may shift a value that lies between two


def has_color(alpha: Samples | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of the result into which no color under full transparency flows: that may be anything."""
    if alpha is None:
        return np.ones(shape[:2], dtype=bool)
    reach = [np.abs(bicubic(side, 2 * side)) > 0 for side in alpha.shape]
    return np.asarray(np.einsum("ij,jk,lk->il", reach[0], alpha == 0, reach[1]) == 0)
