"""How much memory tiles take while networks run over them row by row, and how large they may be."""

from dataclasses import dataclass
from math import inf, prod

from nsr_cli.engine.grid import Grid
from nsr_cli.engine.tiles import best_shape, margin_of
from nsr_cli.machine import usable_threads
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.footprint import FLOAT_BYTES, SHARE, bytes_at_work

_MADE = 3  # copies of a tile's result: the network's, with its border, and cut


@dataclass(frozen=True, slots=True)
class TileCost:
    """Bytes that the tiles of one network take."""

    config: NetworkConfig
    row: int
    """For a row of windows, before and after the network."""
    window: int
    """For a window while the network runs; 0 if that is in another memory."""
    networks: int
    """How many networks share the memory; one of them runs at a time."""

    @classmethod
    def of(
        cls, config: NetworkConfig, width: int, channels: int, after: int, features: int, networks: int
    ) -> "TileCost":
        """The cost for a picture.

        Args:
            config, networks: as in the class.
            width, channels: of the picture.
            after: bytes of a sample of the network's finished result.
            features: bytes of a window's features; 0 if they are in another memory.
        """
        # Rows: stored and in float before the network; after it, with as much of the row before.
        row = width * config.window * channels * (2 * FLOAT_BYTES + int(1.5 * after * config.scale**2))
        if not features:
            return cls(config, row, 0, networks)
        # Once the network's features are freed, there are copies of its result while it is finished.
        made = config.window**2 * channels * _MADE * FLOAT_BYTES * config.scale**2
        return cls(config, row, max(features, made), networks)

    @property
    def least(self) -> int:
        """Memory for one window and the margin around it, in each of the networks."""
        side = 1 + 2 * margin_of(self.config)
        needed = side * self.row + side**2 * self._at_work
        return int(needed * self.networks / SHARE) + self.networks

    def shape(self, grid: Grid, limit: int, budget: int) -> tuple[int, int] | None:
        """Own windows of a tile, as `best_shape` finds them, that leave room for what the cores hold at work.

        That grows with the tile up to a bound. Reserving the bound is too much for small tiles, reserving a share for
        every window is too much for large ones: of the two tiles found so, the larger one is right.
        """
        bound = bytes_at_work(self.config, inf, usable_threads()) // self.networks if self.window else 0
        margin = margin_of(self.config)
        shapes = (
            best_shape(grid, limit, budget - bound, self.row, self.window, margin),
            best_shape(grid, limit, budget, self.row, self._at_work, margin),
        )
        return max((shape for shape in shapes if shape is not None), key=prod, default=None)

    @property
    def _at_work(self) -> int:
        """`window` with what the cores hold of the windows that they are computing."""
        if not self.window:
            return 0
        held = bytes_at_work(self.config, self.config.window**2, usable_threads())
        return self.window + held // self.networks
