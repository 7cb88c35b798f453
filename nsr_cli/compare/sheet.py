"""Results side by side on one sheet: the same region of each, with a label, and where it is in the picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsr_cli.compare.results import Region, Result
from nsr_cli.imaging.drawing.sheet import ACCENT, FAINT, INK, Sheet, columns, fitted, view

_MARGIN, _GAP, _HEAD, _LABEL = 24, 16, 60, 28  # pixels around, between, above all and below each tile
_TILE = 384  # about the side to which a region is enlarged, by a whole factor
_OVERVIEW = 360  # longer side of the small picture that shows where the region lies


@dataclass(frozen=True, slots=True)
class Caption:
    """The text above a comparison."""

    title: str
    detail: str


def draw(results: Sequence[Result], region: Region, caption: Caption) -> NDArray[np.uint8]:
    """The sheet (H, W, 3)."""
    zoom = max(1, round(_TILE / max(region.width, region.height)))
    width, height = region.width * zoom, region.height * zoom
    tiles = [(one.label, view(region.cut(one.pixels), width, height)) for one in results]
    whole = overview(results[0].pixels, region, max(width, min(_OVERVIEW, _TILE)))
    count = len(tiles) + 1
    cell = (max(width, whole.shape[1], 160), max(height, whole.shape[0]))
    cols = columns(count, cell[0], cell[1] + _LABEL)
    rows = math.ceil(count / cols)
    sheet = Sheet(
        max(2 * _MARGIN + cols * (cell[0] + _GAP) - _GAP, 480),
        _MARGIN + _HEAD + rows * (cell[1] + _LABEL + _GAP) - _GAP + _MARGIN // 2,
    )
    room = sheet.image.width - 2 * _MARGIN
    sheet.text(_MARGIN, _MARGIN - 4, caption.title, room, 20)
    sheet.text(_MARGIN, _MARGIN + 26, caption.detail, room, 14, FAINT)
    for index, (label, tile) in enumerate([*tiles, ("the whole picture", None)]):
        left = _MARGIN + index % cols * (cell[0] + _GAP)
        top = _MARGIN + _HEAD + index // cols * (cell[1] + _LABEL + _GAP)
        picture = view(whole, whole.shape[1], whole.shape[0]) if tile is None else tile
        sheet.paste(picture, left, top)
        sheet.text(left, top + picture.height + 7, label, cell[0], 15, FAINT if tile is None else INK)
    return sheet.pixels


def overview(pixels: NDArray[np.uint8], region: Region, side: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) with at most `side` pixels on its longer side and a frame around the region."""
    height, width = pixels.shape[:2]
    across, down = fitted(width, height, min(side, max(width, height)))
    sheet = Sheet(across, down)
    sheet.image.paste(view(pixels, across, down), (0, 0))
    box = (
        region.left * across // width - 1,
        region.top * down // height - 1,
        -(-(region.left + region.width) * across // width) + 1,
        -(-(region.top + region.height) * down // height) + 1,
    )
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], across), min(box[3], down)
    sheet.frame((left, top, right, bottom), (255, 255, 255), 4)
    sheet.frame((left, top, right, bottom), ACCENT, 2)
    return sheet.pixels
