"""Find signs of an earlier upscale: the fine detail that a picture of its size should have is missing.

The spectrum of photographs falls steadily, by so many decibels an octave. Interpolation by a factor s
adds nothing beyond the old limit of 1/2s cycles a pixel, so there the spectrum breaks off. A line is
fitted below each supposed limit, and the shortfall above it is measured. A blurred picture looks the
same: that detail is missing can be found, but not why.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging import color
from nsr_cli.imaging.color import to_unit

_LARGEST = 1024  # pixels a side that are looked at, in the middle of the picture
_SMALLEST = 96
_BANDS = 32
_FLOOR = 1e-2  # power of rounding to 8 bits, about
_FACTORS = np.geomspace(1.8, 9.0, 28)
_SHORTFALL = 9.0  # decibels that count as a sign; 3 % of sharp photographs show as much where out of focus
_LATE = 1.4  # the break is still seen with supposed factors up to so many times the true one

Spectrum = NDArray[np.float64]


def estimate_upscale(pixels: NDArray[Any]) -> float | None:
    """The factor, about 1.3 to 6, by which (H, W, C) seems to have been enlarged; None if it was not.

    It was found in five of six bicubic enlargements of sharp photographs, right to about a fifth.
    """
    if min(pixels.shape[:2]) < _SMALLEST:
        return None
    top, left = (max(0, (side - _LARGEST) // 2) for side in pixels.shape[:2])
    part = to_unit(pixels[top : top + _LARGEST, left : left + _LARGEST]).astype(np.float64) * 255
    luma = part[..., 0] if part.shape[2] == 1 else color.rgb_to_ycc(part, 255.0)[..., 0]
    spectra = [_decibels(luma), _decibels(luma.T)]
    found = [s for s in _FACTORS if np.mean([_shortfall(spectrum, s) for spectrum in spectra]) >= _SHORTFALL]
    return round(float(found[-1]) / _LATE, 1) if found else None


def _decibels(luma: color.FloatArray) -> Spectrum:
    """Power of the rows in equal bands of frequency from 0 to 1/2 cycles a pixel."""
    window = np.hanning(luma.shape[1])
    rows = (luma - luma.mean(axis=1, keepdims=True)) * window
    power = np.square(np.abs(np.fft.rfft(rows, axis=1))).mean(axis=0) / np.square(window).sum()
    band = np.minimum((np.fft.rfftfreq(luma.shape[1]) * 2 * _BANDS).astype(int), _BANDS - 1)
    mean = np.bincount(band, power, _BANDS) / np.maximum(np.bincount(band, minlength=_BANDS), 1)
    spectrum: Spectrum = 10 * np.log10(mean + _FLOOR)
    return spectrum


def _shortfall(spectrum: Spectrum, factor: float) -> float:
    """How many decibels are missing beyond the limit of an enlargement by `factor`."""
    frequency = (np.arange(_BANDS) + 0.5) / (2 * _BANDS)
    limit = 0.5 / factor
    below = (frequency >= max(0.02, 0.2 * limit)) & (frequency <= 0.6 * limit)
    above = (frequency >= 1.15 * limit) & (frequency <= min(0.5, 1.6 * limit))
    if below.sum() < 2 or not above.any():
        return 0.0
    slope, offset = np.polyfit(np.log2(frequency[below]), spectrum[below], 1)
    return float((slope * np.log2(frequency[above]) + offset - spectrum[above]).mean())
