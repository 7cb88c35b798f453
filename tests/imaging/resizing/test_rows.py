"""Rows of a resized picture are those of the whole."""

import numpy as np
import pytest

from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.imaging.resizing.rows import resize_rows, support


@pytest.mark.parametrize("size", [(95, 40), (200, 131), (41, 90), (29, 20), (64, 33), (61, 12)])
@pytest.mark.parametrize("step", [32, 64, 7])
def test_rows_are_those_of_the_whole(size: tuple[int, int], step: int) -> None:
    whole = np.random.default_rng(1).random((64, 33, 3), dtype=np.float32)
    expected = resize(whole, *size)
    for top in range(0, size[0], step):
        bottom = min(top + step, size[0])
        low, high = support(top, bottom, 64, size[0])
        found = resize_rows(whole[low:high], low, (top, bottom), 64, size)
        np.testing.assert_allclose(found, expected[top:bottom], atol=1e-6)


def test_little_of_a_tall_picture_is_needed() -> None:
    low, high = support(1000, 1032, 10_000, 15_000)
    assert low > 0 and high - low < 40
