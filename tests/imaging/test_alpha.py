"""Hidden color makes no halo."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging import alpha
from nsr_cli.imaging.resizing import resize


def disc(size: int = 64) -> tuple[Any, Any]:
    """A red disc on transparent black."""
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    inside = (across - size / 2) ** 2 + (down - size / 2) ** 2 < (size / 3) ** 2
    pixels = np.zeros((size, size, 3), dtype=np.uint8)
    pixels[inside] = (200, 40, 30)
    return pixels, np.where(inside, 255, 0).astype(np.uint8)


def test_a_resized_disc_keeps_its_color_to_the_edge() -> None:
    pixels, cover = disc()
    small_cover = resize.resize(cover / 255, 32, 32)
    for source, halo in ((pixels, True), (alpha.bleed(pixels, cover), False)):
        small = resize.resize(source.astype(np.float64), 32, 32)
        seen = small_cover > 0.05
        assert (np.abs(small[seen] - (200, 40, 30)).max() > 50) == halo


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_visible_pixels_and_the_type_are_unchanged(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    pixels = (rng.random((37, 53, 3)) * (1 if dtype is np.float32 else 255)).astype(dtype)
    cover = (rng.random((37, 53)) < 0.3).astype(dtype)
    before = pixels.copy()
    out = alpha.bleed(pixels, cover)
    assert out.dtype == dtype
    assert np.array_equal(out[cover > 0], pixels[cover > 0])
    assert np.array_equal(pixels, before)


def test_every_hidden_pixel_gets_a_visible_color_even_far_away() -> None:
    pixels = np.zeros((101, 203, 1), dtype=np.uint8)
    cover = np.zeros((101, 203), dtype=np.uint8)
    pixels[70, 3], cover[70, 3] = 99, 1
    assert np.all(alpha.bleed(pixels, cover) == 99)


def test_colors_stay_within_those_that_are_visible() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    cover = np.zeros((40, 40), dtype=np.uint8)
    cover[10:20, 10:20] = 255
    seen = pixels[10:20, 10:20].reshape(-1, 3)
    out = alpha.bleed(pixels, cover).reshape(-1, 3)
    assert np.all(out.min(axis=0) >= seen.min(axis=0))
    assert np.all(out.max(axis=0) <= seen.max(axis=0))
    assert out[-1] == pytest.approx(seen.mean(axis=0), abs=40)


def test_hidden_color_does_not_matter() -> None:
    pixels, cover = disc()
    other = np.where(cover[..., np.newaxis] > 0, pixels, 255).astype(np.uint8)
    assert np.array_equal(alpha.bleed(pixels, cover), alpha.bleed(other, cover))


@pytest.mark.parametrize("value", [0, 255])
def test_all_or_nothing_visible_is_left_alone(value: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert np.array_equal(alpha.bleed(pixels, np.full((5, 6), value, np.uint8)), pixels)
