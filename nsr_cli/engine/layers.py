"""Folded layers of a network, laid out for inference: how one window, and how several at once, are convolved."""

from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine import winograd
from nsr_cli.model.network import Block
from nsr_cli.model.sparse_conv import Convolution, Selector, SparseConvolution


@dataclass(frozen=True, slots=True)
class PlainLayer:
    """A convolution whose kernel is the same for every window."""

    weight: Tensor  # (O, C, K, K), channels last
    bias: Tensor  # (O,)
    transformed: Tensor | None  # (36, C, O), if `winograd.convolve` is faster
    stacked: int = 1  # windows side by side in the channels, each convolved with the same kernel

    @classmethod
    def of(cls, layer: Convolution, device: torch.device, dtype: torch.dtype) -> "PlainLayer":
        """The layer's folded kernels on the device."""
        weight = layer.weight.detach().to(device, dtype).contiguous(memory_format=torch.channels_last)
        transformed = None
        if layer.size == 3 and winograd.suits(weight.shape[0], weight.shape[1], device, dtype):
            transformed = winograd.transformed(weight.flatten(2).transpose(1, 2)).contiguous()
        return cls(weight, layer.bias.detach().to(device, dtype), transformed)

    def apply(self, features: Tensor, workspace: winograd.Workspace) -> Tensor:
        """(1, C, H + K − 1, W + K − 1) -> (1, O, H, W); the halo is consumed."""
        if self.transformed is not None and winograd.is_large(features):
            return winograd.convolve(features, self.transformed, self.bias, workspace)
        return F.conv2d(features, self.weight, self.bias, groups=self.stacked)

    def times(self, stacked: int) -> "PlainLayer":
        """The same layer for stacked windows: (1, stacked · C, …) -> (1, stacked · O, …)."""
        if stacked == 1:
            return self
        weight = self.weight.repeat(stacked, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        return PlainLayer(weight, self.bias.repeat(stacked), None, stacked)


@dataclass(frozen=True, slots=True)
class SparseLayer:
    """A sparse convolution: kernels are mixed for each window, directly in channels-last order."""

    kernels: Tensor  # (d, k, O/d · 9 · C): kernels of a cardinal group, channels innermost
    biases: Tensor  # (d, k, O/d)
    shape: tuple[int, int]  # O, C
    dtype: torch.dtype  # of features; kernels are mixed in that of `kernels`
    by_winograd: bool  # if a window is large enough

    @classmethod
    def of(cls, layer: SparseConvolution, device: torch.device, dtype: torch.dtype) -> "SparseLayer":
        """The layer's folded kernels on the device."""
        k, d = layer.groups, layer.cardinality
        by_group = layer.weight.detach().permute(0, 2, 3, 1).reshape(k, d, -1).transpose(0, 1)
        biases = layer.bias.detach().view(k, d, -1).transpose(0, 1)
        # CPUs multiply such small matrices of bfloat16 in several times the time of float32.
        mixing = torch.float32 if device.type == "cpu" else dtype
        return cls(
            by_group.to(device, mixing).contiguous(),
            biases.to(device, mixing).contiguous(),
            (layer.out_channels, layer.in_channels),
            dtype,
            winograd.suits(layer.out_channels, layer.in_channels, device, dtype),
        )

    def select(self, gamma: Tensor) -> tuple[Tensor, Tensor]:
        """Selections (M, d, k) of windows, float32 -> gamma and biases (M, O), for `apply` and `apply_many`."""
        by_cardinal = gamma.to(self.kernels.dtype).transpose(0, 1).contiguous()
        biases = torch.bmm(by_cardinal, self.biases).transpose(0, 1).flatten(1)
        return by_cardinal.transpose(0, 1).contiguous(), biases.to(self.dtype)

    def apply(self, features: Tensor, gamma: Tensor, bias: Tensor, workspace: winograd.Workspace) -> Tensor:
        """One window or J stacked ones, each with its own kernel (Eq. 10): the path of a CPU.

        Args:
            features: (1, J · C, H + 2, W + 2), with a halo of one pixel.
            gamma: (d, J, k), their selections.
            bias: (J · O,).
            workspace: memory for intermediate results.

        Returns:
            (1, J · O, H, W)
        """
        (out_channels, channels), stacked = self.shape, gamma.shape[1]
        mixed = torch.bmm(gamma, self.kernels)
        if stacked == 1 and self.by_winograd and winograd.is_large(features):
            kernels = winograd.transformed(mixed.view(-1, 9, channels))
            return winograd.convolve(features, kernels, bias, workspace)
        if stacked > 1:
            mixed = mixed.transpose(0, 1).to(self.dtype, memory_format=torch.contiguous_format).contiguous()
        else:
            mixed = mixed.to(self.dtype)
        shape = (stacked * out_channels, channels, 3, 3)
        kernels = mixed.as_strided(shape, (9 * channels, 1, 3 * channels, channels))
        return F.conv2d(features, kernels, bias, groups=stacked)

    def apply_many(self, features: Tensor, gamma: Tensor, bias: Tensor, rows: int, cols: int) -> Tensor:
        """rows × cols windows of P×P pixels, each with its own kernel: the path of a GPU.

        Args:
            features: (1, C, rows · P + 2, cols · P + 2).
            gamma: (rows · cols, d, k).
            bias: (rows · cols, O).

        Returns:
            (1, O, rows · P, cols · P)
        """
        count, (out_channels, in_channels) = rows * cols, self.shape
        mixed = torch.bmm(gamma.transpose(0, 1), self.kernels).transpose(0, 1).to(self.dtype)
        kernels = mixed.reshape(-1, 3, 3, in_channels).permute(0, 3, 1, 2)  # (M · O, C, 3, 3), channels last
        side = (features.shape[-1] - 2) // cols
        cut = features[0].unfold(1, side + 2, side).unfold(2, side + 2, side)  # (C, rows, cols, P + 2, P + 2)
        flat = cut.permute(1, 2, 0, 3, 4).reshape(1, count * in_channels, side + 2, side + 2)
        out = F.conv2d(flat, kernels, bias.reshape(-1), groups=count)
        windows = out.view(rows, cols, out_channels, side, side)
        return windows.permute(2, 0, 3, 1, 4).reshape(1, out_channels, rows * side, cols * side)


Layer = PlainLayer | SparseLayer


@dataclass(frozen=True, slots=True)
class FoldedBlock:
    """The two convolutions of a residual block and their selectors (float32, on the device)."""

    first: Layer
    second: Layer
    first_selector: Selector | None
    second_selector: Selector | None

    @classmethod
    def of(cls, block: Block, device: torch.device, dtype: torch.dtype) -> "FoldedBlock":
        """Fold a block of the network for inference."""
        return cls(
            _layer(block.first, device, dtype),
            _layer(block.second, device, dtype),
            _selector(block.first, device),
            _selector(block.second, device),
        )


def _layer(layer: Convolution | SparseConvolution, device: torch.device, dtype: torch.dtype) -> Layer:
    if isinstance(layer, SparseConvolution):
        return SparseLayer.of(layer, device, dtype)
    return PlainLayer.of(layer, device, dtype)


def _selector(layer: Convolution | SparseConvolution, device: torch.device) -> Selector | None:
    if not isinstance(layer, SparseConvolution) or layer.selector is None:
        return None
    return deepcopy(layer.selector).to(device).eval().requires_grad_(False)
