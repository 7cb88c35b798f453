"""The selection grid: a picture as P×P windows that each carry a one-pixel halo of their neighbours.

window 0 ┌──────────┐┌──────────┐ window 1      stored as (M, C, P + 2, P + 2), row-major, channels last:
         │ ╔══════╗ ││ ╔══════╗ │               the inner P×P are a window's own features, the rim is a
         │ ║ own  ║<──> ║ own ║ │               copy of what lies across its border, and zero where
         │ ╚══════╝ ││ ╚══════╝ │               that is outside the grid
         └──────────┘└──────────┘
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Grid:
    """Selection windows of side `window` over a picture of height × width pixels."""

    height: int
    width: int
    window: int

    @property
    def rows(self) -> int:
        """Windows from top to bottom."""
        return -(-self.height // self.window)

    @property
    def cols(self) -> int:
        """Windows from left to right."""
        return -(-self.width // self.window)

    def __len__(self) -> int:
        """Number of windows [M]."""
        return self.rows * self.cols

    def pad(self, x: Tensor) -> Tensor:
        """(B, C, height, width) extended to whole windows by repeating its last row and column."""
        below, right = self.rows * self.window - self.height, self.cols * self.window - self.width
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def buffer(self, channels: int, like: Tensor) -> Tensor:
        """A zeroed buffer (M, channels, P + 2, P + 2), channels last, of the device and type of `like`."""
        side = self.window + 2
        blocks = torch.zeros(len(self), side, side, channels, device=like.device, dtype=like.dtype)
        return blocks.permute(0, 3, 1, 2)

    def cut(self, x: Tensor, halo: int) -> Tensor:
        """(1, C, H, W) of whole windows -> a view-like (rows, cols, C, P + 2·halo, P + 2·halo), zero outside."""
        side = self.window + 2 * halo
        padded = F.pad(x, (halo, halo, halo, halo))[0]
        return padded.unfold(1, side, self.window).unfold(2, side, self.window).permute(1, 2, 0, 3, 4)

    def exchange(self, buffer: Tensor) -> None:
        """Fill every halo from the neighbours' own features, in place; the rim of the grid stays zero."""
        last = self.window  # index of the last own row or column
        blocks = buffer.view(self.rows, self.cols, *buffer.shape[1:])
        blocks[1:, :, :, 0, 1:-1] = blocks[:-1, :, :, last, 1:-1]
        blocks[:-1, :, :, last + 1, 1:-1] = blocks[1:, :, :, 1, 1:-1]
        # Columns second and in full height: the corners come from the diagonal neighbours that way.
        blocks[:, 1:, :, :, 0] = blocks[:, :-1, :, :, last]
        blocks[:, :-1, :, :, last + 1] = blocks[:, 1:, :, :, 1]


def own(buffer: Tensor) -> Tensor:
    """The windows' own features (…, P, P) of a buffer (…, P + 2, P + 2), without the halo."""
    return buffer[..., 1:-1, 1:-1]
