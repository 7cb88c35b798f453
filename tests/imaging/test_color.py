"""Sample conversions lose no level, and luma is the protocol's."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.imaging import color


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_unit_range(dtype: type) -> None:
    levels: NDArray[Any] = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 16, 1)
    unit = color.to_unit(levels)
    assert unit.dtype == np.float32
    assert unit.min() == 0
    assert unit.max() == pytest.approx(1, abs=1e-7)
    assert np.array_equal(color.from_unit(unit, dtype), levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_outside_the_range_are_clipped_not_wrapped(dtype: type) -> None:
    outside = np.array([-0.5, -1e-6, 1 + 1e-6, 7.0], dtype=np.float32)
    peak = np.iinfo(dtype).max
    assert color.from_unit(outside, dtype).tolist() == [0, 0, peak, peak]


def test_float_pixels_keep_their_highlights() -> None:
    pixels = np.array([[[-0.25], [1.75]]], dtype=np.float32)
    assert np.array_equal(color.from_unit(color.to_unit(pixels), np.float32), pixels)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.bool_])
def test_types_without_a_unit_range_are_refused(dtype: type) -> None:
    with pytest.raises(TypeError):
        color.to_unit(np.zeros((1, 1, 1), dtype=dtype))
    with pytest.raises(TypeError):
        color.from_unit(np.zeros((1, 1, 1)), dtype)


def test_conversions_leave_their_argument_alone() -> None:
    array = np.full((2, 2, 3), 0.3, dtype=np.float32)
    color.from_unit(array, np.uint8)
    color.from_unit(array, np.float32)[:] = 9
    assert np.all(array == np.float32(0.3))


def test_luma_of_the_corners_of_the_cube() -> None:
    # BT.601: black 16, white 235; the primaries from the formula of the protocol.
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert color.luma(rgb)[0] == pytest.approx([16, 235, 81.481, 144.553, 40.966])


def test_luma_of_a_gray_picture_is_the_picture() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.array_equal(color.luma(gray), gray[..., 0])


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_full_range_ycc_round_trip_and_known_values(peak: float) -> None:
    rgb = np.random.default_rng(0).random((9, 7, 3)) * peak
    assert color.ycc_to_rgb(color.rgb_to_ycc(rgb, peak), peak) == pytest.approx(rgb, abs=1e-9 * peak)
    red = color.rgb_to_ycc(np.array([[[peak, 0, 0]]]), peak)[0, 0] / peak
    assert red == pytest.approx([0.299, 0.5 - 0.168736, 1.0], abs=1e-6)


def test_a_white_of_fewer_bits_is_one_and_results_end_where_it_says() -> None:
    stored = np.array([[[0], [1], [2000], [4095]]], np.uint16)
    white = color.White(4095, 65_535)
    unit = color.to_unit(stored, white)
    assert unit.dtype == np.float32 and unit.max() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(color.from_unit(unit, np.uint16, white), stored)
    beyond = np.array([[[-0.1], [1.2], [99.0]]], np.float32)
    assert color.from_unit(beyond, np.uint16, white).ravel().tolist() == [0, 4914, 65_535]
    assert color.from_unit(beyond, np.uint16, color.White(4095, 4095)).ravel().tolist() == [0, 4095, 4095]
    assert color.from_unit(unit, np.uint8, white).max() == 255, "of 16 bits alone"


@pytest.mark.parametrize("value", [255, 1023, 4095, 16_383])
def test_every_sample_up_to_white_comes_back(value: int) -> None:
    stored, white = np.arange(value + 1, dtype=np.uint16).reshape(1, -1, 1), color.White(value, value)
    assert np.array_equal(color.from_unit(color.to_unit(stored, white), np.uint16, white), stored)
