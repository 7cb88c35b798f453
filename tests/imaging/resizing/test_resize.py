"""Bicubic resizing against a loop written from the definition."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.imaging.resizing import resize


def one_sample(signal: NDArray[np.float64], position: int, factor: float) -> float:
    """Output sample `position` of a 1-D signal: the kernel's integral form, tap by tap."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    shrink = min(factor, 1.0)
    center = (position + 0.5) / factor - 0.5
    total = weight = 0.0
    for tap in range(math.floor(center - 2 / shrink) - 1, math.ceil(center + 2 / shrink) + 2):
        w = kernel((center - tap) * shrink)
        index = tap
        while not 0 <= index < len(signal):  # mirror with the edge sample repeated
            index = -1 - index if index < 0 else 2 * len(signal) - 1 - index
        total += w * signal[index]
        weight += w
    return total / weight


@pytest.mark.parametrize(
    ("length_in", "length_out"),
    [
        (1, 1), (1, 7), (7, 1), (2, 9), (5, 10), (10, 5), (33, 100), (100, 33), (97, 96), (64, 161), (300, 7), (40, 40)
    ],
)  # fmt: skip
def test_each_axis_matches_the_definition(length_in: int, length_out: int) -> None:
    signal = np.random.default_rng(length_in).random(length_in)
    expected = [one_sample(signal, i, length_out / length_in) for i in range(length_out)]
    column = np.repeat(signal[:, np.newaxis], 3, axis=1)
    assert resize.resize(column, length_out, 3)[:, 1] == pytest.approx(expected, abs=1e-12)
    assert resize.resize(column.T, 3, length_out)[1] == pytest.approx(expected, abs=1e-12)


def test_the_scale_argument_sets_the_sampling_positions() -> None:
    # imresize(A, 1/2) of 5 samples makes ceil(2.5) = 3 at factor 1/2, not 3/5.
    signal = np.random.default_rng(5).random(5)
    expected = [one_sample(signal, i, 0.5) for i in range(3)]
    assert resize.resize(signal[:, np.newaxis], 3, 1, scale=0.5)[:, 0] != pytest.approx(
        [one_sample(signal, i, 3 / 5) for i in range(3)]
    )
    column = np.repeat(signal[:, np.newaxis], 2, axis=1)
    assert resize.resize(column, 3, 1, scale=0.5)[:, 0] == pytest.approx(expected, abs=1e-12)


def test_published_bicubic_phase_weights() -> None:
    # At x2 every sample is 1/4 pixel off a center: weights -3/128 ... of Keys' cubic, in 128ths.
    impulse = np.zeros((1, 9))
    impulse[0, 4] = 128
    doubled = resize.resize(impulse, 1, 18)[0]
    assert doubled[5:13] == pytest.approx([-3, -9, 29, 111, 111, 29, -9, -3])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (13, 29), (61, 17), (100, 3)])
def test_size_type_and_channels_are_exact(height: int, width: int) -> None:
    for shape in ((23, 31), (23, 31, 1), (23, 31, 3), (23, 31, 5)):
        single = resize.resize(np.zeros(shape, dtype=np.float32), height, width)
        double = resize.resize(np.zeros(shape), height, width)
        assert single.shape == double.shape == (height, width, *shape[2:])
        assert (single.dtype.name, double.dtype.name) == ("float32", "float64")


@pytest.mark.parametrize("size", [(40, 60), (10, 15), (23, 77)])
def test_a_constant_stays_constant(size: tuple[int, int]) -> None:
    flat = np.full((20, 30, 3), 0.7, dtype=np.float32)
    assert resize.resize(flat, *size) == pytest.approx(0.7, abs=1e-6)


def test_a_ramp_stays_a_ramp_inside() -> None:
    ramp = np.tile(np.arange(50.0), (4, 1))
    assert resize.resize(ramp, 4, 125)[1, 10:-10] == pytest.approx((np.arange(125) + 0.5)[10:-10] / 2.5 - 0.5)


def test_float32_is_as_good_as_float64() -> None:
    picture = np.random.default_rng(1).random((60, 70, 3))
    single = resize.resize(picture.astype(np.float32), 151, 33)
    assert np.abs(single - resize.resize(picture, 151, 33)).max() < 2e-6


def test_mirror_and_transpose_commute_with_resizing() -> None:
    picture = np.random.default_rng(2).random((31, 44, 3))
    out = resize.resize(picture, 83, 57)
    assert resize.resize(picture[::-1, ::-1], 83, 57)[::-1, ::-1] == pytest.approx(out, abs=1e-12)
    assert resize.resize(picture.swapaxes(0, 1), 57, 83).swapaxes(0, 1) == pytest.approx(out, abs=1e-12)


def test_empty_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot resize"):
        resize.resize(np.zeros((4, 4)), 0, 4)
    with pytest.raises(ValueError, match="cannot resize"):
        resize.resize(np.zeros((0, 4)), 4, 4)


def test_downscale8_rounds_and_rounds_sizes_up() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (13, 22, 3), dtype=np.uint8)
    small = resize.downscale8(pixels, 4)
    assert small.shape == (4, 6, 3)
    assert small.dtype == np.uint8
    checker = (np.indices((40, 40)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., np.newaxis]
    assert np.isin(resize.downscale8(checker, 2), (127, 128)).mean() > 0.9
