"""Runs a network on one picture, with the fallbacks that a user expects.

If memory runs out: fewer windows at once, smaller tiles, then the CPU. If a narrow number type overflows: fp32.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.buffers import zeros
from nsr_cli.engine.device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    free_memory,
    is_out_of_memory,
    one_core,
    prepare_cpu,
)
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.progress import Progress, of_part
from nsr_cli.engine.tiles import Tile, bytes_per_window, margin_of, plan_tiles
from nsr_cli.errors import MemoryExhausted, PictureError
from nsr_cli.machine import memory_budget
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.network import Network

Notice = Callable[[str], None]

# A GPU needs many windows to fill its multiprocessors. On a CPU the picture alone decides (`executor.most_stacked`), so
# that the result does not depend on `batch`.
BATCHES = {"cuda": 64, "mps": 16}
# Pixels of padding around a picture before the network, cropped after it, counted at the network's own resolution
# (after an unshuffling). Zeros, as around a patch in training, are middle gray: flat colors would get a frame of a
# different shade. Networks that enlarge see the outermost pixel again, those that restore see mirrored pixels, since
# noise that is only repeated looks like a stripe.
_REPEATED, _MIRRORED = 1, 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be computed at once; by default as much as fits into half of the free memory.

    Args:
        batch: windows convolved at once on a GPU.
        tile: side of a tile in input pixels, margin included.
        max_memory: bytes for features and arithmetic.
    """

    batch: int | None = None
    tile: int | None = None
    max_memory: int | None = None


