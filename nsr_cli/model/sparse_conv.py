"""Sparse convolution: the kernels of a window are a soft choice among k groups (paper Sec. 3, Eq. 10).

    features (B, C, H, W) ──mean of every window──> (M, C) ──linear──> logits (M, k, d) ──softmax over k──> gamma
    weight (k·O, C, 3, 3) ──sum over k weighted by gamma──> one kernel (O, C, 3, 3) for each of the M windows
    every window, with a one-pixel halo of its neighbors' features, is convolved with its own kernel

M = B · ⌈H/P⌉ · ⌈W/P⌉ windows, in row-major order for each picture of the batch (stacked.py has an order of its own).
The last window of a row or column may be partial: its mean is that of the pixels it has, and beyond them every layer
sees zeros.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsr_cli.model.config import Selection
from nsr_cli.model.stacked import convolve_stacked, means_of
from nsr_cli.model.window_conv import convolve_windows, convolved_dtype

Form = Literal["grouped", "mixed", "looped", "stacked"]
"""How windows are convolved, with the same result up to rounding:

- `grouped`: in one call, each window as a group of its own;
- `mixed`: with each of the k groups of kernels, whose outputs are then mixed: k times the arithmetic;
- `looped`: one after the other, in one operation of autograd (`window_conv`), which suits CPUs;
- `stacked`: side by side in the channels from head to tail (`stacked.py`) if all are whole, else as `looped`.
"""


class Kernels(nn.Module):
    """The kernels and biases of a layer, with weight normalization over each kernel while training.

    A kernel is g · v / |v|. `fold` replaces that by the plain kernel, which is what a published file holds.
    """

    weight_g: nn.Parameter | None
    weight_v: nn.Parameter
    bias: nn.Parameter

    def __init__(self, in_channels: int, out_channels: int, size: int, gain: float) -> None:
        super().__init__()
        self.size = size
        self.weight_v = nn.Parameter(torch.empty(out_channels, in_channels, size, size))
        nn.init.kaiming_uniform_(self.weight_v, a=5**0.5)
        self.weight_g = nn.Parameter(torch.full((out_channels, 1, 1, 1), gain))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    @property
    def weight(self) -> Tensor:
        """The kernels (out_channels, in_channels, size, size)."""
        if self.weight_g is None:
            return self.weight_v
        norm = torch.linalg.vector_norm(self.weight_v, dim=(1, 2, 3), keepdim=True)
        normalized: Tensor = self.weight_v * (self.weight_g / norm)
        return normalized

    def fold(self) -> None:
        """Replace gain and direction by the plain kernels; the outputs stay the same."""
        if self.weight_g is not None:
            self.weight_v = nn.Parameter(self.weight.detach().clone())
            self.weight_g = None


class Convolution(Kernels):
    """An ordinary convolution with zero padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=self.size // 2)


class Selector(nn.Module):
    """Pooled features of a window -> weights gamma of the k groups for each of d cardinal groups (Sec. 3.3)."""

    def __init__(
        self, channels: int, groups: int, cardinality: int, kind: Selection, temperature: float
    ) -> None:
        super().__init__()
        self.groups, self.cardinality = groups, cardinality
        self.kind, self.temperature = kind, temperature
        self.linear = nn.Linear(channels, groups * cardinality)

    def forward(self, pooled: Tensor) -> Tensor:
        """(M, C) -> gamma (M, k, d)."""
        logits: Tensor = self.linear(pooled).view(-1, self.groups, self.cardinality)
        if self.kind == "sigmoid":  # CondConv; with k = 1, d = out_channels Squeeze-and-Excitation (Fig. 4)
            return logits.sigmoid()
        if self.kind == "gumbel":
            return _straight_through(logits, self.temperature, noisy=self.training)
        return F.softmax(logits / self.temperature, dim=1)


def _straight_through(logits: Tensor, temperature: float, *, noisy: bool) -> Tensor:
    """One-hot over dim 1 forward, gradient of the softmax backward; Gumbel noise only while training."""
    if noisy:
        return F.gumbel_softmax(logits, tau=temperature, hard=True, dim=1)
    soft = F.softmax(logits / temperature, dim=1)
    hard = torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
    return hard - soft.detach() + soft


