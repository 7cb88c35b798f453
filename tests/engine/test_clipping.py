"""What clipping cuts off is spread over the pixels around, so that means stay."""

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.engine import clipping
from nsr_cli.engine.clipping import is_clipped, spread_excess

Array = NDArray[np.float32]


def result(height: int, width: int, channels: int = 3, spread: float = 0.4) -> Array:
    """As networks make them: planes of one piece each, some of it out of range."""
    planes = np.random.default_rng(height + 100 * width).normal(0.5, spread, (channels, height, width))
    return planes.astype(np.float32).transpose(1, 2, 0)


def expected(array: Array, limit: float = 1) -> Array:
    """The definition, pixel by pixel."""
    out = array.copy()
    excess = array - array.clip(0, limit)
    for row, col in np.ndindex(array.shape[:2]):
        around = excess[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
        out[row, col] += around.sum(axis=(0, 1)) / 25
    return out


@pytest.mark.parametrize(
    "height, width, channels",
    [(1, 1, 1), (1, 9, 3), (9, 1, 3), (2, 2, 1), (3, 40, 3), (33, 20, 3), (40, 17, 1)],
)
@pytest.mark.parametrize("block", [1, 64, 200, 1 << 17])
def test_every_pixel_gets_its_part_whatever_the_strips(
    height: int, width: int, channels: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipping, "_BLOCK", block)
    array = result(height, width, channels)
    wanted = expected(array)
    spread_excess(array)
    np.testing.assert_allclose(array, wanted, atol=1e-6)


def test_what_is_in_range_stays_to_the_bit() -> None:
    array = result(30, 30).clip(0, 1)
    before = array.copy()
    spread_excess(array)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("sign", [1, -1], ids=["black", "white"])
def test_the_mean_of_a_dark_picture_stays(sign: int) -> None:
    raw = np.abs(result(60, 60, spread=0.0) - 0.5) + np.float32(0.004)
    raw += np.random.default_rng(2).normal(0, 0.006, raw.shape).astype(np.float32)
    raw = raw if sign == 1 else 1 - raw
    made = raw.copy()
    spread_excess(made)
    moved, plain = (float(kept.clip(0, 1).mean() - raw.mean()) * 255 for kept in (made, raw))
    assert abs(plain) > 0.15 and abs(moved) < abs(plain) / 2


def test_integers_are_clipped_and_highlights_in_floating_point_are_not() -> None:
    assert [is_clipped(kind) for kind in (np.uint8, np.uint16, np.float32)] == [True, True, False]


def test_what_goes_no_further_than_the_limit_is_not_cut_off() -> None:
    array = result(30, 30, spread=1.0)
    assert ((array > 1) & (array < 2)).any() and (array > 2).any()
    wanted = expected(array, 2)
    spread_excess(array, 2.0)
    np.testing.assert_allclose(array, wanted, atol=1e-6)