class Runner:
    """A network on a device, ready for pictures of any size.

    Args:
        network: folded or not; it is not changed.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        limits: what may be computed at once; changes memory and speed, not the picture.
        notice: called once with a line about each change that was needed to finish a picture.

    Raises:
        UsageError: no such device or precision, or a device that this machine does not have.
        MemoryExhausted: the network's weights do not fit into memory.
    """

    def __init__(
        self,
        network: Network,
        device: str,
        precision: str,
        limits: Limits | None = None,
        notice: Notice | None = None,
    ) -> None:
        self.network = network
        self._margin = margin_of(network.config)
        self._smallest = (1 + 2 * self._margin) ** 2  # windows of a tile of one with its margin
        self.limits = limits or Limits()
        self.device = choose_device(device)
        dtype = choose_precision(precision, self.device)
        self.precision = next(name for name, kind in PRECISIONS.items() if kind == dtype)
        self.used: set[str] = set()  # number types of the results since it was last emptied
        self._tell = notice or _ignore
        self._said: set[str] = set()
        self._most_windows: int | None = None  # in memory at once; None until memory has run out
        self._executor = self._placed(dtype)
        self._threads = torch.get_num_threads()

    def on_one_core(self) -> "Runner":
        """The same network for one core of the CPU, whose result is the same; several threads may share it."""
        return self._with(self._executor.on(1))

    def _with(self, executor: Executor) -> "Runner":
        twin = copy(self)
        twin._executor, twin.used = executor, set()  # noqa: SLF001 (one of its own kind)
        return twin

    def run(self, x: Tensor, level: Tensor | None = None, progress: Progress | None = None) -> Tensor:
        """(C, H, W) float32 about [0, 1] -> (C, scale·H, scale·W) float32 on the CPU, finite, not clipped.

        Raises:
            MemoryExhausted: not even one window with its neighbors fits into memory.
            PictureError: the network's output has NaN or infinity even in float32.
        """
        # One core, except for the layers, which have threads of their own.
        with one_core(self._threads):
            return self._run(x, level, progress)

    def _run(self, x: Tensor, level: Tensor | None, progress: Progress | None) -> Tensor:
        x, edge = padded(x, self.network.config)
        out = self._run_in_memory(x, edge, level, progress)
        used = self.precision
        if self.precision != "fp32" and not _is_finite(out):
            self.say(f"{self.precision} overflowed; the picture is computed again in fp32")
            del out  # it may take all the memory that a picture may have
            out = self._in_float32()._run_in_memory(x, edge, level, progress)  # noqa: SLF001
            used = "fp32"
        if not _is_finite(out):
            raise PictureError(
                "the network's output is not finite; the picture or the weights hold unusable values"
            )
        self.used.add(used)
        edge *= self.network.config.scale
        return out[:, edge:-edge, edge:-edge]

    @property
    def shares_memory(self) -> bool:
        """Whether the network computes in the memory that holds the pictures."""
        return self.device.type == "cpu"

    @property
    def bytes_per_window(self) -> int:
        """About how much memory one selection window takes while the network runs."""
        return bytes_per_window(self.network.config, self.item_bytes)

    @property
    def item_bytes(self) -> int:
        """Bytes of a feature."""
        return self._executor.dtype.itemsize

    @property
    def most_windows(self) -> int:
        """The most windows of a picture to compute at once, for callers that plan memory themselves."""
        if self.limits.tile is None and self._most_windows is None and self.shares_memory:
            return 1 << 30
        return self._windows()

    @property
    def memory(self) -> int:
        """Bytes that a picture and its arithmetic may take: those of the limits, or half of what is free."""
        return memory_budget(self.limits.max_memory, lambda: free_memory(torch.device("cpu")))

    def _in_float32(self) -> "Runner":
        """A runner for fp32: a separate one, since other pictures may be running on this one."""
        twin = self._with(self._executor)
        twin.precision = "fp32"
        twin._executor = twin._placed(torch.float32).on(self._executor.threads)  # noqa: SLF001
        return twin

    def _placed(self, dtype: torch.dtype) -> Executor:
        """The network on this runner's device, or on the CPU if a card has no room even for the weights."""
        self.batch = (self.limits.batch or BATCHES[self.device.type]) if self.device.type in BATCHES else 1
        if self.device.type == "cpu":
            prepare_cpu()
        try:
            return Executor(self.network, self.device, dtype, repeat=True)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if self.device.type == "cpu":
            raise MemoryExhausted("out of memory for the weights; close other programs, or use --model lite")
        return self._placed_on_cpu()

    def _placed_on_cpu(self) -> Executor:
        """The network on the CPU from now on, after the card ran out of memory."""
        self.say(f"out of memory on {self.device}; going on with the CPU")
        self.device, self.precision, self._most_windows = torch.device("cpu"), "fp32", None
        return self._placed(torch.float32)

    def _run_in_memory(self, x: Tensor, edge: int, level: Tensor | None, progress: Progress | None) -> Tensor:
        """The network over x, which has `edge` pixels of padding on each side, in tiles as large as memory allows."""
        height, width, window = *x.shape[1:], self.network.config.window
        # Padding is not counted, lest a tile that was cut to be run at once be cut again because of it.
        count = len(Grid(height - 2 * edge, width - 2 * edge, window))
        grid = Grid(height, width, window)
        while True:
            limit = self._smallest
            try:
                limit = self._windows()  # a full card may raise even when asked for its free memory
                tiles = plan_tiles(grid, len(grid) if count <= limit else limit, self._margin)
                return self._run_tiles(tiles, x, level, progress)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the handler, since the traceback of the failed attempt holds its tensors.
            self._retreat(min(limit, count), f"{width - 2 * edge}×{height - 2 * edge}")

    def _windows(self) -> int:
        """How many windows may be in memory at once."""
        if self._most_windows is not None:
            return self._most_windows
        if self.limits.tile is not None:
            return max(self._smallest, (self.limits.tile // self.network.config.window) ** 2)
        budget = memory_budget(self.limits.max_memory, lambda: free_memory(self.device))
        return max(self._smallest, budget // self.bytes_per_window)

    def _retreat(self, windows: int, size: str) -> None:
        """After running out of memory: half the batch, then half the tile, then the CPU, then an error."""
        device = self.device
        if self.batch > 1:
            self.batch //= 2
            self.say(f"out of memory on {self.device}; going on with smaller batches of windows")
        elif windows > self._smallest:
            self._most_windows = max(self._smallest, windows // 2)
            self.say(f"out of memory on {self.device}; going on with smaller tiles")
        elif self.device.type != "cpu":
            self._executor = self._placed_on_cpu()
        else:
            raise MemoryExhausted(
                f"out of memory for a picture of {size} pixels; free some memory, or cut the picture"
            )
        if device.type == "cuda":
            torch.cuda.empty_cache()

    def _run_tiles(
        self, tiles: list[Tile], x: Tensor, level: Tensor | None, progress: Progress | None
    ) -> Tensor:
        if len(tiles) == 1:
            return self._executor(x, level, self.batch, progress).cpu()
        scale = self.network.config.scale
        shape = (x.shape[0], scale * x.shape[1], scale * x.shape[2])
        out = zeros(prod(shape), torch.device("cpu"), torch.float32).view(shape)
        for index, tile in enumerate(tiles):
            rows, cols = tile.outer
            part = x[:, rows.start : rows.stop, cols.start : cols.stop]
            restored = self._executor(part, level, self.batch, of_part(progress, index, len(tiles)))
            kept_rows, kept_cols = tile.kept
            own_rows, own_cols = tile.own
            kept = restored[:, kept_rows.scaled(scale), kept_cols.scaled(scale)]
            out[:, own_rows.scaled(scale), own_cols.scaled(scale)] = kept
        return out

    def say(self, text: str) -> None:
        """Call `notice` with a line, unless this runner or a twin has done so before."""
        if text not in self._said:
            self._said.add(text)
            self._tell(text)


def padded(x: Tensor, config: NetworkConfig) -> tuple[Tensor, int]:
    """(C, H, W), padded with what the network shall see around it, and how many pixels that adds on each side."""
    edge = (_MIRRORED if config.scale == 1 else _REPEATED) * config.unshuffle
    mirror = config.scale == 1 and min(x.shape[1:]) > edge
    return F.pad(x[None], (edge,) * 4, mode="reflect" if mirror else "replicate")[0], edge


def _is_finite(x: Tensor) -> bool:
    """Whether all values are finite, found without another tensor of that size."""
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(x))  # which returns NaN if there is one


def _ignore(_: str) -> None:
    """Nobody listens."""
