"""PSNR and SSIM as super-resolution and restoration papers measure them, in float64.

Pictures are (H, W) or (H, W, C) arrays of the same shape, usually 0…255. SSIM is that of Wang, Bovik, Sheikh
and Simoncelli (2004) with their parameters: an 11×11 Gaussian window of σ 1.5, K = (0.01, 0.03), population
covariance, and the mean over the pixels whose window lies wholly inside the picture. Channels are averaged.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
Float = NDArray[np.float64]

WINDOW = 11  # pixels across
SIGMA = 1.5  # pixels
K1, K2 = 0.01, 0.03


def shave(pixels: Pixels, border: int) -> Pixels:
    """Return a view of (H, W[, C]) without `border` pixels on each of the four sides."""
    height, width = pixels.shape[:2]
    if border < 0:
        raise ValueError(f"the border to shave must not be negative, not {border}")
    if 2 * border >= min(height, width):
        raise ValueError(f"a border of {border} pixels leaves nothing of {width}×{height}")
    return pixels[border : height - border, border : width - border]


def psnr(a: Pixels, b: Pixels, peak: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio in dB over all pixels and channels; infinite for equals."""
    first, second = _pair(a, b)
    error = float(np.mean(np.square(first - second)))
    return float("inf") if error == 0 else float(10 * np.log10(peak * peak / error))


def ssim(a: Pixels, b: Pixels, peak: float = 255.0) -> float:
    """Return the mean structural similarity, at most 1; both sides must have at least 11 pixels."""
    first, second = _pair(a, b)
    if min(first.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW}×{WINDOW} pixels, not {first.shape[1]}×{first.shape[0]}")
    if first.ndim == 2:
        return _ssim_plane(first, second, peak)
    planes = range(first.shape[2])
    return float(np.mean([_ssim_plane(first[..., c], second[..., c], peak) for c in planes]))


def _pair(a: Pixels, b: Pixels) -> tuple[Float, Float]:
    if a.shape != b.shape:
        raise ValueError(f"pictures to compare must have the same shape, not {a.shape} and {b.shape}")
    if a.ndim not in (2, 3) or a.size == 0:
        raise ValueError(f"a picture is (H, W) or (H, W, C) and not empty, not {a.shape}")
    return a.astype(np.float64), b.astype(np.float64)


def _ssim_plane(a: Float, b: Float, peak: float) -> float:
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a * mean_a
    variance_b = _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return float(np.mean(luminance * structure))


def _blur(plane: Float) -> Float:
    """(H, W) -> (H - 10, W - 10): the Gaussian window, separable, only where it fits."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * SIGMA**2))
    taps /= taps.sum()
    height, width = plane.shape[0] - WINDOW + 1, plane.shape[1] - WINDOW + 1
    rows = np.zeros((height, plane.shape[1]))
    for i, tap in enumerate(taps):
        rows += tap * plane[i : i + height]
    blurred = np.zeros((height, width))
    for i, tap in enumerate(taps):
        blurred += tap * rows[:, i : i + width]
    return blurred
