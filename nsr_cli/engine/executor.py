"""A folded network run over a whole picture, layer by layer, on its selection grid.

Every sparse convolution of the network needs the features of a whole window before it can choose that window's
kernel, and a one-pixel halo of the neighbors' features at the same depth. So all windows pass a layer before any
passes the next; how many are convolved at once is a matter of memory and changes nothing else.
"""

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from nsr_cli.engine.crew import Crew
from nsr_cli.engine.device import one_core, whole_float32
from nsr_cli.engine.forward_pass import ForwardPass, SelectionHook
from nsr_cli.engine.grid import Grid, Layout
from nsr_cli.engine.layers import FoldedBlock, Layer, PlainLayer
from nsr_cli.engine.progress import Progress
from nsr_cli.machine import usable_threads, window_threads
from nsr_cli.model.footprint import MOST_PLACE_BYTES, MOST_STACKED
from nsr_cli.model.network import Network, shuffled, unshuffled

_PIECES_PER_CORE = 2  # of work, at least, before windows are stacked


class Executor:
    """A network prepared for inference on one device in one number type. Immutable; calls are independent.

    Args:
        network: folded or not; it is not changed.
        device: where to compute.
        dtype: number type of features and kernels.
        batched: convolve many whole windows at once, as a GPU wants it, or a few on each core of a CPU, and no more
            of them than lies in the picture. None: as the device wants it. Both give the same picture up to
            rounding.
        threads: cores to use, each for windows of its own; None: all that this process may use.
        repeat: around the picture every layer sees the outermost pixels of its features again. Otherwise zeros, as
            around a patch in training: then this computes what the network itself does.
        stacked: up to so many whole windows of a row are one piece of work for a core of a CPU, side by side in the
            channels. None: as many as `most_stacked` says. Another number gives the same picture up to rounding.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        dtype: torch.dtype,
        *,
        batched: bool | None = None,
        threads: int | None = None,
        repeat: bool = False,
        stacked: int | None = None,
    ) -> None:
        self.config = network.config.inner
        self._unshuffle = network.config.unshuffle
        self.device, self.dtype, self.repeat = device, dtype, repeat
        self.batched = device.type != "cpu" if batched is None else batched
        self.threads = 1 if self.batched else threads or window_threads()
        with one_core():
            self._head = PlainLayer.of(network.head, device, dtype)
            self._blocks = [FoldedBlock.of(block, device, dtype) for block in network.blocks]
            self._tail = PlainLayer.of(network.tail, device, dtype)
            layers = (layer for block in self._blocks for layer in (block.first, block.second))
            single = self.batched or any(_takes_single_windows(layer) for layer in layers)
            self._stacked = 1 if single else stacked
            skip = network.skip
            self._skip = None if skip is None else PlainLayer.of(skip, device, torch.float32)

    def on(self, threads: int) -> "Executor":
        """The same with another number of threads."""
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
            x: (C, H, W) in [0, 1], any device, any size of at least 1×1.
            level: (levels,) in [0, 1] where the network takes degradation levels.
            batch: windows convolved at once on a GPU; changes memory and speed, not the picture.
            progress: told the blocks that are done and their number, in the caller's thread: after every block
                and, so that it can raise to end a long run, a few times a second.
            hook: shown the selection of every layer that makes one, in their order, in the caller's thread.

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

    Every call of PyTorch takes Python's global interpreter lock, for which threads wait, the more of them the longer,
    however small the window: so few calls are better. But convolutions get slower where the features of a place are
    many bytes, and there should be enough work for all cores. Theirs are counted, not the threads in use: a picture
    that shares them with others comes out the same.

    Args:
        windows: of the picture.
        width: channels of a window, on the average of the layers.
        dtype: of features.
    """
    enough = windows // (_PIECES_PER_CORE * usable_threads())
    return max(1, min(enough, MOST_STACKED, MOST_PLACE_BYTES // (width * dtype.itemsize)))


def _takes_single_windows(layer: Layer) -> bool:
    """Whether windows of a layer are convolved one at a time only."""
    return isinstance(layer, PlainLayer) or layer.by_winograd


def _beat(progress: Progress | None, done: int, count: int) -> Callable[[], None] | None:
    return None if progress is None else lambda: progress(done, count)
