"""The selection grid: which pixels of a picture share a kernel, and which windows are computed together.

window 0 ┌──────────┐┌─────┐ window 1        A window is P×P pixels; the last one of a row or column is what is
         │          ││     │                 left of the picture. Features lie in strips with a rim: one for each
         │          ││     │                 column of windows, so that a window and its rim are contiguous, or a
         └──────────┘└─────┘                 single one for the whole picture. The rim is a copy of what lies across
window 2 ┌──────────┐┌─────┐ window 3        the strip's border. Outside the picture it is zero, as around a patch in
         └──────────┘└─────┘                 training, or repeats the picture's outermost features.
         strip 0     strip 1

Columns of whole windows may be stacked: they share a strip, side by side in its channels, so that each place within a
window holds the features of all of them. A convolution with as many groups then computes a row of them at once.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.buffers import zeros

_LINE = 64  # values, which are whole cache lines in any type

Strips = list[Tensor]
"""Each (1, C, rim + H + rim, rim + width + rim), channels last, with the channels of all stacked windows as C."""

Border = tuple[Tensor, Tensor]
"""A part of a rim, and the part of an area to be copied there."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the features of a picture lie in memory, and how much of them one convolution computes."""

    device: torch.device
    dtype: torch.dtype
    batch: int | None = None
    """How many whole windows to compute at once; None: single ones, without what is outside the picture."""
    stacked: int = 1
    """Without `batch`: how many whole windows of a row to compute at once, side by side in the channels."""
    repeat: bool = False
    """Whether every layer sees its outermost features repeated around the picture, instead of zeros."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of whole windows or one partial window, within one strip: what one convolution computes."""

    top: int
    left: int
    height: int
    width: int  # of a single window if some are stacked
    rows: int = 1
    cols: int = 1
    strip: int = 0
    inset: int = 0  # columns of its strip to the left of it
    stacked: int = 1  # adjacent windows that lie side by side in the channels

    def __len__(self) -> int:
        """Number of its windows."""
        return self.rows * self.cols * self.stacked

    def of(self, strips: Strips, rim: int, halo: int = 0, *, wide: bool = False) -> Tensor:
        """View of this area, and of `halo` ≤ `rim` pixels around it; `wide` as the strips were made."""
        width = self.width * (self.stacked if wide else 1)
        top, left = self.top + rim - halo, self.inset + rim - halo
        return strips[self.strip][:, :, top : top + self.height + 2 * halo, left : left + width + 2 * halo]


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Views of an area's features; made once, since making views takes longer than small operations."""

    area: Area
    inside: Tensor  # (1, C, height, width)
    around: Tensor  # (1, C, height + 2, width + 2)
    borders: tuple[Border, ...]
    """In the order in which they are to be copied."""

    def copy_halos(self) -> None:
        """Copy the outermost pixels of the area into the rims around it; see `Grid.views`."""
        for rim, pixels in self.borders:
            rim.copy_(pixels)


