"""Rows on demand: every row once, in order, and no more of them kept than are needed."""

import gc
import weakref

import numpy as np
import pytest

from nsr_cli.engine.bands import (
    Bands,
    Shape,
    alpha_bands,
    blocks,
    collect,
    color_bands,
    mapped_bands,
    picture_bands,
    resized_bands,
    with_alpha,
)
from nsr_cli.engine.tiles import Span
from nsr_cli.imaging.alpha import bleed, resized_alpha
from nsr_cli.imaging.color import White
from nsr_cli.imaging.resizing.resize import resize

PIXELS = np.random.default_rng(4).integers(0, 256, (500, 20, 3), dtype=np.uint8)


def counted(step: int) -> tuple[Bands, list[Span]]:
    made: list[Span] = []

    def make(span: Span) -> np.ndarray:
        made.append(span)
        return PIXELS[span.start : span.stop]

    return Bands(Shape(500, 20, 3), blocks(500, step), make), made


@pytest.mark.parametrize("step", [1, 7, 100, 500, 900])
def test_rows_are_made_once_whatever_is_asked_for(step: int) -> None:
    bands, made = counted(step)
    tap = bands.tap()
    for top in range(0, 500, 33):
        assert np.array_equal(tap.read(top, min(top + 50, 500)), PIXELS[top : min(top + 50, 500)])
    assert [(span.start, span.stop) for span in made] == [
        (t, min(t + step, 500)) for t in range(0, 500, step)
    ]


def test_rows_that_every_tap_has_passed_are_forgotten() -> None:
    bands, made = counted(10)
    fast, slow = bands.tap(), bands.tap()
    fast.read(100, 110)
    assert np.array_equal(slow.read(0, 10), PIXELS[:10])  # still there, though the other is far ahead
    fast.read(200, 210)
    slow.read(195, 200)
    fast.read(210, 220)
    assert sum(len(rows) for _, rows in bands._blocks) <= 40
    with pytest.raises(ValueError, match="row 100 is gone"):
        slow.read(100, 110)
    assert len(made) == 22


def test_what_is_left_of_a_large_block_does_not_keep_all_of_it() -> None:
    bands, _ = counted(400)
    tap = bands.tap()
    tap.read(0, 10)
    tap.read(390, 410)
    assert bands._blocks[0][1].base is None and len(bands._blocks[0][1]) == 10


@pytest.mark.parametrize("size", [(777, 31), (260, 10), (500, 31), (1500, 60)])
def test_resizing_in_bands_is_resizing(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsr_cli.engine.bands._BLOCK_PIXELS", 2000)
    expected = resize(PIXELS.astype(np.float32) / 255, *size)
    found = collect(resized_bands(picture_bands(PIXELS), *size), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_two_pictures_become_one_from_rows_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsr_cli.engine.bands._BLOCK_PIXELS", 2000)
    source = picture_bands(PIXELS)
    there_and_back = resized_bands(resized_bands(source, 1000, 40), 500, 20)
    found = collect(mapped_bands(lambda a, b: a - b, source, there_and_back), np.float32)
    assert np.abs(found).max() < 0.5 and found.shape == PIXELS.shape
    assert found.std() > 0


def see_through(height: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Color (H, 90, 3) and alpha with holes of many sizes, none of them wider than 64."""
    random = np.random.default_rng(5)
    color = random.integers(0, 256, (height, 90, 3), dtype=np.uint8)
    alpha = np.full((height, 90), 255, np.uint8)
    for side in (1, 5, 20, 60):
        for top in random.integers(0, height - side, 4):
            left = int(random.integers(0, 90 - side))
            alpha[top : top + side, left : left + side] = 0
    return color, alpha


def test_color_under_transparency_is_that_of_the_whole() -> None:
    color, alpha = see_through()
    source = picture_bands(np.concatenate([color, alpha[..., np.newaxis]], axis=2))
    found = collect(color_bands(source), np.uint8)
    assert np.array_equal(found[alpha > 0], color[alpha > 0])
    assert np.array_equal(found, bleed(color, alpha))


@pytest.mark.parametrize("size", [(400, 90), (777, 200), (150, 30)])
def test_alpha_is_resized_on_its_own_and_put_behind_the_color(size: tuple[int, int]) -> None:
    color, alpha = see_through()
    source = picture_bands(np.concatenate([color, alpha[..., np.newaxis]], axis=2))
    other = np.random.default_rng(6).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = collect(with_alpha(picture_bands(other), alpha_bands(source, *size)), np.uint8)
    assert np.array_equal(found[..., :3], other)
    expected = resized_alpha(alpha, *size)
    assert expected is not None and np.array_equal(found[..., 3], expected)


def test_rows_that_nobody_can_read_any_more_are_freed() -> None:
    made: list[weakref.ref[np.ndarray]] = []

    def make(span: Span) -> np.ndarray:
        rows = PIXELS[span.start : span.stop].copy()
        made.append(weakref.ref(rows))
        return rows

    gc.disable()  # what is in a circle stays
    try:
        tap = Bands(Shape(500, 20, 3), blocks(500, 100), make).tap()
        tap.read(0, 2)
        assert made[0]() is not None
        del tap
        assert made[0]() is None
    finally:
        gc.enable()


def test_rows_of_fewer_bits_are_one_at_their_white_and_their_alpha_is_not() -> None:
    stored, white = np.full((200, 9, 2), 4095, np.uint16), White(4095, 65_535)
    source = picture_bands(stored, white)
    color, alpha = color_bands(source), alpha_bands(source, 400, 18)
    taps = color.tap(), alpha.tap()
    np.testing.assert_allclose(taps[0].unit(0, 200), 1, atol=1e-6)
    np.testing.assert_allclose(taps[1].unit(0, 400), 4095 / 65_535, atol=1e-6)
