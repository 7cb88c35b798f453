"""What is compared: results of one size, and the region in which they differ most."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.color import from_unit
from nsr_cli.imaging.drawing.sheet import rgb8

Unit = NDArray[np.float32]

_CELLS = 32  # a region is placed in steps of its shorter side over this, which is fine enough
_ROWS = 256  # rows at a time: differences of large pictures are never in memory as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One way to restore the picture; 8-bit RGB (H, W, 3) for showing."""

    label: str
    pixels: NDArray[np.uint8]
    model: str | None = None
    sha256: str | None = None
    strength: float | None = None
    plain: bool = False
    """Whether it is shown, but ignored in the search for differences: enlarged pixels differ everywhere."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The region of (H, W, ...), a view."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def shown(plain: Unit, restored: Unit | None = None, strength: float = 1.0) -> NDArray[np.uint8]:
    """8-bit RGB of `plain` (H, W, C), or of its blend with `restored` (same size) by `strength`."""
    blend = plain if restored is None else plain + np.float32(strength) * (restored - plain)
    return rgb8(from_unit(blend.clip(0, 1), np.uint8))


def nearest(unit: Unit, height: int, width: int) -> Unit:
    """The same pixels as squares at another size: (H, W, C) -> (height, width, C)."""
    rows = np.arange(height) * unit.shape[0] // height
    cols = np.arange(width) * unit.shape[1] // width
    enlarged: Unit = unit[rows][:, cols]
    return enlarged


def around(center: tuple[int, int], size: int | None, width: int, height: int) -> Region:
    """The square of side `size` (None: the whole picture) about a point, moved and cut to fit the picture."""
    across, down = (width, height) if size is None else (min(size, width), min(size, height))
    left = min(max(center[0] - across // 2, 0), width - across)
    top = min(max(center[1] - down // 2, 0), height - down)
    return Region(left, top, across, down)


def most_different(results: Sequence[Result], size: int | None) -> Region:
    """The square of side `size` (None: the whole picture) over which the results differ most.

    The measure is the largest absolute difference between any two results, averaged over the square. Squares closer to
    the border than an eighth of their side count only if there is no other, since networks and interpolation both
    guess what lies outside. If all results are equal, it is the middle.
    """
    results = [results[i] for i in _judged(results)]
    height, width = results[0].pixels.shape[:2]
    middle = around((width // 2, height // 2), size, width, height)
    if len(results) < 2 or size is None or (middle.width, middle.height) == (width, height):
        return middle
    step = max(1, min(middle.width, middle.height) // _CELLS)
    cells = _spread(results, step)
    best = _fullest(cells, (middle.height // step, middle.width // step), size // 8 // step)
    if best is None:
        return middle
    top, left = best[0] * step, best[1] * step
    return Region(
        min(left, width - middle.width), min(top, height - middle.height), middle.width, middle.height
    )


def difference(first: Result, second: Result, region: Region) -> float:
    """Mean absolute difference in the region, in 8-bit levels."""
    a, b = region.cut(first.pixels).astype(np.int16), region.cut(second.pixels).astype(np.int16)
    return float(np.abs(a - b).mean())


def furthest(results: Sequence[Result], region: Region) -> tuple[int, int]:
    """Which two results differ most in the region; a single one is paired with itself."""
    pairs = list(combinations(_judged(results), 2)) or [(0, len(results) - 1)]
    return max(pairs, key=lambda pair: difference(results[pair[0]], results[pair[1]], region))


def _judged(results: Sequence[Result]) -> list[int]:
    """Which results count: those that are not plain, or all if fewer than two are not."""
    judged = [i for i, one in enumerate(results) if not one.plain]
    return judged if len(judged) > 1 else list(range(len(results)))


def _spread(results: Sequence[Result], step: int) -> NDArray[np.float64]:
    """The largest difference between any two results, summed over colors and over cells of step × step pixels."""
    height, width = (side // step * step for side in results[0].pixels.shape[:2])
    rows = max(step, _ROWS // step * step)
    parts = []
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        strips = [result.pixels[start:stop, :width] for result in results]
        low, high = strips[0].copy(), strips[0].copy()
        for strip in strips[1:]:
            np.minimum(low, strip, out=low)
            np.maximum(high, strip, out=high)
        spread = (high - low).reshape((stop - start) // step, step, width // step, step, 3)
        parts.append(spread.sum(axis=(1, 3, 4), dtype=np.float64))
    return np.concatenate(parts)


def _fullest(cells: NDArray[np.float64], box: tuple[int, int], margin: int) -> tuple[int, int] | None:
    """Row and column of the box (rows, cols) of cells with the largest sum; None if all sums are zero."""
    total = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1))
    total[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    rows, cols = box
    sums = total[rows:, cols:] - total[:-rows, cols:] - total[rows:, :-cols] + total[:-rows, :-cols]
    down, across = (min(margin, (side - 1) // 2) for side in sums.shape)
    inner = sums[down : sums.shape[0] - down, across : sums.shape[1] - across]
    if not inner.max() > 0:
        return None
    row, col = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(row) + down, int(col) + across
