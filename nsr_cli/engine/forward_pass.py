"""One picture's way through a network: where its features lie, and what each layer does with an area of them."""

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.buffers import zeros
from nsr_cli.engine.crew import Crew
from nsr_cli.engine.grid import Area, Grid, Layout, Strips, Views
from nsr_cli.engine.layers import FoldedBlock, Layer, PlainLayer
from nsr_cli.engine.winograd import Workspace
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.sparse_conv import Selector

SelectionHook = Callable[[Tensor], None]  # called with each selection, gamma (M, d, k), float32 on the device

_CELL_ROWS = 4  # rows of a cell, whose sum is one operation
_WIDE_RIM = 2  # pixels around the picture that the 5×5 skip sees


class ForwardPass:
    """One picture on its way: its features, and their sums over each window, which choose the next kernels.

    Each result is summed while it is in the cache, which saves a pass over the features in memory. Sums of a residual
    sum are the sums of both terms' sums.
    """

    sums: Tensor  # (M, n) float32, over the pixels of each window

    def __init__(self, config: NetworkConfig, grid: Grid, crew: Crew, layout: Layout) -> None:
        """Make what all layers need."""
        self._config, self._grid, self._crew, self._layout = config, grid, crew, layout
        self._selects = config.selection != "none"
        self._whole = layout.batch is not None
        self._workspace = Workspace()
        self._areas = grid.areas(layout)
        self._pixels = grid.pixels(layout.device)
        self.beat: Callable[[], None] | None = None  # called a few times a second while a layer runs

    def picture(self, x: Tensor, level: Tensor | None) -> Strips:
        """(C, H, W) -> strips of C + levels channels in float32: centered on 0, level maps behind."""
        count = len(x) + (0 if level is None else len(level))
        # In float32, since what a network adds to a picture is much smaller than the picture's values.
        strips = self._grid.strips(count, _WIDE_RIM, self._layout, torch.float32, wide=True)
        self._grid.fill(strips, _WIDE_RIM, x, level, repeat=self._layout.repeat)
        return strips

    def head(self, layer: PlainLayer, picture: Strips) -> None:
        """Make the features and their sums."""
        width, inner = self._config.width, self._config.expansion * self._config.width
        self._features, self._inner = self._views(width), self._views(inner)
        self.sums = self._no_sums(width)
        rows = self._by_area(self.sums)

        def work(index: int) -> None:
            to = self._features[index]
            seen = to.area.of(picture, _WIDE_RIM, halo=1, wide=True).to(self._layout.dtype)
            out = self._clear(layer.apply(seen, self._workspace), to.area)
            _by_window(to.inside, to.area.stacked).copy_(_cut(out, to.area.stacked))
            to.copy_halos()
            if self._selects:
                rows[index].copy_(
                    _grid_sums(out, to.area.rows, to.area.cols)
                    if self._whole
                    else window_sums(out, to.area.stacked)
                )

        self._share(work)

    def block(self, block: FoldedBlock, hook: SelectionHook | None) -> None:
        """features += second(relu(first(features))) in place, and their sums with it."""
        gamma = self._choose(block.first_selector, self.sums, hook)
        inner_sums = self._first(block.first, gamma, summed=block.second_selector is not None)
        if inner_sums is not None:  # otherwise one selection serves both convolutions
            gamma = self._choose(block.second_selector, inner_sums, hook)
        self._second(block.second, gamma)

    def _first(self, layer: Layer, gamma: Tensor | None, *, summed: bool) -> Tensor | None:
        """Inner features = relu(layer(features)); returns their sums if `summed`."""
        convolve = self._prepare(layer, gamma)
        sums = self._no_sums(self._config.expansion * self._config.width) if summed else None
        rows = [] if sums is None else self._by_area(sums)

        def work(index: int) -> None:
            to = self._inner[index]
            out = rectify_(self._clear(convolve(index, self._features[index]), to.area))
            to.inside.copy_(out)
            to.copy_halos()
            if rows:
                rows[index].copy_(self._sums(out, to.area))

        self._share(work)
        return sums

    def _second(self, layer: Layer, gamma: Tensor | None) -> None:
        """features += layer(inner features), and their sums with it."""
        convolve = self._prepare(layer, gamma)
        rows = self._by_area(self.sums)

        def work(index: int) -> None:
            to = self._features[index]
            out = self._clear(convolve(index, self._inner[index]), to.area)
            if self._selects:
                rows[index].add_(self._sums(out, to.area))
            to.inside.add_(out)
            to.copy_halos()

        self._share(work)

    def tail(self, layer: PlainLayer, skip: PlainLayer | None, picture: Strips) -> Tensor:
        """(C, scale·H, scale·W) float32; `skip` is in float32, too."""
        self._inner = []  # frees memory for the result
        scale, channels = self._config.scale, self._config.channels
        shape = (channels, scale * self._grid.height, scale * self._grid.width)
        result = zeros(prod(shape), self._layout.device, torch.float32).view(shape)
        layers = {count: layer.times(count) for count in {area.stacked for area in self._areas}}

        def work(index: int) -> None:
            area = self._areas[index]
            own = layers[area.stacked].apply(self._features[index].around, self._workspace)
            around = area.of(picture, _WIDE_RIM, halo=0 if skip is None else 2, wide=True)[:, :channels]
            out = around.clone() if skip is None else skip.apply(around, self._workspace)
            _cut(out, area.stacked).add_(_by_window(own, area.stacked))
            top, left = scale * area.top, scale * area.left
            place = result[:, top : top + scale * area.height, left : left + scale * out.shape[3]]
            shuffled = F.pixel_shuffle(out, scale)[0, :, : place.shape[1], : place.shape[2]]
            torch.add(shuffled, 0.5, out=place)

        self._share(work)
        return result

    def _share(self, work: Callable[[int], None]) -> None:
        self._crew.share(work, len(self._areas), self.beat)

    def _views(self, channels: int) -> list[Views]:
        strips = self._grid.strips(channels, 1, self._layout, self._layout.dtype)
        return [self._grid.views(area, strips, repeat=self._layout.repeat) for area in self._areas]

    def _no_sums(self, channels: int) -> Tensor:
        return torch.zeros(len(self._grid), channels, dtype=torch.float32, device=self._layout.device)

    def _by_area(self, values: Tensor) -> Sequence[Tensor]:
        """What belongs to each area's windows, as views made at once: each call takes the global interpreter lock."""
        return values.split_with_sizes([len(area) for area in self._areas])

    def _sums(self, out: Tensor, area: Area) -> Tensor:
        """Sums over each window of an area's features: (len, C) float32."""
        if self._whole:
            return _grid_sums(out, area.rows, area.cols)
        return window_sums(out).view(area.stacked, -1)

    def _clear(self, out: Tensor, area: Area) -> Tensor:
        if self._whole:
            self._grid.clear_outside(out, area)
        return out

    def _choose(self, selector: Selector | None, sums: Tensor, hook: SelectionHook | None) -> Tensor | None:
        """Gamma (M, d, k) of every window, chosen in float32 from its mean features."""
        if selector is None:
            return None
        gamma: Tensor = selector(sums / self._pixels).transpose(1, 2)
        if hook is not None:
            hook(gamma)
        return gamma

    def _prepare(self, layer: Layer, gamma: Tensor | None) -> Callable[[int, Views], Tensor]:
        """The convolution of an area, given by its index and what the layer sees: -> (1, O, height, width)."""
        if isinstance(layer, PlainLayer):
            return lambda _, seen: layer.apply(seen.around, self._workspace)
        if gamma is None:
            raise RuntimeError("a sparse layer without a selection")
        chosen, biases = (self._by_area(values) for values in layer.select(gamma))

        def convolve(index: int, seen: Views) -> Tensor:
            gammas, bias, area = chosen[index], biases[index], seen.area
            if self._whole:
                return layer.apply_many(seen.around, gammas, bias, area.rows, area.cols)
            return layer.apply(seen.around, gammas.transpose(0, 1), bias.flatten(), self._workspace)

        return convolve


