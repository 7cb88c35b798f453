"""The picture of the choices: the right color on the right window."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.engine.grid import Grid
from nsr_cli.engine.trace import Selection
from nsr_cli.explain.choices import Choice
from nsr_cli.explain.picture import draw, palette, tiles

GRID = Grid(80, 130, 48)  # two rows and three columns of windows, the last ones cut


def chosen(winners: list[int], groups: int = 4, cardinality: int = 1) -> Choice:
    gamma = np.full((len(winners), cardinality, groups), 0.1 / (groups - 1), np.float32)
    gamma[np.arange(len(winners)), :, winners] = 0.9
    return Choice(1, Selection(1, 1, gamma))


def nearest(pixel: np.ndarray, groups: int) -> int:
    """Which group's color has the direction of this pixel's."""
    colors = np.array(palette(groups), float)
    cosine = colors @ pixel / np.linalg.norm(colors, axis=1) / np.linalg.norm(pixel)
    return int(cosine.argmax())


@pytest.mark.parametrize("shape, dtype", [((80, 130, 3), np.uint8), ((80, 130, 1), np.uint16)])
def test_each_window_has_the_color_of_its_group(shape: tuple[int, int, int], dtype: type) -> None:
    winners = [0, 1, 2, 3, 0, 1]
    pixels: NDArray[Any] = np.full(shape, 127 if dtype is np.uint8 else 32767, dtype)
    sheet = draw(pixels, GRID, tiles([chosen(winners)], None, None), "title")
    scale, left, top = 960 / 130, 24, 24 + 84
    for index, group in enumerate(winners):
        row, col = divmod(index, 3)
        x, y = (min(end, limit) for end, limit in ((col * 48 + 24, 125), (row * 48 + 20, 75)))
        pixel = sheet[top + int(y * scale), left + int(x * scale)].astype(float)
        assert nearest(pixel, 4) == group, (index, pixel)


def test_the_bar_shows_the_shares() -> None:
    sheet = draw(np.zeros((80, 130, 3), np.uint8), GRID, tiles([chosen([0, 0, 0, 1, 1, 2])], None, None), "t")
    height = round(80 * 960 / 130)
    row = sheet[24 + 84 + height + 8, 24 : 24 + 960]
    counts = [(row == color).all(axis=1).sum() for color in palette(4)]
    assert counts == [480, 320, 160, 0]


def test_bright_pixels_stay_brighter_than_dark_ones() -> None:
    pixels = np.zeros((80, 130, 3), np.uint8)
    pixels[:40] = 255
    sheet = draw(pixels, GRID, tiles([chosen([1] * 6)], None, None), "t").astype(int)
    assert sheet[24 + 84 + 150, 24 + 150].sum() > sheet[24 + 84 + 450, 24 + 150].sum() + 100


@pytest.mark.parametrize(
    "layer, cardinal, expected",
    [
        (None, None, [(1, 0), (2, 0)]),
        (None, 3, [(1, 2), (2, 2)]),
        (2, None, [(2, 0), (2, 1), (2, 2)]),
        (2, 2, [(2, 1)]),
    ],
)
def test_what_is_shown(layer: int | None, cardinal: int | None, expected: list[tuple[int, int]]) -> None:
    layers = [Choice(n, chosen([0, 1, 2], cardinality=3).selection) for n in (1, 2)]
    assert [(one.choice.number, one.cardinal) for one in tiles(layers, layer, cardinal)] == expected


@pytest.mark.parametrize("groups", [2, 8, 12])
def test_every_group_has_its_own_color(groups: int) -> None:
    assert len(set(palette(groups))) == groups


def test_extreme_pictures_and_many_layers_are_drawn() -> None:
    for height, width in ((1, 1), (1, 3000), (3000, 2)):
        grid = Grid(height, width, 48)
        winners = [index % 12 for index in range(len(grid))]
        shown = tiles([chosen(winners, groups=12)] * 3, None, None)
        drawn = draw(np.zeros((height, width, 3), np.uint8), grid, shown, "t")
        across, down = (max(1, round(480 * side / max(width, height))) for side in (width, height))
        row, col = height // 2 // 48, width // 2 // 48  # the window in the middle
        pixel = drawn[24 + 84 + down // 2, 24 + across // 2].astype(float)
        assert nearest(pixel, 12) == winners[row * grid.cols + col], (height, width, pixel)
    sheet = draw(np.zeros((80, 130, 3), np.uint8), GRID, tiles([chosen([0] * 6)] * 64, None, None), "t")
    assert 0.5 < sheet.shape[1] / sheet.shape[0] < 3


def test_slivers_have_no_number_that_runs_into_what_is_beside_them() -> None:
    """A picture with a pixel around it often ends in windows of two pixels."""
    grid = Grid(960, 962, 480)
    drawn = draw(np.zeros((960, 962, 3), np.uint8), grid, tiles([chosen([0] * 6)], None, None), "t")
    assert drawn[110:1000, 24 + 960 :].min() > 200  # numbers have a black shadow
    assert drawn[110:1000, : 24 + 958].min() < 50
