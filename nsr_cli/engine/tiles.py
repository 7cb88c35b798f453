"""Tiles: parts of a picture that fit into memory, cut along the selection grid.

A tile is a memory choice. It consists of whole selection windows and is read with a margin of whole windows around
it, which are computed and dropped, so that its own windows have nearly the same features around them as in one piece.
The difference that remains comes from the margin's outermost windows: they choose their kernels by means over features
that have no neighbors on one side.

    ┌───────────────┐
    │ margin        │     outer: what is computed
    │   ┌───────┐   │     own: what is kept
    │   │  own  │   │     at the picture's border there is no margin
    │   └───────┘   │
    └───────────────┘
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.footprint import bytes_per_pixel

if TYPE_CHECKING:  # these import torch, which cutting does not need
    from nsr_cli.engine.grid import Grid


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels start…stop along one axis."""

    start: int
    stop: int

    def scaled(self, scale: int) -> slice:
        """The same pixels after upscaling."""
        return slice(self.start * scale, self.stop * scale)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile in input pixels: the part that is kept and the part that is computed."""

    own: tuple[Span, Span]  # rows, columns
    outer: tuple[Span, Span]

    @property
    def kept(self) -> tuple[Span, Span]:
        """The own part, counted from the corner of the outer part."""
        rows, cols = (
            Span(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.own, self.outer, strict=True)
        )
        return rows, cols


def margin_of(config: NetworkConfig) -> int:
    """How many windows around a tile hide its border, so that pixels differ by at most one 8-bit level.

    As many as the network's convolutions can see, and at least two if a small difference in the mean features
    changes the choice of kernels a lot, so that the inner one has correct means. A hard choice (`gumbel`) can still
    fall on another group, whatever the margin.
    """
    inner = config.inner
    reach = 2 * inner.blocks + 2  # pixels: one for each 3×3 convolution, head and tail included
    sensitive = inner.selection in ("sigmoid", "gumbel") or inner.temperature < 1
    return max(-(-reach // inner.window), 2 if sensitive else 1)


def bytes_per_window(config: NetworkConfig, item_bytes: int) -> int:
    """Memory that one selection window takes while the network runs, with features of `item_bytes` bytes."""
    return int(config.window**2 * bytes_per_pixel(config, config.channels, item_bytes))


def plan_tiles(grid: "Grid", limit: int, margin: int) -> list[Tile]:
    """Tiles that make up the picture, each with at most `limit` windows including its margin.

    `margin` is from `margin_of`. The smallest tile is one window with its margin, even if that exceeds the limit.
    """
    if len(grid) <= limit:
        whole = (Span(0, grid.height), Span(0, grid.width))
        return [Tile(whole, whole)]
    rows, cols = _tile_shape(grid, limit, margin)
    return [tile for row in tile_rows(grid, rows, cols, margin) for tile in row]


def tile_rows(grid: "Grid", rows: int, cols: int, margin: int) -> Iterator[list[Tile]]:
    """All tiles of `rows` × `cols` own windows, one row of tiles after the other."""
    across = list(_spans(grid.cols, cols, grid.width, grid.window, margin))
    for own_y, outer_y in _spans(grid.rows, rows, grid.height, grid.window, margin):
        yield [Tile((own_y, own_x), (outer_y, outer_x)) for own_x, outer_x in across]


def best_shape(
    grid: "Grid", limit: int, budget: int, row_bytes: int, window_bytes: int, margin: int
) -> tuple[int, int] | None:
    """Own windows of a tile, down and across, for a picture that is restored one row of tiles after another.

    Args:
        grid: of the whole picture.
        limit: windows of a tile, margin included.
        budget: bytes for a row of tiles and one tile together.
        row_bytes: bytes of the picture's rows, before and after the network, for each row of windows.
        window_bytes: bytes of a window while the network runs; 0 if that is in another memory.
        margin: windows around a tile, from `margin_of`.

    Returns:
        The shape for which the fewest pixels are computed twice; None if not even one window fits.
    """
    best, least = None, float("inf")
    for rows in range(1, grid.rows + 1):
        outer = min(rows + 2 * margin, grid.rows)
        left = budget - row_bytes * outer
        most = min(limit, left // window_bytes if window_bytes else limit) // outer
        cols = grid.cols if most >= grid.cols else most - 2 * margin
        if left < 0 or cols < 1:
            break
        # All rows of tiles have the same share of margins, so the shape does not depend on the height.
        computed = 1 + 2 * margin / rows if rows < grid.rows else 1.0
        computed *= grid.cols + (-(-grid.cols // cols) - 1) * 2 * margin
        if computed < least:
            best, least = (rows, cols), computed
    return best


def times_computed(grid: "Grid", tile: tuple[int, int], margin: int) -> float:
    """How often a window of the picture is computed on average: once for its own tile, else within margins.

    Args:
        grid: of the whole picture.
        tile: own windows of a tile, down and across.
        margin: windows around a tile.
    """
    times = 1.0
    for count, step in zip((grid.rows, grid.cols), tile, strict=True):
        starts = range(0, count, step)
        times *= sum(min(start + step + margin, count) - max(start - margin, 0) for start in starts) / count
    return times


def _tile_shape(grid: "Grid", limit: int, margin: int) -> tuple[int, int]:
    """Own windows of a tile, down and across: about square, since that wastes least on margins."""
    side = max(1, int(limit**0.5) - 2 * margin)
    if grid.rows <= side:  # a low picture: no margin above and below, so tiles may be wider
        return grid.rows, max(1, limit // grid.rows - 2 * margin)
    if grid.cols <= side:
        return max(1, limit // grid.cols - 2 * margin), grid.cols
    return side, side


def _spans(count: int, step: int, length: int, window: int, margin: int) -> Iterator[tuple[Span, Span]]:
    for start in range(0, count, step):
        stop = min(start + step, count)
        own = Span(start * window, min(stop * window, length))
        outer = Span(max(start - margin, 0) * window, min((stop + margin) * window, length))
        yield own, outer
