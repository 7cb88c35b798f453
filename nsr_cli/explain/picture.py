"""The picture of what a network chose: its windows over the input, a color for each window's dominant group.

heading, legend
┌───────────┐ ┌───────────┐
│ input,    │ │           │   one tile for each layer, or for each cardinal group of a layer
│ tinted    │ │           │
└───────────┘ └───────────┘
share of each group (bar)
title, entropy
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.grid import Grid
from nsr_cli.explain.choices import Choice
from nsr_cli.imaging.color import rgb_to_ycc
from nsr_cli.imaging.drawing.sheet import FAINT, Box, Color, Sheet, columns, fitted, rgb8, view

# Okabe and Ito's colors, which people with any kind of color vision can tell apart.
_PALETTE: tuple[Color, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167),
    (240, 228, 66), (86, 180, 233), (213, 94, 0), (150, 150, 150),
)  # fmt: skip
_SIDES = ((1, 960), (4, 480), (16, 320), (1 << 30, 220))  # for up to so many tiles, the longer side of each
_MARGIN, _GAP, _HEAD, _FOOT = 24, 20, 84, 52  # pixels around, between, above all and below each tile
_NUMBERED = 20  # windows of this many pixels have room for their group's number


@dataclass(frozen=True, slots=True)
class Tile:
    """One map: a layer's choices within one cardinal group (from 0)."""

    choice: Choice
    cardinal: int

    @property
    def title(self) -> str:
        """Where in the network the layer is."""
        at = self.choice.selection
        return f"Layer {self.choice.number} · block {at.block}, conv {at.convolution}"

    @property
    def subtitle(self) -> str:
        """Which cardinal group, and how undecided it is."""
        count = self.choice.selection.gamma.shape[1]
        entropy = self.choice.entropy[:, self.cardinal].mean()
        return f"cardinal group {self.cardinal + 1} of {count} · entropy {entropy:.3f}"


def tiles(chosen: Sequence[Choice], layer: int | None, cardinal: int | None) -> list[Tile]:
    """What to show: one cardinal group of every layer, or with `layer` (from 1) all cardinal groups of that one.

    Without `cardinal` (from 1) a layer is shown by the cardinal group whose choice differs most between windows.
    """
    if layer is None:
        return [Tile(one, one.most_varied if cardinal is None else cardinal - 1) for one in chosen]
    one = chosen[layer - 1]
    count = one.selection.gamma.shape[1]
    return [Tile(one, j) for j in range(count)] if cardinal is None else [Tile(one, cardinal - 1)]


def draw(pixels: NDArray[np.generic], grid: Grid, shown: Sequence[Tile], heading: str) -> NDArray[np.uint8]:
    """The sheet, (H, W, 3), for a picture (H, W, C) of any depth; tiles as `tiles` makes them."""
    side = next(side for most, side in _SIDES if len(shown) <= most)
    width, height = fitted(grid.width, grid.height, side)
    groups = shown[0].choice.selection.gamma.shape[2]
    cols = columns(len(shown), width + _GAP, height + _FOOT + _GAP)
    rows = math.ceil(len(shown) / cols)
    cell = max(width, 240)
    sheet = Sheet(
        max(2 * _MARGIN + cols * (cell + _GAP) - _GAP, 640),
        _MARGIN + _HEAD + rows * (height + _FOOT + _GAP),
    )
    _head(sheet, heading, groups, grid)
    dimmed = _gray(np.asarray(view(rgb8(pixels), width, height)))
    for index, tile in enumerate(shown):
        left = _MARGIN + index % cols * (cell + _GAP)
        top = _MARGIN + _HEAD + index // cols * (height + _FOOT + _GAP)
        _map(sheet, dimmed, grid, tile, left, top)
        _bar(sheet, tile, (left, top + height + 6, left + width, top + height + 12))
        sheet.text(left, top + height + 16, tile.title, cell, 14)
        sheet.text(left, top + height + 34, tile.subtitle, cell, 13, FAINT)
    return sheet.pixels


def palette(groups: int) -> list[Color]:
    """As many colors as there are groups."""
    if groups <= len(_PALETTE):
        return list(_PALETTE[:groups])
    hues = (colorsys.hsv_to_rgb(i / groups, 0.75, 0.9) for i in range(groups))
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]


def _head(sheet: Sheet, heading: str, groups: int, grid: Grid) -> None:
    room = sheet.image.width - 2 * _MARGIN
    sheet.text(_MARGIN, _MARGIN - 4, heading, room, 20)
    left, top = _MARGIN, _MARGIN + 30
    for number, color in enumerate(palette(groups), 1):
        if left > room - 60:
            break  # with so many groups, the numbers in the windows must suffice
        sheet.fill((left, top + 1, left + 16, top + 17), color)
        left += 22 + sheet.text(left + 22, top, f"group {number}", 80, 15) + 16
    note = (
        f"{grid.cols} x {grid.rows} windows of {grid.window} pixels, each in the color of its dominant group. "
        "Entropy 0: one group alone; 1: all alike."
    )
    sheet.text(_MARGIN, top + 24, note, room, 13, FAINT)


def _map(sheet: Sheet, dimmed: NDArray[np.uint8], grid: Grid, tile: Tile, left: int, top: int) -> None:
    """Lay the tinted picture on the sheet, with lines between windows and numbers where there is room."""
    height, width = dimmed.shape[:2]
    row = _windows(height, grid.height, grid.window)
    col = _windows(width, grid.width, grid.window)
    winners = tile.choice.dominant[:, tile.cardinal].reshape(grid.rows, grid.cols)
    colors = np.array(palette(tile.choice.selection.gamma.shape[2]), np.float32)
    shade = dimmed.astype(np.float32) / 255
    tinted = 40 * shade + colors[winners[row[:, None], col[None, :]]] * (0.38 + 0.46 * shade)
    step = min(width * grid.window / grid.width, height * grid.window / grid.height)
    if step >= 6:
        tinted[1:][row[1:] != row[:-1]] *= 0.6
        tinted[:, 1:][:, col[1:] != col[:-1]] *= 0.6
    sheet.paste(view(tinted.clip(0, 255).astype(np.uint8), width, height), left, top)
    if step >= _NUMBERED:
        for i, j in np.ndindex(grid.rows, grid.cols):
            if min(np.count_nonzero(row == i), np.count_nonzero(col == j)) < _NUMBERED:
                continue  # the last window may be a sliver
            at = (left + int(np.searchsorted(col, j)), top + int(np.searchsorted(row, i)))
            number = str(winners[i, j] + 1)
            sheet.text(at[0] + 4, at[1] + 3, number, 40, 12, (0, 0, 0))
            sheet.text(at[0] + 3, at[1] + 2, number, 40, 12, (255, 255, 255))


def _bar(sheet: Sheet, tile: Tile, box: Box) -> None:
    """A bar of all groups' colors, each as long as its share of the windows."""
    left, top, right, bottom = box
    ends = left + np.rint(np.cumsum(tile.choice.shares(tile.cardinal)) * (right - left)).astype(int)
    for start, end, color in zip([left, *ends[:-1]], ends, palette(len(ends)), strict=True):
        sheet.fill((int(start), top, int(end), bottom), color)


def _windows(length: int, pixels: int, window: int) -> NDArray[np.intp]:
    """Which window each of `length` samples along a side of `pixels` pixels belongs to."""
    return ((np.arange(length) + 0.5) * pixels / length // window).astype(np.intp)


def _gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    plane = rgb_to_ycc(rgb.astype(np.float32), 255)[..., :1]
    return np.repeat(np.rint(plane).clip(0, 255).astype(np.uint8), 3, axis=2)