class SparseConvolution(Kernels):
    """3×3 convolution C -> O with k sparsity groups and d cardinal groups; parameters are group-major (k·O, …).

    Without its own selector it shares the selection of another layer, as `gamma` given to `forward`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        cardinality: int,
        gain: float,
        selector: Selector | None,
    ) -> None:
        super().__init__(in_channels, groups * out_channels, 3, gain)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.groups, self.cardinality = groups, cardinality
        self.selector = selector
        self.form: Form = "grouped"

    def select(self, x: Tensor, window: int) -> Tensor:
        """Gamma (M, k, d) of every window of features (B, C, H, W), or of stacked windows (R, S, B, C, P, P)."""
        if self.selector is None:
            raise RuntimeError("this layer shares the selection of another one")
        if x.dim() == 6:
            # Matrices this small take longer in bfloat16, which needs them in blocks.
            with torch.autocast(x.device.type, enabled=False):
                joint: Tensor = self.selector(means_of(x))
            return joint
        if x.shape[2] <= window and x.shape[3] <= window:
            # The mean, by a sum: in bfloat16 a mean's gradient takes CPUs several times as long as a sum's.
            pooled = x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3])
        else:
            # `ceil_mode` includes partial windows and divides each by the number of its own pixels.
            means = F.avg_pool2d(x, window, ceil_mode=True)
            pooled = means.permute(0, 2, 3, 1).reshape(-1, self.in_channels)
        gamma: Tensor = self.selector(pooled)
        return gamma

    def mix(self, gamma: Tensor, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """Eq. 10: gamma (M, k, d) -> kernels (M, O, C, 3, 3), channels last, and biases (M, O); kernels in `dtype`."""
        k, d = self.groups, self.cardinality
        # Contiguous, as BLAS needs matrices: those in gamma have gaps along both axes.
        by_cardinal = gamma.permute(2, 0, 1).contiguous()  # (d, M, k)
        weight = self.weight.permute(0, 2, 3, 1)  # channels last, for the fastest convolutions
        kernels = weight.reshape(k, d, -1).transpose(0, 1)  # (d, k, O/d·9·C)
        mixed = torch.bmm(by_cardinal, kernels).transpose(0, 1)  # (M, d, O/d·9·C)
        biases = torch.bmm(by_cardinal, self.bias.view(k, d, -1).transpose(0, 1)).transpose(0, 1)
        if dtype is not None:  # one copy changes both type and order
            mixed = mixed.to(dtype, memory_format=torch.contiguous_format)
        mixed = mixed.reshape(-1, self.out_channels, 3, 3, self.in_channels).permute(0, 1, 4, 2, 3)
        return mixed, biases.reshape(-1, self.out_channels)

    def forward(self, x: Tensor, window: int, gamma: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, O, H, W), of any size; stacked windows (R, S, B, C, P, P) -> (R, S, B, O, P, P).

        `gamma` (M, k, d) overrides the selector.
        """
        if gamma is None:
            gamma = self.select(x, window)
        if x.dim() == 6:
            return self._convolve_stacked(x, gamma)
        if self.form == "mixed":
            return self._mix_outputs(x, window, gamma)
        kernels, biases = self.mix(gamma)
        if self.form in ("looped", "stacked"):
            return convolve_windows(x, kernels, biases, window)
        batch, _, height, width = x.shape
        windows, padding = with_halo(x, window)
        return from_windows(_as_groups(windows, kernels, biases, padding), batch, height, width)

    def _convolve_stacked(self, x: Tensor, gamma: Tensor) -> Tensor:
        dtype = convolved_dtype(x)
        with torch.autocast(x.device.type, enabled=False):  # as in `select`
            kernels, biases = self.mix(gamma, dtype)
        return convolve_stacked(x, kernels, biases)

    def _mix_outputs(self, x: Tensor, window: int, gamma: Tensor) -> Tensor:
        """The same linear map: convolve with all k groups, then weight the outputs. k times the arithmetic."""
        batch, _, height, width = x.shape
        k, d = self.groups, self.cardinality
        rows, cols = -(-height // window), -(-width // window)
        out = F.conv2d(x, self.weight, self.bias, padding=1)
        if height % window or width % window:
            out = F.pad(out, (0, -width % window, 0, -height % window))
        out = out.view(batch, k, d, self.out_channels // d, rows, window, cols, window)
        weights = gamma.view(batch, rows, cols, k, d).permute(0, 3, 4, 1, 2)[:, :, :, None, :, None, :, None]
        mixed = (out * weights).sum(dim=1).view(batch, self.out_channels, rows * window, cols * window)
        return _crop(mixed, height, width)


def _as_groups(windows: Tensor, kernels: Tensor, biases: Tensor, padding: int) -> Tensor:
    """Convolve windows (M, C, H, W) with their kernels (M, O, C, 3, 3) and biases (M, O) in one call."""
    count, channels, *size = windows.shape
    # Contiguous even where a view would do: see `as_picture`.
    flat = windows.contiguous().view(1, count * channels, *size)
    weight = kernels.reshape(-1, channels, 3, 3)
    out = F.conv2d(flat, weight, biases.reshape(-1), padding=padding, groups=count)
    return out.view(count, -1, *out.shape[2:])


def with_halo(x: Tensor, window: int) -> tuple[Tensor, int]:
    """Cut (B, C, H, W) into M windows; returns them and how much zero padding their convolution still needs.

    Several windows: (M, C, window + 2, window + 2) with a one-pixel halo, zero outside the features, and padding 0;
    partial windows are filled up with zeros. A single window, whole or not: `x` itself and padding 1, which gives
    the same without a copy.
    """
    _, channels, height, width = x.shape
    if height <= window and width <= window:
        return x, 1
    padded = F.pad(x, (1, 1 + -width % window, 1, 1 + -height % window))
    cut = padded.unfold(2, window + 2, window).unfold(3, window + 2, window)  # (B, C, rows, cols, P+2, P+2)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, window + 2, window + 2), 0


def from_windows(windows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Inverse of `with_halo`, for windows without halo: (M, C, P, P) -> (B, C, H, W), cropped to that size."""
    count, channels, side, _ = windows.shape
    if count == batch:
        return windows
    rows, cols = -(-height // side), -(-width // side)
    grid = windows.view(batch, rows, cols, channels, side, side)
    whole = grid.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, rows * side, cols * side)
    return _crop(whole, height, width)


def _crop(x: Tensor, height: int, width: int) -> Tensor:
    """The first `height` rows and `width` columns; `x` itself, without an operation for autograd, if that is all."""
    return x if x.shape[2:] == (height, width) else x[..., :height, :width]
