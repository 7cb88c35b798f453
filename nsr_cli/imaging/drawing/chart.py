"""One line chart: points over a horizontal axis, both axes from zero."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from nsr_cli.imaging.drawing.sheet import ACCENT, FAINT, INK, LINE, Sheet, text_width

_WIDTH, _HEIGHT = 800, 500
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 770, 60, 440  # of the plot
_MARKS = 5


def line_chart(
    points: Sequence[tuple[float, float]], *, title: str, across: str, up: str
) -> NDArray[np.uint8]:
    """Draw points (x, y), both 0 or more, joined by a line.

    Args:
        points: at least one, in the order in which they are joined.
        title: what the chart shows.
        across: what the horizontal axis is, with its unit.
        up: what the vertical axis is, with its unit.

    Returns:
        (H, W, 3) pixels.
    """
    sheet = Sheet(_WIDTH, _HEIGHT)
    draw = ImageDraw.Draw(sheet.image)
    sheet.text(_LEFT, 14, title, _RIGHT - _LEFT, size=18)
    sheet.text(_LEFT, 40, up, _RIGHT - _LEFT, color=FAINT)
    sheet.text(_RIGHT - text_width(across, 14), _BOTTOM + 30, across, _RIGHT - _LEFT, color=FAINT)
    step_x, step_y = (_step(max(point[axis] for point in points)) for axis in (0, 1))
    for mark in range(_MARKS + 1):
        y = _BOTTOM - (_BOTTOM - _TOP) * mark // _MARKS
        x = _LEFT + (_RIGHT - _LEFT) * mark // _MARKS
        draw.line((_LEFT, y, _RIGHT, y), LINE)
        label_y, label_x = f"{mark * step_y:g}", f"{mark * step_x:g}"
        sheet.text(_LEFT - 10 - text_width(label_y, 13), y - 8, label_y, 60, size=13, color=INK)
        sheet.text(x - text_width(label_x, 13) // 2, _BOTTOM + 8, label_x, 60, size=13, color=INK)
    places = [
        (
            _LEFT + x / (step_x * _MARKS) * (_RIGHT - _LEFT),
            _BOTTOM - y / (step_y * _MARKS) * (_BOTTOM - _TOP),
        )
        for x, y in points
    ]
    draw.line(places, ACCENT, width=2)
    for x_place, y_place in places:
        draw.ellipse((x_place - 5, y_place - 5, x_place + 5, y_place + 5), ACCENT)
    return sheet.pixels


def _step(largest: float) -> float:
    """A round distance between marks, such that the last one is at `largest` or beyond."""
    if largest <= 0:
        return 1.0
    raw = largest / _MARKS
    unit = 10.0 ** math.floor(math.log10(raw))
    return next(
        round_one * unit for round_one in (1, 2, 2.5, 4, 5, 10) if round_one * unit >= raw * (1 - 1e-9)
    )
