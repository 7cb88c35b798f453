"""PSNR and SSIM against hand calculation and against the formula written with SciPy's 2-D convolution."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import convolve2d

from nsr_cli.metrics import psnr, shave, ssim


def reference_ssim(a: NDArray[np.float64], b: NDArray[np.float64], peak: float) -> float:
    """Wang et al. (2004), Eq. 13, over windows laid with a full 2-D kernel, moments taken about the mean."""
    y, x = np.mgrid[-5:6, -5:6]
    kernel = np.exp(-(x * x + y * y) / 4.5)
    kernel /= kernel.sum()

    def mean(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(convolve2d(p, kernel, mode="valid"))

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a**2) - ma**2, mean(b**2) - mb**2, mean(a * b) - ma * mb
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def noisy_pair(seed: int, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape).astype(np.float64)
    return a, np.clip(a + rng.normal(0, 25, shape), 0, 255)


def test_psnr_of_a_constant_difference() -> None:
    # An error of 5 everywhere: 20 log10(255 / 5) = 34.1514... dB.
    a = np.full((7, 9), 100, np.uint8)
    assert psnr(a, a + 5) == pytest.approx(34.15140352195873)


def test_psnr_does_not_wrap_around_in_uint8() -> None:
    a, b = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    assert psnr(a, b) == pytest.approx(0.0)
    assert psnr(b, a) == pytest.approx(0.0)


def test_psnr_averages_the_error_over_channels_not_the_decibels() -> None:
    a = np.zeros((2, 2, 3))
    b = a.copy()
    b[..., 0] = 3.0  # mean square error 9 in one of three channels: 3 over all
    assert psnr(a, b) == pytest.approx(10 * math.log10(255**2 / 3))


def test_psnr_of_equal_pictures_is_infinite_and_peak_scales() -> None:
    a, b = noisy_pair(1, (12, 13))
    assert psnr(a, a) == math.inf
    assert psnr(a / 255, b / 255, peak=1.0) == pytest.approx(psnr(a, b))


def test_ssim_of_two_constants_is_the_luminance_term() -> None:
    # No variance: (2·100·120 + c1) / (100² + 120² + c1) with c1 = 2.55².
    a, b = np.full((11, 11), 100.0), np.full((11, 11), 120.0)
    assert ssim(a, b) == pytest.approx((24000 + 6.5025) / (24400 + 6.5025), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(11, 40), st.integers(11, 40))
def test_ssim_agrees_with_the_formula(seed: int, height: int, width: int) -> None:
    a, b = noisy_pair(seed, (height, width))
    assert ssim(a, b) == pytest.approx(reference_ssim(a, b, 255.0), abs=1e-9)
    assert ssim(a / 255, b / 255, peak=1.0) == pytest.approx(reference_ssim(a, b, 255.0), abs=1e-9)


def test_ssim_is_symmetric_one_for_equals_and_the_mean_of_the_channels() -> None:
    a, b = noisy_pair(3, (20, 17, 3))
    assert ssim(a, a) == pytest.approx(1.0)
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert ssim(a, b) == pytest.approx(
        np.mean([reference_ssim(a[..., c], b[..., c], 255.0) for c in range(3)])
    )


def test_ssim_keeps_its_precision_on_a_bright_flat_picture() -> None:
    # The variances are differences of large numbers; float32 would lose them here.
    a, b = noisy_pair(4, (16, 16))
    a, b = 250 + a / 1000, 250 + b / 1000
    assert ssim(a.astype(np.float32), a.astype(np.float32)) == pytest.approx(1.0, abs=1e-9)
    assert ssim(a, b) == pytest.approx(reference_ssim(a, b, 255.0), abs=1e-9)


def test_shave_takes_the_border_from_all_four_sides() -> None:
    a = np.arange(6 * 7).reshape(6, 7)
    assert shave(a, 2).tolist() == [[16, 17, 18], [23, 24, 25]]
    assert shave(a, 0).shape == (6, 7)
    assert shave(np.zeros((9, 8, 3)), 3).shape == (3, 2, 3)


@pytest.mark.parametrize("border", [-1, 3, 4])
def test_shave_refuses_a_border_that_leaves_nothing(border: int) -> None:
    with pytest.raises(ValueError, match="border"):
        shave(np.zeros((6, 7)), border)


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        psnr(np.zeros((4, 5)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="11×11"):
        ssim(np.zeros((11, 10)), np.zeros((11, 10)))
    with pytest.raises(ValueError, match="not empty"):
        psnr(np.zeros((0, 4)), np.zeros((0, 4)))
