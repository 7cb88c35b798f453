"""What a tile takes in memory; `tests/engine/test_stream.py` has plans for whole pictures."""

from nsr_cli.engine.grid import Grid
from nsr_cli.engine.tilecost import TileCost
from nsr_cli.model.footprint import SHARE
from tests.tiny import tiny_config

CONFIG = tiny_config(2)
WINDOW = 1 << 20  # bytes of features


def test_a_window_takes_what_its_features_or_its_results_take_and_nothing_in_another_memory() -> None:
    small, large, elsewhere = (TileCost.of(CONFIG, 1000, 3, 1, size, 1) for size in (1, WINDOW, 0))
    assert small.window == 3 * 4 * 3 * 96**2  # three results in float
    assert large.window == WINDOW and elsewhere.window == 0
    assert small.row == large.row == elsewhere.row == 1000 * 48 * 3 * (8 + 6)
    assert elsewhere.least < small.least < large.least


def test_the_least_memory_is_that_of_the_smallest_tile() -> None:
    grid = Grid(5000, 1000, CONFIG.window)
    for networks in (1, 2):
        cost = TileCost.of(CONFIG, 1000, 3, 1, WINDOW, networks)
        for memory, shape in ((cost.least, (1, 1)), (int(0.99 * cost.least), None)):
            assert cost.shape(grid, 1 << 20, int(SHARE * memory) // networks) == shape