def rectify_(out: Tensor) -> Tensor:
    """ReLU in place.

    A bfloat16 is negative if its bits, read as an integer, are. CPUs compare integers faster, since their only
    instructions for bfloat16 are products. A negative NaN becomes 0 here; the features to which the block is added
    still have it.
    """
    if out.dtype == torch.bfloat16 and out.device.type == "cpu":
        out.view(torch.int16).clamp_min_(0)
        return out
    return out.relu_()


def _by_window(stacked: Tensor, count: int) -> Tensor:
    """Stacked windows, (1, count · C, H, W) -> (1, count, C, H, W)."""
    _, channels, height, width = stacked.shape
    return stacked.view(1, count, channels // count, height, width)


def _cut(wide: Tensor, count: int) -> Tensor:
    """Cut `count` windows beside each other apart, (1, C, H, count · W) -> (1, count, C, H, W)."""
    _, channels, height, width = wide.shape
    return wide.view(1, channels, height, count, width // count).permute(0, 3, 1, 2, 4)


def _grid_sums(out: Tensor, rows: int, cols: int) -> Tensor:
    """Sums over each of rows × cols windows: (1, C, height, width) -> (rows · cols, C) float32."""
    if rows == cols == 1:
        return window_sums(out)
    by_row = out.permute(0, 2, 3, 1)
    _, high, wide, channels = by_row.shape
    windows = by_row.reshape(rows, high // rows, cols, wide // cols, channels)
    return windows.sum(dim=(1, 3), dtype=torch.float32).flatten(0, 1)


def window_sums(out: Tensor, count: int = 1) -> Tensor:
    """Sums over windows beside each other: (B, C, height, count · width) -> (B · count, C) float32."""
    batch, channels, height, width = out.shape
    if out.dtype == torch.bfloat16:
        # Faster than a sum in float32, and fastest with cells as wide as the window. The sums of cells are rounded to
        # bfloat16, the total is not.
        cell = (min(_CELL_ROWS, height), width // count)
        cells = F.avg_pool2d(out, cell, ceil_mode=True, divisor_override=1)  # the last may be partial
        if count == 1:
            return cells.sum(dim=(2, 3), dtype=torch.float32)
        return cells.sum(dim=2, dtype=torch.float32).transpose(1, 2).flatten(0, 1)
    by_row = out.permute(0, 2, 3, 1).view(batch, height, count, width // count, channels)
    return by_row.sum(dim=(1, 3), dtype=torch.float32).flatten(0, 1)
