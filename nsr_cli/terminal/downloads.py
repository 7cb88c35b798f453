"""Weights that a command has to download first: a second bar on a terminal, a plain line elsewhere."""

from nsr_cli.fetch import Progress
from nsr_cli.terminal.console import Console
from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.store import WeightStore


class ShownStore(WeightStore):
    """A `WeightStore` that shows its downloads on `console`."""

    def __init__(self, console: Console, *, mirror: str | None, offline: bool) -> None:
        super().__init__(mirror=mirror, offline=offline)
        self._console = console

    def read(self, weights: WeightEntry | str, progress: Progress | None = None) -> tuple[WeightEntry, bytes]:
        """As `WeightStore.read`; without a `progress` the console shows it."""
        if progress is not None:
            return super().read(weights, progress)
        entry = self.manifest.get(weights) if isinstance(weights, str) else weights
        with self._console.download(entry.name) as shown:
            return super().read(entry, shown)
