"""3×3 convolutions with a quarter of the multiplications: Winograd's F(4×4, 3×3), as products of matrices.

    features ─> tiles of 6×6 at every 4th pixel ─> Bᵀ d B ─┐
    kernels ─────────────────────────────────────> G g Gᵀ ─┴─> product over the channels at each of the 36 places
                                                               ─> Aᵀ m A ─> 4×4 pixels of each tile

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), Sec. 4.3. Results differ from those of a
direct convolution by rounding, in float32 by less than 2e-5 of the largest (`tests/engine/test_winograd.py`).
"""

import threading
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.machine import multiplies_512_bits

_STEP, _TILE = 4, 6  # pixels from one tile to the next, and of a tile's side
_PLACES = _TILE * _TILE
# Below these, the transforms take longer than what they save (`tools/speed_winograd.py`).
_LEAST_CHANNELS, _LEAST_TILES = 32, 36
_LEAST_CHANNELS_512 = 128  # if 512 bits are multiplied at once
_MOST_SAMPLES = 1 << 19  # of transformed tiles at once, so that they stay in a core's cache

# Bᵀ, G and Aᵀ for the points 0, 1, −1, 2, −2 and infinity.
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Matrices:
    """The transforms, float32 on the CPU whatever the caller's defaults are."""

    input: Tensor  # (6, 6): Bᵀ
    output: Tensor  # (4, 6): Aᵀ
    kernel: Tensor  # (36, 9): both sides of G g Gᵀ; a place's column comes before its row, as in `convolve`


@cache
def _matrices() -> _Matrices:
    # Not as inference tensors, even if the first caller is in inference mode: they are kept for later ones.
    with torch.inference_mode(False):
        given, kernel, output = (
            torch.tensor(rows, dtype=torch.float32, device="cpu") for rows in (_INPUT, _KERNEL, _OUTPUT)
        )
        both = torch.einsum("yr,xc->xyrc", kernel, kernel).reshape(_PLACES, 9)
    return _Matrices(given, output, both)


