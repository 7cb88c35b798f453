"""3×3 convolutions with a quarter of the multiplications: Winograd's F(4×4, 3×3), as products of matrices.

    features ─> tiles of 6×6 at every 4th pixel ─> Bᵀ d B ─┐
    kernels ─────────────────────────────────────> G g Gᵀ ─┴─> product over the channels at each of the 36 places
                                                               ─> Aᵀ m A ─> 4×4 pixels of each tile

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), Sec. 4.3. Results differ from those of a
direct convolution by rounding, in float32 by less than 2e-5 of the largest (`tests/engine/test_winograd.py`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_STEP, _TILE = 4, 6  # pixels from one tile to the next, and of a tile's side
_PLACES = _TILE * _TILE
# Below these, the transforms take longer than what they save (`tools/speed_winograd.py`).
_LEAST_CHANNELS, _LEAST_TILES = 48, 36

# Bᵀ, G and Aᵀ for the points 0, 1, −1, 2, −2 and infinity.
_INPUT = torch.tensor(
    [
        [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
        [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
        [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
        [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
        [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
        [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
    ]
)
_KERNEL = torch.tensor(
    [
        [1 / 4, 0.0, 0.0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0.0, 0.0, 1.0],
    ]
)
_OUTPUT = torch.tensor(
    [
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
        [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
        [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
    ]
)
# Both sides of G g Gᵀ at once; a place's column comes before its row, as in `convolve`.
_KERNEL_BOTH = torch.einsum("yr,xc->xyrc", _KERNEL, _KERNEL).reshape(_PLACES, 9)


def suits(out_channels: int, in_channels: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this is the faster way for such a layer, of windows that are large enough."""
    return (
        device.type == "cpu" and dtype == torch.float32 and min(in_channels, out_channels) >= _LEAST_CHANNELS
    )


def is_large(features: Tensor) -> bool:
    """Whether features (1, C, H + 2, W + 2) are so many that transforming the kernels of a window pays."""
    height, width = features.shape[2] - 2, features.shape[3] - 2
    return -(-height // _STEP) * -(-width // _STEP) >= _LEAST_TILES


def transformed(kernels: Tensor) -> Tensor:
    """Kernels (O, 9, C), their places in row-major order -> (36, C, O)."""
    return torch.matmul(_KERNEL_BOTH, kernels).permute(1, 2, 0)


def convolve(features: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """A 3×3 convolution of one window.

    Args:
        features: (1, C, H + 2, W + 2) float32, channels last; the halo is consumed.
        kernels: (36, C, O), as `transformed` made them.
        bias: (O,).

    Returns:
        (1, O, H, W), channels last.
    """
    channels, out_channels = kernels.shape[1:]
    height, width = features.shape[2] - 2, features.shape[3] - 2
    rows, cols = -(-height // _STEP), -(-width // _STEP)
    places = _transformed_tiles(_whole_tiles(features, rows, cols), rows, cols)
    products = torch.bmm(places.view(_PLACES, rows * cols, channels), kernels)
    upright = torch.mm(_OUTPUT, products.view(_TILE, -1)).view(_STEP, _TILE, -1)
    pixels = torch.bmm(_OUTPUT.expand(_STEP, -1, -1), upright)
    pixels = pixels.view(_STEP, _STEP, rows, cols, out_channels)  # column and row in a tile, then the tile
    out = features.new_empty(rows, _STEP, cols, _STEP, out_channels)
    torch.add(pixels.permute(2, 1, 3, 0, 4), bias, out=out)
    whole = out.view(1, rows * _STEP, cols * _STEP, out_channels)
    return whole[:, :height, :width].permute(0, 3, 1, 2)


def _whole_tiles(features: Tensor, rows: int, cols: int) -> Tensor:
    """(1, C, H + 2, W + 2) -> (4 · rows + 2, 4 · cols + 2, C), zeros beyond; pixels of a row lie side by side."""
    pixels = features[0].permute(1, 2, 0)
    below = rows * _STEP + 2 - pixels.shape[0]
    beside = cols * _STEP + 2 - pixels.shape[1]
    if below or beside or pixels.stride()[1:] != (pixels.shape[2], 1):
        return F.pad(pixels, (0, 0, 0, beside, 0, below)).contiguous()
    return pixels


def _transformed_tiles(pixels: Tensor, rows: int, cols: int) -> Tensor:
    """(4 · rows + 2, 4 · cols + 2, C) -> Bᵀ d B of every tile: (6, 6 · rows · cols · C), columns of places first."""
    _, wide, channels = pixels.shape
    line = pixels.stride(0)
    bands = pixels.as_strided((rows, _TILE, wide * channels), (_STEP * line, line, 1))
    upright = torch.bmm(_INPUT.expand(rows, -1, -1), bands)  # (rows, 6, wide · C)
    tiles = upright.as_strided(
        (_TILE, _TILE, rows, cols, channels),
        (channels, wide * channels, _TILE * wide * channels, _STEP * channels, 1),
    )
    return torch.mm(_INPUT, tiles.reshape(_TILE, -1))
