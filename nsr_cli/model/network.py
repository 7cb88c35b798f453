"""The restoration network: head, residual blocks of sparse convolutions, tail, and a skip around them.

x − 0.5 ─> head 3×3 ─> N × [conv n→w·n, ReLU, conv w·n→n, + identity] ─> tail 3×3 ─┐
   └────────────────> skip 5×5 (scale 1: the picture itself) ──────────────────── + ─> pixel shuffle ─> + 0.5

With `unshuffle` f > 1 all of it happens at H/f × W/f, with the f × f pixels of each place as channels, so that a layer
costs f² times less per pixel and sees f times farther (reversible downsampling, as in FFDNet, Sec. III-B).
"""

import torch.nn.functional as F
from torch import Tensor, cat, nn

from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.sparse_conv import Convolution, Form, Kernels, Selector, SparseConvolution
from nsr_cli.model.stacked import fits, stacked, unstacked


class Block(nn.Module):
    """Residual block: two convolutions around a ReLU, plain or sparse (Sec. 3.3)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        inner = config.expansion * config.width
        self.first = _convolution(config, config.width, inner, gain=2.0, own_selector=True)
        self.second = _convolution(
            config, inner, config.width, gain=config.blocks**-0.5, own_selector=not config.shared
        )
        self.shared = config.shared

    def forward(self, x: Tensor, window: int) -> Tensor:
        """(B, n, H, W) -> (B, n, H, W)."""
        if isinstance(self.first, Convolution) or isinstance(self.second, Convolution):
            plain: Tensor = self.second(F.relu(self.first(x), inplace=True))
            return x + plain
        gamma = self.first.select(x, window)
        inner = F.relu(self.first(x, window, gamma), inplace=True)
        out: Tensor = self.second(inner, window, gamma if self.shared else None)
        return x + out


def _convolution(
    config: NetworkConfig, in_channels: int, out_channels: int, *, gain: float, own_selector: bool
) -> Convolution | SparseConvolution:
    if config.selection == "none":
        return Convolution(in_channels, out_channels, 3, gain)
    selector, cardinality = None, config.cardinality or out_channels
    if own_selector:
        selector = Selector(in_channels, config.groups, cardinality, config.selection, config.temperature)
    return SparseConvolution(in_channels, out_channels, config.groups, cardinality, gain, selector)


class Network(nn.Module):
    """A network made from its configuration alone; the top of this module shows its parts."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stacks_windows = False  # between head and tail, if all windows are whole
        channels = config.inner.channels
        out_channels = channels * config.scale**2
        self.head = Convolution(channels + config.levels, config.width, 3, gain=1.0)
        self.body = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.tail = Convolution(config.width, out_channels, 3, gain=1.0)
        self.skip = Convolution(config.channels, out_channels, 5, gain=1.0) if config.scale > 1 else None

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """Restore pictures.

        Args:
            x: (B, channels, H, W) in [0, 1], of any size; the last selection windows may be partial.
            level: (B, levels) degradation levels in [0, 1], for networks that take them.

        Returns:
            (B, channels, scale·H, scale·W), about [0, 1] and not clipped.

        Raises:
            ValueError: the level is missing, or the network takes none.
        """
        config = self.config
        if (level is None) != (config.levels == 0):
            raise ValueError(f"this network takes {config.levels} degradation levels")
        if config.unshuffle > 1:
            height, width = x.shape[2:]
            out = self._restore(unshuffled(x, config.unshuffle), level)
            return shuffled(out, config.unshuffle, height, width)
        return self._restore(x, level)

    def _restore(self, x: Tensor, level: Tensor | None) -> Tensor:
        """`forward` behind the unshuffling."""
        config = self.config.inner
        centered = x - 0.5
        features = centered
        if level is not None:
            maps = level[:, :, None, None].expand(-1, -1, *x.shape[2:])
            features = cat((centered, maps.to(x.dtype)), dim=1)
        features = self.head(features)
        stacks = self.stacks_windows and fits(features, config.window)
        if stacks:
            features = stacked(features, config.window)
        for block in self.blocks:
            features = block(features, config.window)
        if stacks:
            features = unstacked(features)
        out = self.tail(features)
        if self.skip is None:
            identity: Tensor = out + x
            return identity
        out = out + self.skip(centered)
        restored: Tensor = F.pixel_shuffle(out, config.scale) + 0.5
        return restored

    @property
    def blocks(self) -> list[Block]:
        """The residual blocks, first to last."""
        return [block for block in self.body if isinstance(block, Block)]

    def fold(self) -> "Network":
        """Replace weight normalization by plain kernels, in place."""
        for module in self.modules():
            if isinstance(module, Kernels):
                module.fold()
        return self

    def use_form(self, form: Form) -> None:
        """Choose how sparse convolutions are computed; every form computes the same linear map."""
        self.stacks_windows = form == "stacked" and self.config.selection != "none"
        for module in self.modules():
            if isinstance(module, SparseConvolution):
                module.form = form


def unshuffled(x: Tensor, factor: int) -> Tensor:
    """(B, C, H, W) -> (B, C·f², ⌈H/f⌉, ⌈W/f⌉); rows and columns are repeated at the end if f does not divide."""
    down, right = -x.shape[2] % factor, -x.shape[3] % factor
    return F.pixel_unshuffle(F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x, factor)


def shuffled(x: Tensor, factor: int, height: int, width: int) -> Tensor:
    """Inverse of `unshuffled`: (B, C·f², ⌈H/f⌉, ⌈W/f⌉) -> (B, C, H, W)."""
    return F.pixel_shuffle(x, factor)[..., :height, :width]
