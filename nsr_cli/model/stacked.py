"""Stacked windows, side by side in the channels: one grouped convolution serves them all, for training on a CPU.

Features of whole windows lie in memory as (P, P, R, S, B, C): each place within a window holds the channels of every
window of R rows, S columns and B pictures, as a channels-last convolution with R·S·B groups reads them. Their shape is
(R, S, B, C, P, P). Elementwise operations work on them unchanged; for convolutions, windows with neighbors get a halo.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsr_cli.model.window_conv import as_picture, convolved_dtype, gradients_of

# Windows from this side on: oneDNN computes the kernels' gradients faster one group at a time than all at once.
_LARGE = 40


def fits(x: Tensor, window: int) -> bool:
    """Whether features (B, C, H, W) are made of whole windows."""
    return x.shape[2] % window == 0 and x.shape[3] % window == 0


def stacked(x: Tensor, window: int) -> Tensor:
    """(B, C, R·P, S·P) -> (R, S, B, C, P, P)."""
    batch, channels, height, width = x.shape
    cut = x.view(batch, channels, height // window, window, width // window, window)
    return cut.permute(3, 5, 2, 4, 0, 1).contiguous().permute(2, 3, 4, 5, 0, 1)


def unstacked(x: Tensor) -> Tensor:
    """Inverse of `stacked`, channels last."""
    out: Tensor = _Unstacked.apply(x)  # type: ignore[no-untyped-call]
    return out


class _Unstacked(torch.autograd.Function):
    """`unstacked` with gradients in the order of stacked windows, so that no layer has to reorder them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows, columns, batch, channels, ctx.window, _ = x.shape
        placed = x.permute(2, 0, 4, 1, 5, 3).reshape(batch, rows * ctx.window, columns * ctx.window, channels)
        return placed.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return stacked(gradient, ctx.window)


def means_of(x: Tensor) -> Tensor:
    """Mean features (R · S · B, C) of stacked windows, in at least single precision."""
    sums = x.sum(dim=(4, 5)).flatten(0, 2)
    return sums.to(torch.promote_types(x.dtype, torch.float32)) / (x.shape[4] * x.shape[5])


def convolve_stacked(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    """A 3×3 convolution of every window, with a one-pixel halo and zeros outside the pictures.

    Args:
        x: features (R, S, B, C, P, P).
        kernels: (R · S · B, O, C, 3, 3), channels last.
        biases: (R · S · B, O).

    Returns:
        (R, S, B, O, P, P) in autocast's type if it is enabled, else that of x. It can be differentiated once.
    """
    dtype = convolved_dtype(x)
    out: Tensor = _Convolved.apply(x.to(dtype), kernels.to(dtype), biases.to(dtype))  # type: ignore[no-untyped-call]
    return out


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
        # Windows without neighbors need no halo: the convolution's own padding gives the same without a copy.
        ctx.padding = int(x.shape[0] == x.shape[1] == 1)
        seen = x if ctx.padding else _with_halo(x)
        ctx.save_for_backward(seen, kernels)
        groups, channels = biases.shape
        flat = F.conv2d(
            _flat(seen), kernels.flatten(0, 1), biases.flatten(), padding=ctx.padding, groups=groups
        )
        # Detached by `.data`: autograd does not let an in-place ReLU overwrite a view of another tensor.
        return flat.view(*x.shape[:3], channels, *x.shape[4:]).data

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen, kernels = ctx.saved_tensors
        groups, joint = len(kernels), gradient.shape[-1] < _LARGE
        whole, padding = _flat(gradient).contiguous(memory_format=torch.channels_last), ctx.padding
        of_features, of_kernels, of_biases = gradients_of(
            whole, _flat(seen), kernels.flatten(0, 1), padding, groups, wanted=(True, joint)
        )
        of_features = of_features.view(seen.shape)
        if joint:
            of_kernels, of_biases = of_kernels.view(kernels.shape), of_biases.view(groups, -1)
        else:
            of_kernels, of_biases = _one_by_one(whole, _flat(seen), kernels, padding)
        return of_features if padding else _without_halo(of_features), of_kernels, of_biases


def _one_by_one(gradient: Tensor, seen: Tensor, kernels: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Gradients of kernels (M, O, C, 3, 3) and biases (M, O), computed window by window."""
    last, of_kernels, of_biases = torch.channels_last, [], []
    parts, windows = (one.chunk(len(kernels), 1) for one in (gradient, seen))
    for part, x, kernel in zip(parts, windows, kernels, strict=True):
        own, features = part.contiguous(memory_format=last), x.contiguous(memory_format=last)
        _, of_kernel, of_bias = gradients_of(own, features, kernel, padding, wanted=(False, True))
        of_kernels.append(of_kernel.permute(0, 2, 3, 1))  # stacked in memory order
        of_biases.append(of_bias)
    return torch.stack(of_kernels).permute(0, 1, 4, 2, 3), torch.stack(of_biases)


def _flat(x: Tensor) -> Tensor:
    """(R, S, B, C, P, P) -> (1, R·S·B·C, P, P), the same memory."""
    return as_picture(x.flatten(0, 3))


def _with_halo(x: Tensor) -> Tensor:
    """(R, S, B, C, P, P) -> (R, S, B, C, P + 2, P + 2); columns first, so that rows bring the corners."""
    side = x.shape[-1] + 2
    out = x.new_empty(side, side, *x.shape[:4]).permute(2, 3, 4, 5, 0, 1)
    out[..., 1:-1, 1:-1] = x
    middle = out[..., 1:-1, :]
    middle[:, 0, ..., 0], middle[:, -1, ..., -1] = 0, 0
    middle[:, 1:, ..., 0], middle[:, :-1, ..., -1] = x[:, :-1, ..., -1], x[:, 1:, ..., 0]
    out[0, ..., 0, :], out[-1, ..., -1, :] = 0, 0
    out[1:, ..., 0, :], out[:-1, ..., -1, :] = out[:-1, ..., -2, :], out[1:, ..., 1, :]
    return out


def _without_halo(x: Tensor) -> Tensor:
    """The transpose of `_with_halo`: what windows got from their neighbors is added to these. Changes x."""
    x[:-1, ..., -2, :] += x[1:, ..., 0, :]
    x[1:, ..., 1, :] += x[:-1, ..., -1, :]
    middle = x[..., 1:-1, :]
    middle[:, :-1, ..., -2] += middle[:, 1:, ..., 0]
    middle[:, 1:, ..., 1] += middle[:, :-1, ..., -1]
    return x[..., 1:-1, 1:-1]
