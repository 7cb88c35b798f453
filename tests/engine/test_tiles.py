"""Tiles cover a picture exactly once and never exceed their limit."""

import numpy as np
import pytest

from nsr_cli.engine.grid import Grid
from nsr_cli.engine.tiles import plan_tiles, tile_rows, times_computed


@pytest.mark.parametrize("size", [(1, 1), (48, 48), (500, 700), (49, 3000), (3000, 10), (961, 960)])
@pytest.mark.parametrize("limit", [1, 9, 20, 64, 10_000])
@pytest.mark.parametrize("margin", [1, 2])
def test_tiles_partition_the_picture_within_the_limit(size: tuple[int, int], limit: int, margin: int) -> None:
    grid = Grid(*size, 48)
    covered = np.zeros(size, int)
    for tile in plan_tiles(grid, limit, margin):
        rows, cols = tile.own
        covered[rows.start : rows.stop, cols.start : cols.stop] += 1
        outer_rows, outer_cols = tile.outer
        height, width = outer_rows.stop - outer_rows.start, outer_cols.stop - outer_cols.start
        assert len(Grid(height, width, 48)) <= max(limit, (1 + 2 * margin) ** 2)
        for own, outer, length in zip(tile.own, tile.outer, size, strict=True):
            assert outer.start == max(0, own.start - 48 * margin)
            assert outer.stop == min(length, -(-own.stop // 48) * 48 + 48 * margin)
    assert (covered == 1).all()


def test_what_fits_is_one_tile() -> None:
    assert len(plan_tiles(Grid(480, 480, 48), 100, 1)) == 1
    assert len(plan_tiles(Grid(480, 481, 48), 100, 1)) > 1


@pytest.mark.parametrize("tile", [(1, 1), (2, 3), (5, 40), (40, 40)])
@pytest.mark.parametrize("margin", [1, 2])
def test_the_arithmetic_of_margins_is_counted(tile: tuple[int, int], margin: int) -> None:
    grid = Grid(480, 1000, 48)
    tiles = [one for row in tile_rows(grid, *tile, margin) for one in row]
    computed = sum(
        len(Grid(rows.stop - rows.start, cols.stop - cols.start, 48))
        for rows, cols in (one.outer for one in tiles)
    )
    assert times_computed(grid, tile, margin) == pytest.approx(computed / len(grid))
