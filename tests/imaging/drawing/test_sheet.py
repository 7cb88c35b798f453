"""Letters and tiles of the sheets."""

import numpy as np
import pytest

from nsr_cli.imaging.drawing.sheet import PAPER, Sheet, columns, fitted, rgb8, shortened, text_width, view


def test_long_texts_lose_their_middle() -> None:
    text = "a very long name of some model.safetensors"
    short = shortened(text, 120, 14)
    assert text_width(short, 14) <= 120 and short.startswith("a v") and short.endswith("ors") and "…" in short
    assert shortened("brief", 120, 14) == "brief" and shortened("W", 2, 14) == ""


@pytest.mark.parametrize("dtype, white", [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.7)])
def test_any_depth_becomes_8_bit_rgb(dtype: type, white: float) -> None:
    gray = rgb8(np.array([[[0], [white]]], dtype))
    assert gray.shape == (1, 2, 3) and gray.dtype == np.uint8
    assert gray.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_enlarged_views_show_squares_and_small_ones_averages() -> None:
    pixels = np.array([[[0] * 3, [200] * 3], [[200] * 3, [0] * 3]], np.uint8)
    large = np.asarray(view(pixels, 4, 4))
    assert np.array_equal(large, np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1))
    assert 95 <= int(np.asarray(view(pixels, 1, 1))[0, 0, 0]) <= 105


def test_text_keeps_within_its_room() -> None:
    sheet = Sheet(200, 40)
    sheet.text(10, 10, "words " * 40, 100, 14)
    changed = np.nonzero((sheet.pixels != PAPER).any(axis=(0, 2)))[0]
    assert changed.min() >= 9 and changed.max() <= 111


@pytest.mark.parametrize("count, expected", [(1, 1), (4, 4), (8, 4), (16, 4), (9, 3)])
def test_tiles_fill_their_rows(count: int, expected: int) -> None:
    assert columns(count, 300, 300) == expected


def test_fitted_keeps_proportions_and_at_least_a_pixel() -> None:
    assert fitted(400, 200, 100) == (100, 50) and fitted(5000, 1, 100) == (100, 1)
