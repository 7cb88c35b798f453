"""Runs a folded network over a whole picture, layer by layer, on its selection grid.

Every sparse convolution of the network needs the features of a whole window before it can choose that window's
kernel, and a one-pixel halo of the neighbors' features at the same depth. So all windows pass a layer before any
passes the next; how many are convolved at once affects memory and speed alone.
"""

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from nsr_cli.engine.crew import Crew
from nsr_cli.engine.device import one_core, whole_float32
from nsr_cli.engine.forward_pass import ForwardPass, SelectionHook
from nsr_cli.engine.grid import Grid, Layout
from nsr_cli.engine.layers import FoldedBlock, PlainLayer
from nsr_cli.engine.progress import Progress
from nsr_cli.machine import usable_threads, window_threads
from nsr_cli.model.footprint import MOST_PLACE_BYTES, MOST_STACKED
from nsr_cli.model.network import Network, shuffled, unshuffled

_PIECES_PER_CORE = 2  # stacking windows must leave each core at least so many pieces of work


class Executor:
    """A network prepared for inference on one device in one number type. Immutable; calls are independent.

    Args:
        network: folded or not; it is not changed.
        device: where to compute.
        dtype: number type of features and kernels.
        batched: convolve many whole windows at once, which suits a GPU, or a few on each core of a CPU, without the
            pixels of theirs that are outside the picture. None: as suits the device. Both give the same picture up to
            rounding.
        repeat: around the picture every layer sees its outermost features repeated. Otherwise it sees zeros, as around
            a patch in training, so that this computes exactly what the network itself does.
        stacked: a CPU core computes up to so many whole windows of a row at once, side by side in the channels. None:
            as many as `most_stacked` says. Another number gives the same picture up to rounding.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        dtype: torch.dtype,
        *,
        batched: bool | None = None,
        repeat: bool = False,
        stacked: int | None = None,
    ) -> None:
        self.config = network.config.inner
        self._unshuffle = network.config.unshuffle
        self.device, self.dtype, self.repeat = device, dtype, repeat
        self.batched = device.type != "cpu" if batched is None else batched
        self.threads = 1 if self.batched else window_threads()
        with one_core():
            self._head = PlainLayer.of(network.head, device, dtype)
            self._blocks = [FoldedBlock.of(block, device, dtype) for block in network.blocks]
            self._tail = PlainLayer.of(network.tail, device, dtype)
            layers = (layer for block in self._blocks for layer in (block.first, block.second))
            # Plain kernels and Winograd's way take single windows.
            single = any(isinstance(layer, PlainLayer) or layer.by_winograd for layer in layers)
            self._stacked = 1 if self.batched or single else stacked
            skip = network.skip
            self._skip = None if skip is None else PlainLayer.of(skip, device, torch.float32)

    def on(self, threads: int) -> "Executor":
        """The same executor on so many cores, each for windows of its own, not on all that this process may use."""
        other = copy(self)
        other.threads = threads
        return other

    def _layout(self, batch: int, windows: int) -> Layout:
        width = self.config.width * (1 + self.config.expansion) // 2
        stacked = self._stacked or most_stacked(windows, width, self.dtype)
        return Layout(self.device, self.dtype, batch if self.batched else None, stacked, self.repeat)

    @torch.inference_mode()
    def __call__(
        self,
        x: Tensor,
        level: Tensor | None,
        batch: int,
        progress: Progress | None = None,
        hook: SelectionHook | None = None,
    ) -> Tensor:
        """Restore one picture.

        Args:
            x: (C, H, W) in [0, 1], on any device, of any size from 1×1.
            level: (levels,) in [0, 1] if the network takes degradation levels.
            batch: windows convolved at once on a GPU; changes memory and speed, not the picture.
            progress: called in the caller's thread with blocks done and in total: after every block and, so that it
                can raise to end a long run, a few times a second.
            hook: called in the caller's thread with the selection of every layer that makes one, in their order.

        Returns:
            (C, scale·H, scale·W) float32 on this executor's device, not clipped.

        Raises:
            BaseException: what `progress` or `hook` raised; no thread is left running.
        """
        height, width = x.shape[1:]
        if self._unshuffle > 1:
            x = unshuffled(x[None], self._unshuffle)[0]
        grid = Grid(x.shape[1], x.shape[2], self.config.window)
        count = len(self._blocks)
        with whole_float32(self.device), Crew(min(self.threads, len(grid))) as crew:
            run = ForwardPass(self.config, grid, crew, self._layout(batch, len(grid)))
            picture = run.picture(x, level)
            run.beat = _beat(progress, 0, count)
            run.head(self._head, picture)
            for done, block in enumerate(self._blocks):
                run.beat = _beat(progress, done, count)
                run.block(block, hook)
                if progress is not None and done + 1 < count:
                    progress(done + 1, count)
            out = run.tail(self._tail, self._skip, picture)
        if progress is not None:
            progress(count, count)
        return shuffled(out[None], self._unshuffle, height, width)[0] if self._unshuffle > 1 else out


def most_stacked(windows: int, width: int, dtype: torch.dtype) -> int:
    """How many of a picture's windows a CPU computes together.

    Every call of PyTorch takes Python's global interpreter lock, however small the window, and threads wait for it: so
    fewer calls are better. But convolutions get slower if the features of a place take many bytes, and all cores need
    enough work. The machine's cores are counted, not the threads in use, so that a picture that shares them with others
    comes out the same.

    Args:
        windows: windows of the picture.
        width: channels of a window, averaged over the layers.
        dtype: type of features.
    """
    enough = windows // (_PIECES_PER_CORE * usable_threads())
    return max(1, min(enough, MOST_STACKED, MOST_PLACE_BYTES // (width * dtype.itemsize)))


def _beat(progress: Progress | None, done: int, count: int) -> Callable[[], None] | None:
    return None if progress is None else lambda: progress(done, count)
