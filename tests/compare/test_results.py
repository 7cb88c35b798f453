"""Where results differ most, and how they are made ready for showing."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsr_cli.compare.results import (
    Region,
    Result,
    around,
    difference,
    furthest,
    most_different,
    nearest,
    shown,
)


def pictures(*spots: tuple[int, int, int, int], size: tuple[int, int] = (120, 200)) -> list[Result]:
    """A gray picture, and one in which each spot (top, left, side, change) is changed."""
    rng = np.random.default_rng(5)
    first = rng.integers(60, 120, (*size, 3), dtype=np.uint8)
    second = first.copy()
    for top, left, side, change in spots:
        second[top : top + side, left : left + side] += np.uint8(change)
    return [Result("a", first), Result("b", second)]


def test_the_most_changed_square_is_found_to_the_pixel() -> None:
    assert most_different(pictures((70, 31, 20, 40), (20, 120, 20, 30)), 20) == Region(31, 70, 20, 20)


def test_strength_counts_over_the_whole_square() -> None:
    """A few very different pixels are less than a square of somewhat different ones."""
    assert most_different(pictures((60, 50, 2, 100), (30, 120, 20, 10)), 20) == Region(120, 30, 20, 20)


def test_what_happens_at_the_border_does_not_count() -> None:
    region = most_different(pictures((0, 0, 16, 120), (60, 90, 32, 30)), 32)
    assert region == Region(90, 60, 32, 32)


def test_large_regions_are_found_near_enough() -> None:
    rng = np.random.default_rng(6)
    first = rng.integers(60, 120, (700, 900, 3), dtype=np.uint8)
    second = first.copy()
    second[211:467, 503:759] += np.uint8(40)
    region = most_different([Result("a", first), Result("b", second)], 256)
    assert (
        abs(region.left - 503) <= 4
        and abs(region.top - 211) <= 4
        and (region.width, region.height) == (256, 256)
    )


def test_equal_results_show_the_middle() -> None:
    assert most_different(pictures(), 20) == Region(90, 50, 20, 20)
    assert most_different(pictures()[:1], 20) == Region(90, 50, 20, 20)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 400), st.integers(8, 300))
@example(1, 200, 64)  # lower than the steps in which so large a square was placed
def test_the_region_lies_in_the_picture_whatever_its_size(height: int, width: int, size: int) -> None:
    region = most_different(pictures((0, 0, 3, 9), size=(height, width)), size)
    assert 0 <= region.left <= width - region.width and 0 <= region.top <= height - region.height
    assert (region.width, region.height) == (min(size, width), min(size, height))
    assert region.cut(np.zeros((height, width, 3))).shape == (region.height, region.width, 3)


def test_without_a_size_everything_is_shown() -> None:
    assert most_different(pictures((70, 31, 20, 40)), None) == Region(0, 0, 200, 120)


def test_plain_results_do_not_decide() -> None:
    first, second = pictures((70, 31, 20, 40))
    loud = first.pixels.copy()
    loud[20:40, 120:140] = 255
    third = Result("input", loud, plain=True)
    assert most_different([third, first, second], 20) == Region(31, 70, 20, 20)
    assert furthest([third, first, second], Region(0, 0, 200, 120)) == (1, 2)
    assert most_different([third, first], 20) == Region(120, 20, 20, 20), "with two results both count"


def test_difference_is_the_mean_in_levels_and_furthest_takes_the_largest() -> None:
    levels = [Result(str(value), np.full((9, 9, 3), value, np.uint8)) for value in (10, 14, 3)]
    region = Region(0, 0, 9, 9)
    assert difference(levels[0], levels[2], region) == 7
    assert furthest(levels, region) == (1, 2)
    assert furthest(levels[:1], region) == (0, 0)


def test_a_strength_is_a_blend_and_gray_is_shown_as_rgb() -> None:
    plain, network = np.full((2, 3, 1), 0.2, np.float32), np.full((2, 3, 1), 1.4, np.float32)
    assert (shown(plain, network, 0.5) == 204).all() and shown(plain).shape == (2, 3, 3)
    assert (shown(plain, network) == 255).all()


def test_nearest_repeats_pixels() -> None:
    unit = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    assert np.array_equal(nearest(unit, 4, 6)[..., 0], np.repeat(np.repeat(unit[..., 0], 2, 0), 2, 1))


@pytest.mark.parametrize("center, expected", [((0, 0), (0, 0)), ((50, 30), (40, 20)), ((99, 59), (80, 40))])
def test_around_stays_inside(center: tuple[int, int], expected: tuple[int, int]) -> None:
    assert around(center, 20, 100, 60) == Region(*expected, 20, 20)