@dataclass(frozen=True, slots=True)
class Grid:
    """Selection windows of side `window` over a picture of height × width pixels."""

    height: int
    width: int
    window: int

    @property
    def rows(self) -> int:
        """Windows from top to bottom, the last one perhaps partial."""
        return -(-self.height // self.window)

    @property
    def cols(self) -> int:
        """Windows from left to right, the last one perhaps partial."""
        return -(-self.width // self.window)

    def __len__(self) -> int:
        """Number of windows [M]."""
        return self.rows * self.cols

    def areas(self, layout: Layout) -> list[Area]:
        """The areas, each of which is computed together, in an order in which their windows are row-major."""
        return self.single(layout.stacked) if layout.batch is None else self.batches(layout.batch)

    def single(self, stacked: int = 1) -> list[Area]:
        """Every window, or up to `stacked` whole ones of a row together, without pixels outside the picture."""
        side = self.window
        return [
            Area(top, left, min(side, self.height - top), width, strip=strip, stacked=count)
            for top in range(0, self.height, side)
            for strip, (left, count, width) in enumerate(self._columns(stacked))
        ]

    def _columns(self, stacked: int) -> list[tuple[int, int, int]]:
        """Left border, number and width of the windows of each strip; a partial window is alone."""
        side, whole = self.window, self.width // self.window
        strips = -(-whole // stacked)
        borders = [whole * strip // strips for strip in range(strips)] + [whole]  # about equally many in each
        found = [(side * first, last - first, side) for first, last in pairwise(borders)]
        return found + ([(side * whole, 1, self.width % side)] if self.width % side else [])

    def batches(self, size: int) -> list[Area]:
        """Rectangles of up to `size` whole windows, even where windows reach beyond the picture."""
        side, high, wide = self.window, max(1, min(self.rows, size // self.cols)), min(self.cols, size)
        areas = []
        for row in range(0, self.rows, high):
            for col in range(0, self.cols, wide):
                rows, cols = min(high, self.rows - row), min(wide, self.cols - col)
                left = col * side
                areas.append(Area(row * side, left, rows * side, cols * side, rows, cols, inset=left))
        return areas

    def views(self, area: Area, strips: Strips, *, repeat: bool = False) -> Views:
        """An area in strips with a rim of one pixel.

        Its outermost columns are copied into the rims of the adjacent strips; the rims above and below are rows of the
        same strip, and corners are copied by the areas there. With `repeat`, the rim outside the picture gets the
        picture's outermost pixels. No two areas write to the same place.
        """
        own = strips[area.strip]
        above, below = area.top == 0, area.top + area.height >= self.height
        first, end = area.top + 1, 1 + min(area.top + area.height, self.height)
        rows = slice(first - (repeat and above), end + (repeat and below))
        borders = self._repeated(own, area, rows) if repeat else []
        borders += _shown(strips, area, rows)
        return Views(area, area.of(strips, 1), area.of(strips, 1, halo=1), tuple(borders))

    def _repeated(self, own: Tensor, area: Area, rows: slice) -> list[Border]:
        """Copies at the border of the picture. Rows come first: the columns repeat their ends as corners."""
        channels = own.shape[1] // area.stacked
        first, last = own[:, :channels], own[:, -channels:]
        left, right = area.inset + 1, area.inset + 1 + min(area.width, self.width - area.left)
        borders = []
        if area.top == 0:
            borders.append((own[:, :, 0, left:right], own[:, :, 1, left:right]))
        if area.top + area.height >= self.height:
            bottom = self.height + 1
            borders.append((own[:, :, bottom, left:right], own[:, :, bottom - 1, left:right]))
        if area.left == 0:
            borders.append((first[:, :, rows, 0], first[:, :, rows, 1]))
        if area.left + area.stacked * area.width >= self.width:
            borders.append((last[:, :, rows, right], last[:, :, rows, right - 1]))
        return borders

    def pixels(self, device: torch.device) -> Tensor:
        """How many pixels of the picture each window has: (M, 1) float32."""
        side = torch.tensor(self.window, dtype=torch.float32, device=device)
        high = torch.arange(self.height, 0, -self.window, device=device).minimum(side)
        wide = torch.arange(self.width, 0, -self.window, device=device).minimum(side)
        return (high[:, None] * wide).reshape(-1, 1)

    def strips(
        self, channels: int, rim: int, layout: Layout, dtype: torch.dtype, *, wide: bool = False
    ) -> Strips:
        """Zeroed strips of this number type for the areas of a layout.

        `wide`: a strip holds no stacked windows, but the part of the picture that they cover.
        """
        whole = layout.batch is not None
        high = self.rows * self.window if whole else self.height
        columns = [(0, 1, self.cols * self.window)] if whole else self._columns(layout.stacked)
        shapes = []
        for _, count, width in columns:
            across, deep = (count * width, channels) if wide else (width, count * channels)
            shapes.append((1, high + 2 * rim, across + 2 * rim, deep))
        # In one piece, so that once freed it has room for anything of that size. Each begins at a cache line.
        sizes = [-(-prod(shape) // _LINE) * _LINE for shape in shapes]
        pieces = zeros(sum(sizes), layout.device, dtype).split_with_sizes(sizes)
        return [
            piece[: prod(shape)].view(shape).permute(0, 3, 1, 2)
            for piece, shape in zip(pieces, shapes, strict=True)
        ]

    def fill(
        self, strips: Strips, rim: int, x: Tensor, level: Tensor | None = None, *, repeat: bool = False
    ) -> None:
        """Copy (C, height, width), centered on 0, into wide strips and their rims, with maps of `level` behind it.

        One strip after the other, so that no copy of the picture is needed. `repeat` as for `views`.
        """
        left = 0
        for strip in strips:
            before, after = max(0, rim - left), min(left + strip.shape[3], self.width + 2 * rim) - left
            seen = slice(max(0, left - rim), min(self.width, left + strip.shape[3] - rim))
            part = x[None, :, :, seen].to(strip) - 0.5
            if level is not None:
                maps = level.to(strip)[None, :, None, None].expand(-1, -1, *part.shape[2:])
                part = torch.cat((part, maps), dim=1)
            beside = (before, after - before - part.shape[3])
            part = F.pad(part, (*beside, rim, rim), mode="replicate" if repeat else "constant")
            strip[:, :, : part.shape[2], :after] = part
            left += strip.shape[3] - 2 * rim

    def clear_outside(self, out: Tensor, area: Area) -> None:
        """Zero what an area's features (…, height, width) hold outside the picture, in place."""
        if area.top + area.height > self.height:
            out[..., self.height - area.top :, :].zero_()
        if area.left + area.width > self.width:
            out[..., self.width - area.left :].zero_()


def _shown(strips: Strips, area: Area, rows: slice) -> list[Border]:
    """What windows adjacent to an area's see of it: those stacked with them, and those in the adjacent strips."""
    own = strips[area.strip]
    channels = own.shape[1] // area.stacked
    borders = []
    if area.stacked > 1:
        borders.append((own[:, channels:, rows, 0], own[:, :-channels, rows, -2]))
        borders.append((own[:, :-channels, rows, -1], own[:, channels:, rows, 1]))
    if area.strip > 0:
        borders.append((strips[area.strip - 1][:, -channels:, rows, -1], own[:, :channels, rows, 1]))
    if area.strip + 1 < len(strips):
        borders.append((strips[area.strip + 1][:, :channels, rows, 0], own[:, -channels:, rows, -2]))
    return borders
