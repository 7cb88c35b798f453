"""Convolving every window with its own kernel as one operation of autograd, for training on a CPU.

With PyTorch's operations, each window costs a cut, a cast, a convolution and a join, each with its own gradient and
mostly in the slower memory order. Here only the convolutions remain, and a copy for windows with neighbors.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_LAST = torch.channels_last


def convolve_windows(x: Tensor, kernels: Tensor, biases: Tensor, window: int) -> Tensor:
    """A 3×3 convolution of every window, with a one-pixel halo and zeros outside the features.

    Args:
        x: features (B, C, H, W), of any size.
        kernels: (M, O, C, 3, 3); M = B · ⌈H/P⌉ · ⌈W/P⌉ windows in row-major order for each picture.
        biases: (M, O).
        window: side P of a window.

    Returns:
        (B, O, H, W), channels last, in autocast's type if it is enabled, else that of x. It can be differentiated once.
    """
    out: Tensor = _Convolved.apply(  # type: ignore[no-untyped-call]
        x.to(convolved_dtype(x)), kernels, biases, window
    )
    return out


def convolved_dtype(x: Tensor) -> torch.dtype:
    """The type in which a CPU convolves features x: autocast's if it is enabled, else their own."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def as_picture(x: Tensor) -> Tensor:
    """(C, H, W) -> (1, C, H, W), the same memory, with C·H·W as the stride of the batch dimension.

    With one picture in the batch that stride is never used to find a value. Yet unless it is C·H·W, PyTorch 2.13
    without oneDNN returns wrong kernel gradients for a grouped convolution of channels-last features.
    """
    return x.as_strided((1, *x.shape), (x.numel(), *x.stride()))


def gradients_of(
    gradient: Tensor,
    x: Tensor,
    kernels: Tensor,
    padding: int,
    groups: int = 1,
    *,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a convolution's features, kernels and biases; `wanted`: of features, and of the other two."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        x,
        kernels,
        bias_sizes=[len(kernels)],
        stride=[1, 1],
        padding=[padding, padding],
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=groups,
        output_mask=[wanted[0], wanted[1], wanted[1]],
    )
    return found


class _Convolved(torch.autograd.Function):
    """Convolutions are computed in x's type; kernels and biases, and the sums of their gradients, keep their own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor, biases: Tensor, window: int) -> Tensor:
        ctx.size, ctx.window, ctx.wide = x.shape[2:], window, kernels.dtype
        kernels, biases = kernels.to(x.dtype), biases.to(x.dtype)
        # A picture of a single window needs no halo: the convolution's own padding gives the same without a copy.
        ctx.padding = int(max(ctx.size) <= window)
        seen = (x if ctx.padding else F.pad(x, (1, 1, 1, 1))).contiguous(memory_format=_LAST)
        ctx.save_for_backward(seen, kernels)
        each = zip(_windows(seen, ctx, 1 - ctx.padding), kernels, biases, strict=True)
        parts = [F.conv2d(part, kernel, bias, padding=ctx.padding) for part, kernel, bias in each]
        if ctx.padding:
            return torch.cat(parts)
        out = torch.empty((len(x), kernels.shape[1], *ctx.size), dtype=x.dtype, memory_format=_LAST)
        for place, part in zip(_windows(out, ctx, 0), parts, strict=True):
            place.copy_(part)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        seen, kernels = ctx.saved_tensors
        whole = gradient.contiguous(memory_format=_LAST)
        each = zip(_windows(whole, ctx, 0), _windows(seen, ctx, 1 - ctx.padding), kernels, strict=True)
        found = [gradients_of(one, part, kernel, ctx.padding) for one, part, kernel in each]
        of_parts, of_kernels, of_biases = zip(*found, strict=True)
        if ctx.padding:
            of_features = torch.cat(of_parts)
        else:  # what windows see of their neighbors is added up
            padded = torch.zeros_like(seen)
            for place, of_part in zip(_windows(padded, ctx, 1), of_parts, strict=True):
                place.add_(of_part)
            of_features = padded[:, :, 1:-1, 1:-1]
        # Stacked and widened in the kernels' memory order, channels last.
        stacked = torch.stack([kernel.permute(0, 2, 3, 1) for kernel in of_kernels]).to(ctx.wide)
        return of_features, stacked.permute(0, 1, 4, 2, 3), torch.stack(of_biases).to(ctx.wide), None


def _windows(features: Tensor, ctx: Any, halo: int) -> Iterator[Tensor]:
    """Views (1, C, ≤ P + 2 · halo, ≤ P + 2 · halo) of the windows, each with its halo; features have such a rim."""
    (height, width), side = ctx.size, ctx.window
    for picture in torch.split(features, 1):
        for top in range(0, height, side):
            for left in range(0, width, side):
                bottom, right = min(top + side, height) + 2 * halo, min(left + side, width) + 2 * halo
                yield picture[:, :, top:bottom, left:right]