def suits(out_channels: int, in_channels: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this is faster for such a layer, if windows are large enough.

    The transforms move four times the numbers of a window. If 512-bit products take no longer than others, a direct
    convolution of few channels takes less time than moving them.
    """
    if device.type != "cpu" or dtype != torch.float32:
        return False
    least = _LEAST_CHANNELS_512 if multiplies_512_bits() else _LEAST_CHANNELS
    return min(in_channels, out_channels) >= least


def is_large(features: Tensor) -> bool:
    """Whether features (1, C, H + 2, W + 2) are so many that transforming a window's kernels pays."""
    height, width = features.shape[2] - 2, features.shape[3] - 2
    return -(-height // _STEP) * -(-width // _STEP) >= _LEAST_TILES


def transformed(kernels: Tensor) -> Tensor:
    """Kernels (O, 9, C), their places in row-major order -> (36, C, O)."""
    return torch.matmul(_matrices().kernel, kernels).permute(1, 2, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Views in which rows of tiles are convolved. Each step reads one of two pieces of memory and writes the other.

    first:  bands ── Bᵀ ──> upright      places     ──┐    upright_out ──> Aᵀ ──┐
    second:                 └> columns ── Bᵀ ┘        └> products ── Aᵀ ┘       └> pixels
    """

    first: int  # row of tiles
    count: int
    upright: Tensor  # (rows, 6, wide · C): Bᵀ d
    tiles: Tensor  # (6, 6, rows, cols, C): the same, columns of tiles first; they overlap
    columns: Tensor  # (6, 6, rows, cols, C)
    flat_columns: Tensor  # (6, 6 · rows · cols · C)
    places: Tensor  # (6, 6 · rows · cols · C): Bᵀ d B
    by_place: Tensor  # (36, rows · cols, C)
    products: Tensor  # (36, rows · cols, O)
    flat_products: Tensor  # (6, 6 · rows · cols · O)
    upright_out: Tensor  # (4, 6 · rows · cols · O)
    by_column: Tensor  # (4, 6, rows · cols · O)
    turned: Tensor  # (4, 4, rows · cols · O): Aᵀ m A, column and row in a tile first
    pixels: Tensor  # (rows, 4, cols, 4, O)
    matrices: _Matrices
    in_matrix: Tensor  # (rows, 6, 6): Bᵀ for every row
    out_matrix: Tensor  # (4, 4, 6): Aᵀ for every column in a tile

    @classmethod
    def of(
        cls, first: int, rows: int, cols: int, channels: int, out_channels: int, memory: tuple[Tensor, Tensor]
    ) -> "_Rows":
        """The views of two pieces of memory that are large enough."""
        matrices = _matrices()
        one, other = memory
        wide, tiles = (_STEP * cols + 2) * channels, rows * cols
        upright = one[: rows * _TILE * wide].view(rows, _TILE, wide)
        columns = other[: _PLACES * tiles * channels]
        places = one[: _PLACES * tiles * channels]
        products = other[: _PLACES * tiles * out_channels]
        upright_out = one[: _STEP * _TILE * tiles * out_channels]
        turned = other[: _STEP * _STEP * tiles * out_channels]
        return cls(
            first,
            rows,
            upright=upright,
            tiles=upright.as_strided(
                (_TILE, _TILE, rows, cols, channels), (channels, wide, _TILE * wide, _STEP * channels, 1)
            ),
            columns=columns.view(_TILE, _TILE, rows, cols, channels),
            flat_columns=columns.view(_TILE, -1),
            places=places.view(_TILE, -1),
            by_place=places.view(_PLACES, tiles, channels),
            products=products.view(_PLACES, tiles, out_channels),
            flat_products=products.view(_TILE, -1),
            upright_out=upright_out.view(_STEP, -1),
            by_column=upright_out.view(_STEP, _TILE, -1),
            turned=turned.view(_STEP, _STEP, -1),
            pixels=turned.view(_STEP, _STEP, rows, cols, out_channels).permute(2, 1, 3, 0, 4),
            matrices=matrices,
            in_matrix=matrices.input.expand(rows, -1, -1),
            out_matrix=matrices.output.expand(_STEP, -1, -1),
        )

    def convolve(self, pixels: Tensor, kernels: Tensor, bias: Tensor, out: Tensor) -> None:
        """pixels (4 · all rows + 2, 4 · cols + 2, C) -> these rows of out (all rows, 4, cols, 4, O)."""
        line = pixels.stride(0)
        shape, strides = (self.count, _TILE, self.upright.shape[2]), (_STEP * line, line, 1)
        start = pixels.storage_offset() + self.first * _STEP * line
        torch.bmm(self.in_matrix, pixels.as_strided(shape, strides, start), out=self.upright)
        self.columns.copy_(self.tiles)
        torch.mm(self.matrices.input, self.flat_columns, out=self.places)
        torch.bmm(self.by_place, kernels, out=self.products)
        torch.mm(self.matrices.output, self.flat_products, out=self.upright_out)
        torch.bmm(self.out_matrix, self.by_column, out=self.turned)
        torch.add(self.pixels, bias, out=out[self.first : self.first + self.count])


class Workspace(threading.local):
    """Memory for the steps of a convolution, for each thread its own, with views of it, made once for a shape.

    Every call of PyTorch takes Python's global interpreter lock, so threads wait for each other there. Made anew for
    every window, views would be most of the calls.
    """

    def __init__(self) -> None:
        self._memory = _new(_MOST_SAMPLES)
        self._parts: dict[tuple[int, int, int, int], list[_Rows]] = {}

    def parts(self, rows: int, cols: int, channels: int, out_channels: int) -> list[_Rows]:
        """All rows of tiles of a window in parts of about equally many."""
        shape = (rows, cols, channels, out_channels)
        if shape not in self._parts:
            self._parts[shape] = self._made(*shape)
        return self._parts[shape]

    def _made(self, rows: int, cols: int, channels: int, out_channels: int) -> list[_Rows]:
        samples = _PLACES * cols * max(channels, out_channels)  # of a row of tiles
        few = -(-rows // min(rows, -(-rows * samples // _MOST_SAMPLES)))
        if few * samples > self._memory.shape[1]:
            self._memory = _new(few * samples)
        one, other = self._memory
        return [
            _Rows.of(first, min(few, rows - first), cols, channels, out_channels, (one, other))
            for first in range(0, rows, few)
        ]


def _new(samples: int) -> Tensor:
    return torch.empty(2, samples, dtype=torch.float32, device="cpu")


def convolve(features: Tensor, kernels: Tensor, bias: Tensor, workspace: Workspace) -> Tensor:
    """A 3×3 convolution of one window.

    Args:
        features: (1, C, H + 2, W + 2) float32, channels last; the halo is consumed.
        kernels: (36, C, O), as `transformed` made them.
        bias: (O,).
        workspace: memory for intermediate results.

    Returns:
        (1, O, H, W), channels last.
    """
    channels, out_channels = kernels.shape[1:]
    height, width = features.shape[2] - 2, features.shape[3] - 2
    rows, cols = -(-height // _STEP), -(-width // _STEP)
    pixels = _whole_tiles(features, rows, cols)
    out = features.new_empty(rows, _STEP, cols, _STEP, out_channels)
    for part in workspace.parts(rows, cols, channels, out_channels):
        part.convolve(pixels, kernels, bias, out)
    whole = out.view(1, rows * _STEP, cols * _STEP, out_channels).permute(0, 3, 1, 2)
    return whole if whole.shape[2:] == (height, width) else whole[:, :, :height, :width]


def _whole_tiles(features: Tensor, rows: int, cols: int) -> Tensor:
    """(1, C, H + 2, W + 2) -> (4 · rows + 2, 4 · cols + 2, C), rows contiguous, filled up with zeros."""
    pixels = features[0].permute(1, 2, 0)
    below = rows * _STEP + 2 - pixels.shape[0]
    beside = cols * _STEP + 2 - pixels.shape[1]
    if below or beside or pixels.stride()[1:] != (pixels.shape[2], 1):
        return F.pad(pixels, (0, 0, 0, beside, 0, below)).contiguous()
    return pixels
