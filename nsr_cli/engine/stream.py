"""Networks on pictures that are never in memory as a whole: one row of tiles after another.

The tiles are those of `tiles`, cut along the selection grid of the whole picture, so the result is the same as with
tiles of a picture in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nsr_cli.engine.arrays import run_array
from nsr_cli.engine.bands import (
    Bands,
    Shape,
    blended_bands,
    blocks,
    mapped_bands,
    resized_bands,
    spread_bands,
)
from nsr_cli.engine.clipping import spread_excess
from nsr_cli.engine.device import give_back
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.progress import OverallProgress, Progress
from nsr_cli.engine.runner import Runner
from nsr_cli.engine.tilecost import TileCost
from nsr_cli.engine.tiles import Span, Tile, bytes_per_window, margin_of, tile_rows, times_computed
from nsr_cli.errors import MemoryExhausted
from nsr_cli.imaging.color import White, from_unit
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.footprint import FLOAT_BYTES, SHARE


@dataclass(frozen=True, slots=True)
class Finish:
    """What is done with a network's result."""

    dtype: np.dtype[Any]
    """Type of the final samples."""
    white: White | None
    """Their white, as for `from_unit`."""
    limit: float | None
    """The greatest value, 1 or more, to which the result will be clipped; None: it will not be."""

    def convert(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """The final samples."""
        return from_unit(rows, self.dtype, self.white)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a picture is cut for one network."""

    runner: Runner
    grid: Grid
    tile: tuple[int, int]
    """Own windows of a tile, down and across."""
    channels: int
    by_channel: bool = False
    """See `run_array`."""

    @property
    def runs(self) -> int:
        """How often the network runs: once for each tile, or once for each of its channels."""
        tiles = -(-self.grid.rows // self.tile[0]) * -(-self.grid.cols // self.tile[1])
        return tiles * (self.channels if self.by_channel else 1)

    @property
    def multiplications(self) -> tuple[float, float]:
        """Those of the picture's windows, each once, and those of all tiles with their margins."""
        config = self.runner.network.config
        once = len(self.grid) * config.window**2 * config.macs_per_pixel
        return once, once * times_computed(self.grid, self.tile, margin_of(config))


def plan(
    runners: Sequence[Runner],
    shape: Shape,
    memory: int,
    finished: int = FLOAT_BYTES,
    *,
    strict: bool = True,
    by_channel: bool = False,
) -> list[TilePlan]:
    """How a picture is cut for several networks, one after the other, in `memory` bytes altogether.

    Args:
        runners: the networks; each enlarges what the one before made.
        shape: of the picture.
        memory: bytes beyond what the process has already.
        finished: bytes of a sample of the last network's result, once it is finished.
        strict: fail rather than take more.
        by_channel: as for `run_array`.

    Raises:
        MemoryExhausted: `memory` is too little for the smallest tiles.
    """
    configs = [runner.network.config for runner in runners]
    features = [runner.bytes_per_window if runner.shares_memory else 0 for runner in runners]
    costs = _costs(configs, features, shape.width, shape.channels, finished)
    tile_plans = []
    budget = int(SHARE * memory) // len(runners)
    height, width = shape.height, shape.width
    for runner, config, cost in zip(runners, configs, costs, strict=True):
        grid = Grid(height, width, config.window)
        tile = cost.shape(grid, runner.most_windows, budget)
        if tile is None and strict:
            raise MemoryExhausted(
                f"{-(-cost.least >> 20)} MiB of memory are needed for {width} pixels across, and "
                f"{memory >> 20 or format(memory / (1 << 20), '.1g')} MiB are allowed; raise --max-memory"
            )
        tile_plans.append(TilePlan(runner, grid, tile or (1, 1), shape.channels, by_channel))
        height, width = height * config.scale, width * config.scale
    _tell_of_margins(tile_plans)
    return tile_plans


def _tell_of_margins(tile_plans: Sequence[TilePlan]) -> None:
    """Say, once, if the user allows so little memory that margins take more arithmetic than the picture."""
    runner = tile_plans[0].runner
    if runner.limits.max_memory is None or runner.limits.tile is not None:
        return
    once, all_of_it = map(sum, zip(*(one.multiplications for one in tile_plans), strict=True))
    if all_of_it >= 2 * once:
        runner.say(
            "--max-memory leaves room for small tiles only, whose margins take more computing than the picture "
            "itself; with a larger one it is faster"
        )


def least_memory(
    configs: Sequence[NetworkConfig], width: int, channels: int, finished: int, *, shares_memory: bool = True
) -> int:
    """The least memory with which `plan` finds tiles, for pictures of this width and any height, in float32.

    Args:
        configs: of the networks, in their order.
        width, channels: of the picture.
        finished: as for `plan`.
        shares_memory: whether features are in the memory that is counted.
    """
    features = [bytes_per_window(config, FLOAT_BYTES) if shares_memory else 0 for config in configs]
    return max(cost.least for cost in _costs(configs, features, width, channels, finished))


def _costs(
    configs: Sequence[NetworkConfig], features: Sequence[int], width: int, channels: int, finished: int
) -> Iterator[TileCost]:
    """The cost of each network's tiles; `features` as for `TileCost.of`, all else as for `least_memory`."""
    for index, (config, window) in enumerate(zip(configs, features, strict=True)):
        after = finished if index == len(configs) - 1 else FLOAT_BYTES
        yield TileCost.of(config, width, channels, after, window, len(configs))
        width *= config.scale


def network_bands(
    source: Bands,
    tile_plan: TilePlan,
    level: Tensor | None,
    watch: OverallProgress,
    finish: Finish | None = None,
) -> Bands:
    """A network's result.

    Args:
        source: the network's input.
        tile_plan: how it is cut.
        level: as for `Runner.run`.
        watch: called with parts of tiles done and in total; what it raises ends the work.
        finish: what is done with the result; None: it stays float, and will not be clipped.
    """
    runner, grid = tile_plan.runner, tile_plan.grid
    tap, scale = source.tap(), runner.network.config.scale
    shape = Shape(grid.height * scale, grid.width * scale, source.shape.channels)
    dtype = np.dtype(np.float32) if finish is None else finish.dtype
    rows = tile_rows(grid, *tile_plan.tile, margin_of(runner.network.config))

    def own(part: NDArray[np.float32], tile: Tile) -> NDArray[Any]:
        """The result for the own part of a tile; `part` has the rows of the tile, in full width."""
        seen = part[:, tile.outer[1].start : tile.outer[1].stop]
        restored = run_array(runner, seen, level, watch, by_channel=tile_plan.by_channel)
        if finish is not None and finish.limit is not None:
            spread_excess(restored, finish.limit)
        down, across = tile.kept
        kept = restored[down.scaled(scale), across.scaled(scale)]
        return kept if finish is None else finish.convert(kept)

    def make(span: Span) -> NDArray[Any]:
        tiles = next(rows)
        give_back()  # else every row of tiles leaves gaps in memory, and the process grows with the picture
        outer = tiles[0].outer[0]
        part = tap.unit(outer.start, outer.stop)
        out = np.empty((span.stop - span.start, shape.width, shape.channels), dtype)
        for tile in tiles:
            out[:, tile.own[1].scaled(scale)] = own(part, tile)
        return out

    return Bands(shape, blocks(shape.height, tile_plan.tile[0] * grid.window * scale), make, source.white)


def restored_bands(
    source: Bands,
    tile_plans: Sequence[TilePlan],
    level: Tensor | None,
    sizes: Sequence[tuple[int, int]],
    strength: float,
    finish: Finish,
    progress: Progress | None,
) -> Bands:
    """A picture sent through networks, resized, blended with the unrestored one, and finished.

    Args:
        source: the picture.
        tile_plans: the networks and how it is cut for them.
        level: as for `Runner.run`.
        sizes: heights and widths to which the result is resized, one after the other.
        strength: as in `RestoreOptions`.
        finish: what is done with the result.
        progress: called with parts done and in total.
    """
    watch = OverallProgress(progress, sum(tile_plan.runs for tile_plan in tile_plans))
    grid, scale = tile_plans[-1].grid, tile_plans[-1].runner.network.config.scale
    natural = (grid.height * scale, grid.width * scale)
    direct = strength == 1.0 and all(size == natural for size in sizes)
    bands = source
    for index, tile_plan in enumerate(tile_plans):
        final = direct and index == len(tile_plans) - 1
        bands = network_bands(bands, tile_plan, level, watch, finish if final else None)
    if direct:
        return bands
    for size in sizes:
        if bands.shape.size != size:
            bands = resized_bands(bands, *size)
    if finish.limit is not None:
        bands = spread_bands(bands, finish.limit)
    if strength != 1.0:
        return blended_bands(source, bands, strength, finish.convert)
    return mapped_bands(finish.convert, bands)
