"""The line chart: points where the axes say they are."""

import numpy as np
import pytest

from nsr_cli.imaging.drawing.chart import _step, line_chart
from nsr_cli.imaging.drawing.sheet import ACCENT


@pytest.mark.parametrize(
    ("largest", "step"), [(16, 4), (5, 1), (4.9, 1), (5.1, 2), (0.3, 0.1), (0.11, 0.025), (1000, 200), (0, 1)]
)
def test_marks_are_round_and_reach_the_largest_value(largest: float, step: float) -> None:
    assert _step(largest) == pytest.approx(step)


def test_points_lie_in_proportion() -> None:
    pixels = line_chart([(0, 0), (10, 5)], title="t", across="x", up="y")
    rows, cols = np.nonzero((pixels == ACCENT).all(axis=2))
    assert (cols.min(), cols.max()) == (75, 775)  # from zero to the end of the axis, and half a point more
    assert (rows.min(), rows.max()) == (55, 445)
