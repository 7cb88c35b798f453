"""The selection grid: which pixels of a picture share a kernel, and what is computed together.

window 0 ┌──────────┐┌─────┐ window 1        A window is P×P pixels; the last one of a row or column is what is
         │          ││     │                 left of the picture. Features lie in strips with a rim: one for each
         │          ││     │                 column of windows, so that a window and its rim are contiguous, or a
         └──────────┘└─────┘                 single one for the whole picture. The rim is a copy of what lies across
window 2 ┌──────────┐┌─────┐ window 3        the strip's border, and zero outside the picture, where a training
         └──────────┘└─────┘                 patch's border has zeros too.
         strip 0     strip 1
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Strips = list[Tensor]  # each (1, C, rim + H + rim, rim + width + rim), channels last


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of whole windows or one partial window, within one strip: what one convolution computes."""

    top: int
    left: int
    height: int
    width: int
    first: int  # its windows in row-major order are first … first + rows · cols − 1
    rows: int = 1
    cols: int = 1
    strip: int = 0
    inset: int = 0  # columns of its strip to the left of it

    @property
    def windows(self) -> slice:
        """Its windows among all of the grid."""
        return slice(self.first, self.first + self.rows * self.cols)

    def of(self, strips: Strips, rim: int, halo: int = 0) -> Tensor:
        """View of this area, and of `halo` ≤ `rim` pixels around it."""
        top, left = self.top + rim - halo, self.inset + rim - halo
        return strips[self.strip][
            :, :, top : top + self.height + 2 * halo, left : left + self.width + 2 * halo
        ]

    def views(self, strips: Strips) -> "Views":
        """This area in strips with a rim of one pixel."""
        own, borders = strips[self.strip], []
        rows = slice(self.top + 1, self.top + 1 + self.height)
        if self.strip > 0:
            borders.append((strips[self.strip - 1][:, :, rows, -1], own[:, :, rows, 1]))
        if self.strip + 1 < len(strips):
            borders.append((strips[self.strip + 1][:, :, rows, 0], own[:, :, rows, -2]))
        return Views(self, self.of(strips, 1), self.of(strips, 1, halo=1), tuple(borders))


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """An area's features where they lie; made once, since making views takes longer than small operations."""

    area: Area
    inside: Tensor  # (1, C, height, width)
    around: Tensor  # (1, C, height + 2, width + 2)
    borders: tuple[tuple[Tensor, Tensor], ...]
    """Columns of neighbouring strips' rims, each with the same pixels of the area."""

    def show_neighbours(self) -> None:
        """Copy the outermost columns of the area into the rims of the strips beside it.

        Rims above and below are rows of the same strip, and corners belong to the areas there.
        """
        for rim, column in self.borders:
            rim.copy_(column)


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

    def single(self) -> list[Area]:
        """Every window by itself, no pixel of it outside the picture."""
        side = self.window
        return [
            Area(
                row * side,
                col * side,
                min(side, self.height - row * side),
                min(side, self.width - col * side),
                row * self.cols + col,
                strip=col,
            )
            for row in range(self.rows)
            for col in range(self.cols)
        ]

    def batches(self, size: int) -> list[Area]:
        """Rectangles of up to `size` whole windows, also where a window reaches beyond the picture."""
        side, high, wide = self.window, max(1, min(self.rows, size // self.cols)), min(self.cols, size)
        areas = []
        for row in range(0, self.rows, high):
            for col in range(0, self.cols, wide):
                rows, cols = min(high, self.rows - row), min(wide, self.cols - col)
                first = row * self.cols + col
                top, left = row * side, col * side
                areas.append(Area(top, left, rows * side, cols * side, first, rows, cols, inset=left))
        return areas

    def pixels(self, device: torch.device) -> Tensor:
        """How many pixels of the picture each window has: (M, 1) float32."""
        side = torch.tensor(float(self.window), device=device)
        high = torch.arange(self.height, 0, -self.window, device=device).minimum(side)
        wide = torch.arange(self.width, 0, -self.window, device=device).minimum(side)
        return (high[:, None] * wide).reshape(-1, 1)

    def strips(self, channels: int, rim: int, like: Tensor, *, whole: bool) -> Strips:
        """Zeroed strips of the device and type of `like`, for the areas of `single`.

        With `whole` a single one for those of `batches`, extended to whole windows.
        """
        high = self.rows * self.window if whole else self.height
        widths = [min(self.window, self.width - left) for left in range(0, self.width, self.window)]
        return [
            torch.zeros(
                1, high + 2 * rim, wide + 2 * rim, channels, device=like.device, dtype=like.dtype
            ).permute(0, 3, 1, 2)
            for wide in ([self.cols * self.window] if whole else widths)
        ]

    def fill(self, strips: Strips, rim: int, x: Tensor) -> None:
        """Copy (C, height, width) into strips, rims included."""
        padded = F.pad(x, (rim, rim, rim, rim))
        left = 0
        for strip in strips:
            wide = min(strip.shape[3], padded.shape[2] - left)
            strip[0, :, : padded.shape[1], :wide] = padded[:, :, left : left + wide]
            left += self.window

    def clear_outside(self, out: Tensor, area: Area) -> None:
        """Zero what an area's features (…, height, width) hold outside the picture, in place."""
        if area.top + area.height > self.height:
            out[..., self.height - area.top :, :].zero_()
        if area.left + area.width > self.width:
            out[..., self.width - area.left :].zero_()
