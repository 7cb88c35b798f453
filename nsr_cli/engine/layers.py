"""Folded layers of a network, laid out for inference: how one batch of windows is convolved."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.model.network import Block
from nsr_cli.model.sparse_conv import Convolution, Selector, SparseConvolution


@dataclass(frozen=True, slots=True)
class PlainLayer:
    """A convolution whose kernel is the same for every window."""

    weight: Tensor  # (O, C, K, K), channels last
    bias: Tensor  # (O,)

    @classmethod
    def of(cls, layer: Convolution, device: torch.device, dtype: torch.dtype) -> "PlainLayer":
        """The layer's folded kernels on the device."""
        weight = layer.weight.detach().to(device, dtype).contiguous(memory_format=torch.channels_last)
        return cls(weight, layer.bias.detach().to(device, dtype))

    def apply(self, windows: Tensor) -> Tensor:
        """(B, C, P + K − 1, P + K − 1) -> (B, O, P, P); the halo is consumed."""
        return F.conv2d(windows, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class SparseLayer:
    """A sparse convolution: kernels are mixed for each window, straight into channels-last order."""

    kernels: Tensor  # (d, k, O/d · 9 · C): kernels of a cardinal group, channels innermost
    biases: Tensor  # (d, k, O/d)
    shape: tuple[int, int]  # O, C

    @classmethod
    def of(cls, layer: SparseConvolution, device: torch.device, dtype: torch.dtype) -> "SparseLayer":
        """The layer's folded kernels on the device."""
        k, d = layer.groups, layer.cardinality
        by_group = layer.weight.detach().permute(0, 2, 3, 1).reshape(k, d, -1).transpose(0, 1)
        biases = layer.bias.detach().view(k, d, -1).transpose(0, 1)
        return cls(
            by_group.to(device, dtype).contiguous(),
            biases.to(device, dtype).contiguous(),
            (layer.out_channels, layer.in_channels),
        )

    def apply(self, windows: Tensor, gamma: Tensor) -> Tensor:
        """(B, C, P + 2, P + 2) and gamma (B, d, k) -> (B, O, P, P), each window with its own kernel (Eq. 10)."""
        count, (out_channels, in_channels) = len(windows), self.shape
        # One window: (d, 1, k) is contiguous as it lies, and so is the mixed kernel. This is the path of the CPU.
        by_cardinal = gamma.transpose(0, 1)  # (d, B, k)
        mixed = torch.bmm(by_cardinal, self.kernels).transpose(0, 1).reshape(-1, 3, 3, in_channels)
        kernels = mixed.permute(0, 3, 1, 2)  # (B · O, C, 3, 3), channels last
        biases = torch.bmm(by_cardinal, self.biases).transpose(0, 1).reshape(-1)
        if count == 1:
            return F.conv2d(windows, kernels, biases)
        side = windows.shape[-1]
        joined = windows.reshape(1, count * in_channels, side, side)
        return F.conv2d(joined, kernels, biases, groups=count).view(count, out_channels, side - 2, side - 2)


Layer = PlainLayer | SparseLayer


@dataclass(frozen=True, slots=True)
class FoldedBlock:
    """The two convolutions of a residual block and what selects their kernels (float32, on the device)."""

    first: Layer
    second: Layer
    first_selector: Selector | None
    second_selector: Selector | None
    shared: bool

    @classmethod
    def of(cls, block: Block, device: torch.device, dtype: torch.dtype) -> "FoldedBlock":
        """Fold a block of the network for inference."""
        return cls(
            _layer(block.first, device, dtype),
            _layer(block.second, device, dtype),
            _selector(block.first, device),
            _selector(block.second, device),
            block.shared,
        )


def _layer(layer: Convolution | SparseConvolution, device: torch.device, dtype: torch.dtype) -> Layer:
    if isinstance(layer, SparseConvolution):
        return SparseLayer.of(layer, device, dtype)
    return PlainLayer.of(layer, device, dtype)


def _selector(layer: Convolution | SparseConvolution, device: torch.device) -> Selector | None:
    if not isinstance(layer, SparseConvolution) or layer.selector is None:
        return None
    selector = Selector(
        layer.in_channels, layer.groups, layer.cardinality, layer.selector.kind, layer.selector.temperature
    )
    selector.load_state_dict(layer.selector.state_dict())
    return selector.to(device).eval().requires_grad_(False)
