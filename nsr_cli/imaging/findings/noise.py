"""Estimate the level of white noise in a picture, per channel.

The picture is cut into overlapping 8×8 blocks and each is transformed by the DCT. White noise puts
the same variance, independent of all others, into every coefficient, so:

1. Blocks with the least energy at low and middle frequencies are flat. These coefficients are independent of
   the noise in the high ones, so the choice brings no bias.
2. The variance of the high coefficients of the flat blocks is that of the noise. If variance still falls
   from the middle to the high frequencies, there is texture; that slope is extrapolated and subtracted. If it falls
   steeply even in the flattest blocks, none of them is really flat, and the picture counts as clean.
3. Noise is clipped at black and white. Blocks near either are skipped if enough others are flat, which is not so in
   a page of text or a night sky. For clipped blocks that must be used, the clean level and the lost variance are
   computed from the normal distribution.

Choosing flat blocks by part of the DCT follows Ponomarenko, Lukin, Zriakhov, Kaarna and Astola, "An
automatic approach to lossy compression of AVIRIS images" (IGARSS 2007).
"""

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nsr_cli.imaging.findings.dct import SIDE, dct_matrix

_MOST_BLOCKS = 50_000  # of one channel; more do not change the estimate
_FLAT_SHARE = 0.05  # of the blocks: so many are taken to be flat
_FEWEST_FLAT = 200
_ROUNDING = 1 / 12  # variance that rounding to whole levels adds
_SLOPE = 0.5  # share of the fall from middle to high frequencies that is subtracted
_SAFE = 1.5  # sigmas from black and white at which clipping hardly matters
# Distances from black and white, in levels, with which the search begins: closer, some areas have no noise at all.
_NEAR, _NEAREST = 2.0, 0.25
# Ratio of the variance at low frequencies to that at high ones, and its growth, from which on blocks are texture.
_ROUGH, _ROUGHER = 2.0, 1.5
_ROUNDS = 8
# Clean levels for which clipping is computed: every one near black and white, where it matters.
_LEVELS = (*range(32), *range(32, 224, 8), *range(224, 256))
_QUIET = 0.15  # quantile of the flat blocks' energies for the second estimate
_HIGH_QUANTILE, _MIDDLE_QUANTILE = 0.557, 0.663  # of chi-squared over its mean, for 10 and 18 coefficients
_CLEAN = (2.25, 4.5)  # levels: a sigma below the first is reported as 0, one above the second in full
_SQUARE = 32  # pixels a side over which noise averages out and a picture does not
# Ratio of the variance at lower middle frequencies to that at high ones in the flattest blocks, from flat to texture.
_TEXTURE = (2.0, 3.0)

Blocks = NDArray[np.floating[Any]]


def estimate_noise(pixels: NDArray[Any]) -> tuple[float, ...]:
    """Standard deviation of the noise in each channel of (H, W, C), in levels of 0..255.

    `pixels` are uint8, uint16, or float in the unit range. Meant for 3..75; lower figures mean that
    the picture is clean. A picture smaller than 16×16 gives zeros: there is too little to tell.
    """
    if min(pixels.shape[:2]) < 2 * SIDE:
        return tuple(0.0 for _ in range(pixels.shape[2]))
    scale, rounded = _levels_per_unit(pixels.dtype), pixels.dtype == np.uint8
    planes = (pixels[..., channel] for channel in range(pixels.shape[2]))
    return tuple(_careful(_channel(plane, scale, rounded)) for plane in planes)


