"""A folded network run over a whole picture, layer by layer, on its selection grid.

Every sparse convolution of the network needs the features of a whole window before it can choose that window's
kernel, and a one-pixel halo of the neighbours' features at the same depth. So all windows pass a layer before any
passes the next; how many are convolved at once is a matter of memory and changes nothing else.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.grid import Grid, own
from nsr_cli.engine.layers import FoldedBlock, Layer, PlainLayer
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector

Progress = Callable[[int, int], None]  # units of work done, units in all
Witness = Callable[[Tensor], None]  # is shown each selection: gamma (M, d, k), float32, on the device


class Executor:
    """A network prepared for inference on one device in one number type. Immutable; calls are independent."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.config = network.config
        self.device, self.dtype = device, dtype
        self._head = PlainLayer.of(network.head, device, dtype)
        self._blocks = [FoldedBlock.of(block, device, dtype) for block in network.blocks]
        self._tail = PlainLayer.of(network.tail, device, dtype)
        self._skip = PlainLayer.of(network.skip, device, dtype) if network.skip is not None else None

    @torch.inference_mode()
    def __call__(
        self,
        x: Tensor,
        level: Tensor | None,
        batch: int,
        progress: Progress | None = None,
        witness: Witness | None = None,
    ) -> Tensor:
        """Restore one picture.

        Args:
            x: (C, H, W) in [0, 1], any device, any size of at least 1×1.
            level: (levels,) in [0, 1] where the network takes degradation levels.
            batch: windows convolved at once; changes memory and speed, not the picture.
            progress: told the blocks that are done and their number.
            witness: shown the selection of every layer that makes one, in their order.

        Returns:
            (C, scale·H, scale·W) float32 on this executor's device, not clipped.
        """
        grid = Grid(x.shape[1], x.shape[2], self.config.window)
        picture = grid.pad(x[None].to(self.device, self.dtype)) - 0.5
        features, means = self._run_head(picture, level, grid, batch)
        inner = grid.buffer(self.config.expansion * self.config.width, features)
        for done, block in enumerate(self._blocks, 1):
            self._run_block(block, features, means, inner, grid, batch, witness)
            if progress is not None:
                progress(done, len(self._blocks))
        return self._run_tail(features, picture, grid, batch)

    def _run_head(
        self, picture: Tensor, level: Tensor | None, grid: Grid, batch: int
    ) -> tuple[Tensor, Tensor]:
        """Features of all windows (M, n, P + 2, P + 2) and their means (M, n) in float32."""
        source = picture
        if level is not None:
            maps = level.to(picture)[None, :, None, None].expand(-1, -1, *picture.shape[2:])
            source = torch.cat((picture, maps), dim=1)
        features = grid.buffer(self.config.width, picture)
        means = torch.empty(len(grid), self.config.width, device=self.device)
        cuts = grid.cut(source, halo=1).flatten(0, 1)
        for part in _batches(len(grid), batch):
            out = self._head.apply(_channels_last(cuts[part]))
            means[part] = _means(out)
            own(features)[part] = out
        grid.exchange(features)
        return features, means

    def _run_block(
        self,
        block: FoldedBlock,
        features: Tensor,
        means: Tensor,
        inner: Tensor,
        grid: Grid,
        batch: int,
        witness: Witness | None,
    ) -> None:
        """features += second(relu(first(features))) in place, and means with it.

        Means are taken from each result while it is in the cache: another pass over a buffer costs as much as
        a tenth of the convolution. The mean of a sum is the sum of the means.
        """
        gamma = self._choose(block.first_selector, means, witness)
        inner_means = torch.empty(len(grid), inner.shape[1], device=self.device)
        for part in _batches(len(grid), batch):
            out = _apply(block.first, features[part], gamma, part).relu_()
            inner_means[part] = _means(out)
            own(inner)[part] = out
        grid.exchange(inner)
        if not block.shared:
            gamma = self._choose(block.second_selector, inner_means, witness)
        for part in _batches(len(grid), batch):
            out = _apply(block.second, inner[part], gamma, part)
            means[part] += _means(out)
            own(features)[part] += out
        grid.exchange(features)

    def _choose(self, selector: Selector | None, means: Tensor, witness: Witness | None) -> Tensor | None:
        """Gamma (M, d, k) of every window, chosen in float32."""
        if selector is None:
            return None
        gamma: Tensor = selector(means).transpose(1, 2)
        if witness is not None:
            witness(gamma)
        return gamma.to(self.dtype).contiguous()

    def _run_tail(self, features: Tensor, picture: Tensor, grid: Grid, batch: int) -> Tensor:
        scale, side = self.config.scale, self.config.scale * grid.window
        out = torch.empty(
            self.config.channels, grid.rows * side, grid.cols * side, device=self.device, dtype=torch.float32
        )
        halo = 2 if self._skip is not None else 0
        cuts = grid.cut(picture, halo).flatten(0, 1)
        for part in _batches(len(grid), batch):
            windows = self._tail.apply(features[part]).float()
            around = cuts[part]
            windows += (around if self._skip is None else self._skip.apply(_channels_last(around))).float()
            windows = F.pixel_shuffle(windows, scale) + 0.5
            for index, window in zip(range(part.start, part.stop), windows, strict=True):
                top, left = index // grid.cols * side, index % grid.cols * side
                out[:, top : top + side, left : left + side] = window
        return out[:, : scale * grid.height, : scale * grid.width]


def _apply(layer: Layer, windows: Tensor, gamma: Tensor | None, part: slice) -> Tensor:
    if isinstance(layer, PlainLayer):
        return layer.apply(windows)
    if gamma is None:
        raise RuntimeError("a sparse layer without a selection")
    return layer.apply(windows, gamma[part])


def _means(x: Tensor) -> Tensor:
    """Mean over the pixels: (B, C, P, P) -> (B, C) float32. Row sums of channels-last data are the fast kind."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1, dtype=torch.float32)
    return x.mean(dim=(2, 3), dtype=torch.float32)


def _batches(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
