"""JPEG compression of training patches on their device, with the result of libjpeg's encoder and decoder.

    RGB -> YCbCr -> chroma halved? -> 8×8 DCT -> divided, rounded, multiplied -> inverse DCT -> chroma doubled? -> RGB

Computed in integers with the same fixed-point precision and rounding as in libjpeg's accurate integer transforms, so
that the result is the same to the last bit. Entropy coding is left out, since it is lossless. There is no gradient.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.imaging.jpeg.tables import standard_table

_BLOCK = 8
_DCT_BITS = 13  # fraction bits of the cosines
_ROW_BITS = 2  # fraction bits that are kept after the first of a transform's two passes
# √8 times the orthonormal cosines, frequencies by the first four samples. libjpeg factors the transform, so some of its
# products differ in the last bit from the nearest integer.
_COSINES = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
_COLOR_BITS = 16
# JFIF 1.02: rows give Y, Cb, Cr from R, G, B, and R, G, B from Cb, Cr.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.16874, -0.33126, 0.5), (0.5, -0.41869, -0.08131))
_FROM_CHROMA = ((0.0, 1.402), (-0.34414, -0.71414), (1.772, 0.0))


@dataclass(frozen=True, slots=True)
class JpegCoder:
    """The tables of every quality and the transforms, on one device."""

    tables: Tensor  # (2, 100, 8, 8) int32: luma and chroma at qualities 1…100
    cosines: Tensor  # (8, 8) int32: frequencies by samples
    to_ycc: Tensor  # (3, 3) int32
    from_chroma: Tensor  # (3, 2) int32

    @classmethod
    def on(cls, device: torch.device) -> "JpegCoder":
        """A coder for patches on `device`."""
        tables = [[standard_table(q, chroma=chroma) for q in range(1, 101)] for chroma in (False, True)]
        half = np.array(_COSINES)
        mirrored = half[:, ::-1] * np.where(np.arange(_BLOCK) % 2, -1, 1)[:, None]

        def whole(numbers: object, bits: int) -> Tensor:
            return torch.from_numpy(np.rint(np.array(numbers) * 2.0**bits).astype(np.int32)).to(device)

        return cls(
            whole(tables, 0),
            whole(np.hstack((half, mirrored)), 0),
            whole(_TO_YCC, _COLOR_BITS),
            whole(_FROM_CHROMA, _COLOR_BITS),
        )

    def recompress(self, pixels: Tensor, qualities: Tensor, halved: Tensor) -> Tensor:
        """Patches after one JPEG compression.

        Args:
            pixels: (B, C, H, W) uint8, C 1 or 3.
            qualities: (B,) int64 in 1…100, for libjpeg's standard tables.
            halved: (B,) bool, whether chroma is stored at half the width and height (4:2:0, else 4:4:4).

        Returns:
            (B, C, H, W) uint8.
        """
        luma_table, chroma_table = self.tables[:, qualities - 1]  # (B, 8, 8)
        image = pixels.int()
        if pixels.shape[1] == 1:
            return self._coded(image, luma_table).to(torch.uint8)
        ycc = self._to_ycc(image)
        chroma = ycc[:, 1:]
        small = _doubled(self._coded(_halved(chroma), chroma_table), *image.shape[2:])
        chosen = torch.where(halved[:, None, None, None], small, self._coded(chroma, chroma_table))
        return self._to_rgb(self._coded(ycc[:, :1], luma_table), chosen).to(torch.uint8)

    def _coded(self, planes: Tensor, table: Tensor) -> Tensor:
        """Planes (B, C, H, W) in 0…255 after quantization in blocks, with a table (B, 8, 8) for each patch."""
        count, channels, height, width = planes.shape
        padded = _padded(planes, 0, -width % _BLOCK, 0, -height % _BLOCK) - 128
        rows, cols = padded.shape[2] // _BLOCK, padded.shape[3] // _BLOCK
        blocks = padded.view(count, channels, rows, _BLOCK, cols, _BLOCK).permute(0, 1, 2, 4, 3, 5)
        first, second = _DCT_BITS - _ROW_BITS, _DCT_BITS + _ROW_BITS
        across = _descaled(_product(blocks, self.cosines), first)
        # 8 times the coefficients of the standard.
        coefficients = _descaled(_product(across.mT, self.cosines), second).mT
        steps = table[:, None, None, None]
        levels = (coefficients.abs() + 4 * steps) // (8 * steps) * coefficients.sign() * steps
        down = _descaled(_product(levels.mT, self.cosines.T), first).mT
        back = (_descaled(_product(down, self.cosines.T), second + 3) + 128).clamp(0, 255)
        return back.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)[:, :, :height, :width]

    def _to_ycc(self, rgb: Tensor) -> Tensor:
        ycc = _product(rgb.permute(0, 2, 3, 1), self.to_ycc).permute(0, 3, 1, 2)
        half = 1 << (_COLOR_BITS - 1)
        luma = (ycc[:, :1] + half) >> _COLOR_BITS
        chroma = ((ycc[:, 1:] + half - 1) >> _COLOR_BITS) + 128
        return torch.cat((luma, chroma), dim=1)

    def _to_rgb(self, luma: Tensor, chroma: Tensor) -> Tensor:
        added = _product((chroma - 128).permute(0, 2, 3, 1), self.from_chroma).permute(0, 3, 1, 2)
        return (luma + _descaled(added, _COLOR_BITS)).clamp(0, 255)


def _product(numbers: Tensor, matrix: Tensor) -> Tensor:
    """The matrix (N, M) applied to the last axis: (…, M) -> (…, N). CUDA has no integer matrix product."""
    return (numbers.unsqueeze(-2) * matrix).sum(dim=-1, dtype=torch.int32)


def _descaled(numbers: Tensor, bits: int) -> Tensor:
    """The numbers divided by 2 to the power of `bits`, rounded to the nearest."""
    return (numbers + (1 << (bits - 1))) >> bits


def _padded(planes: Tensor, *sides: int) -> Tensor:
    """Planes padded with repeated edge samples; `sides` are left, right, above, below."""
    return F.pad(planes.float(), sides, mode="replicate").int()  # exact: they are far below 2²⁴


def _halved(planes: Tensor) -> Tensor:
    """Means of 2×2 samples, after padding the width to whole blocks; as in libjpeg, every other column rounds up."""
    height, width = planes.shape[2:]
    even = _padded(planes, 0, -width % (2 * _BLOCK), 0, height % 2)
    total = even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    bias = 1 + torch.arange(total.shape[3], device=planes.device, dtype=torch.int32) % 2
    return (total + bias) >> 2


def _doubled(planes: Tensor, height: int, width: int) -> Tensor:
    """(B, C, height, width) by libjpeg's "fancy" filter: 3/4 of the nearer sample and 1/4 of the next, on both axes."""
    planes = planes[:, :, : (height + 1) // 2, : (width + 1) // 2]
    count, channels, rows, cols = planes.shape
    padded = _padded(planes, 0, 0, 1, 1)
    middle = 3 * padded[:, :, 1:-1]
    tall = torch.stack((middle + padded[:, :, :-2], middle + padded[:, :, 2:]), dim=3)  # 4 times the value
    padded = _padded(tall.view(count, channels, 2 * rows, cols), 1, 1, 0, 0)
    middle = 3 * padded[..., 1:-1]
    left = (middle + padded[..., :-2] + 8) >> 4
    right = (middle + padded[..., 2:] + 7) >> 4
    wide = torch.stack((left, right), dim=4).view(count, channels, 2 * rows, 2 * cols)
    return wide[:, :, :height, :width]