def picture_over_noise(pixels: NDArray[Any], noise: tuple[float, ...]) -> float:
    """The spread of the means of 32×32 squares over the spread that noise of these levels alone would give.

    The greatest of the channels; infinite without noise. It is about 1 for pure noise, up to 2.5 after a JPEG
    compression of that, and was at least 6.7 for photographs to which noise of 75 was added.
    """
    height, width = pixels.shape[:2]
    side = max(1, min(_SQUARE, min(height, width) // 8))
    rows, columns = height // side, width // side
    squares = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, -1)
    spread = squares.mean(axis=(1, 3), dtype=np.float64).std(axis=(0, 1))
    spread *= _levels_per_unit(pixels.dtype)
    ratios = [float(s) * side / sigma if sigma else math.inf for s, sigma in zip(spread, noise, strict=True)]
    return max(ratios)


def _levels_per_unit(dtype: np.dtype[Any]) -> float:
    """How many levels of 0..255 one step of a stored sample is."""
    return {np.dtype(np.uint8): 1.0, np.dtype(np.uint16): 1 / 257}.get(dtype, 255.0)


def _careful(sigma: float) -> float:
    """Lower a low estimate further, since fine texture cannot be told from weak noise."""
    return sigma * (1 - _falling(sigma, _CLEAN))


def _falling(value: float, limits: tuple[float, float]) -> float:
    """1 below the limits, 0 above, linear between them."""
    return min(1.0, max(0.0, (limits[1] - value) / (limits[1] - limits[0])))


def _channel(plane: NDArray[Any], scale: float, rounded: bool) -> float:
    blocks = _transformed(plane, scale)
    texture = (blocks[:, _LOW] ** 2).mean(axis=1)
    floor = _ROUNDING if rounded else 0.0
    if not _is_clipped(plane, scale):
        return _level(blocks, texture, floor)
    sigma = _beside_clipping(blocks, texture, floor, _NEAR)
    if sigma < _CLEAN[0]:  # perhaps the only flat area is a black sky, whose noise is clipped at zero
        sigma = max(sigma, _beside_clipping(blocks, texture, floor, _NEAREST))
    return sigma


def _beside_clipping(blocks: Blocks, texture: Blocks, floor: float, margin: float) -> float:
    """Sigma from blocks at least `margin` away from black and white, or `_SAFE` sigmas if there are flat ones."""
    mean = blocks[:, 0] / SIDE
    room = np.minimum(mean, 255 - mean)  # to the nearer of black and white
    sigma, rough = 0.0, math.inf
    for _ in range(_ROUNDS):
        safe = room > _relaxed(room, margin)
        kept, chosen = blocks[safe], _flat(texture[safe])
        rougher = float(texture[safe][chosen].mean() / max(1e-9, (kept[chosen][:, _HIGH] ** 2).mean()))
        # In text on bright paper, no block this far from white is flat.
        if rougher > max(_ROUGH, _ROUGHER * rough):
            break
        sigma, rough = _unclipped(_level(kept, texture[safe], floor), mean[safe][chosen]), rougher
        if _SAFE * sigma <= margin:
            break
        margin = _SAFE * sigma  # never less than before, so that this comes to an end
    return sigma


def _transformed(plane: NDArray[Any], scale: float) -> Blocks:
    """The DCT of regularly spaced blocks: (blocks, 64), in levels of 0..255."""
    height, width = plane.shape
    step = max(3, math.ceil(math.sqrt(height * width / _MOST_BLOCKS)))
    step += 1 - step % 2  # odd, so that blocks lie at all offsets to JPEG's own grid
    windows = sliding_window_view(plane, (SIDE, SIDE))[::step, ::step].reshape(-1, SIDE * SIDE)
    return windows.astype(np.float32) * np.float32(scale) @ _DCT.T


_DCT = dct_matrix().astype(np.float32)
_FREQUENCY = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
_LOW = (_FREQUENCY >= 1) & (_FREQUENCY <= 7)
_LOWER_MIDDLE = (_FREQUENCY >= 5) & (_FREQUENCY <= 7)
_MIDDLE = (_FREQUENCY >= 8) & (_FREQUENCY <= 10)
_HIGH = _FREQUENCY >= 11


def _is_clipped(plane: NDArray[Any], scale: float) -> bool:
    """Whether levels end at black and white; float samples outside the range show that they do not."""
    low, high = float(plane.min()) * scale, float(plane.max()) * scale
    return (low == 0 or abs(high - 255) < 1e-3) and low >= 0 and high <= 255 + 1e-3


def _relaxed(room: Blocks, margin: float) -> float:
    """`margin`, or a lower one that leaves enough blocks."""
    enough = min(len(room), max(_FEWEST_FLAT * 4, len(room) // 50))
    return min(margin, float(np.partition(room, len(room) - enough)[len(room) - enough]) - 1e-3)


def _flat(texture: Blocks) -> NDArray[np.intp]:
    """Indices of the flattest blocks."""
    count = min(len(texture), max(_FEWEST_FLAT, round(_FLAT_SHARE * len(texture))))
    return np.argpartition(texture, count - 1)[:count]


def _level(blocks: Blocks, texture: Blocks, floor: float) -> float:
    """Sigma from the flattest of these blocks."""
    flat = blocks[_flat(texture)]
    middle, high = ((flat[:, part] ** 2).mean(axis=1) for part in (_MIDDLE, _HIGH))
    whole = _without_slope(float(middle.mean()), float(high.mean()))
    quiet = _without_slope(
        float(np.quantile(middle, _QUIET)) / _MIDDLE_QUANTILE,
        float(np.quantile(high, _QUIET)) / _HIGH_QUANTILE,
    )
    level = math.sqrt(max(0.0, min(whole, quiet) - floor))
    return level * _falling(float((flat[:, _LOWER_MIDDLE] ** 2).mean() / max(high.mean(), 1e-9)), _TEXTURE)


def _without_slope(middle: float, high: float) -> float:
    return high - _SLOPE * max(0.0, middle - high)


def _unclipped(found: float, means: Blocks) -> float:
    """The sigma of noise that clipping to 0..255 reduces to `found`, in blocks whose means after it are `means`."""
    sigma = found
    for _ in range(_ROUNDS if found else 0):
        clipped = [_clipped(float(level) / sigma, (255 - float(level)) / sigma) for level in _LEVELS]
        moved = [level + sigma * mean for level, (mean, _) in zip(_LEVELS, clipped, strict=True)]
        kept = np.interp(means, moved, [variance for _, variance in clipped]).mean()
        sigma = found / math.sqrt(kept)
    return sigma


def _clipped(below: float, above: float) -> tuple[float, float]:
    """Mean and variance of a standard normal variable clipped to -below..above."""
    if min(below, above) > 6:
        return 0.0, 1.0
    under = 0.5 * math.erfc(below / math.sqrt(2))  # probability of the lower clip
    over = 0.5 * math.erfc(above / math.sqrt(2))
    at_low = math.exp(-(below**2) / 2) / math.sqrt(2 * math.pi)
    at_high = math.exp(-(above**2) / 2) / math.sqrt(2 * math.pi)
    mean = at_low - at_high - below * under + above * over
    square = 1 - under - over - below * at_low - above * at_high + below**2 * under + above**2 * over
    return mean, square - mean**2
