"""Which restorer a page gets: that of the task or a chain of steps, for gray pictures if the page has no color."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from nsr_cli.batch.streamed import Leaf
from nsr_cli.errors import DecodeError
from nsr_cli.forecast.rows import most_restored
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.chain import Chain, Sample
from nsr_cli.steps.colorless import ColorlessRestorer, are_colorless, in_gray, is_colorless
from nsr_cli.steps.levels import Level
from nsr_cli.steps.restorers import Link, RestorerLike, Restorers


@dataclass(frozen=True, slots=True)
class Choice:
    """Chooses among the restorers of a run; every method raises as `Restorers.get`.

    `check` is called repeatedly; what it raises ends the reading of rows.
    """

    settings: Settings
    restorers: Restorers
    check: Callable[[], None]

    def for_page(self, page: Picture, level: Level) -> RestorerLike:
        """The restorer for a page that is in memory."""
        if is_colorless(page):
            return ColorlessRestorer(self._for(in_gray(page), level))
        return self._for(page, level)

    def for_leaf(self, leaf: Leaf) -> RestorerLike:
        """The restorer for a page that is never in memory as a whole."""
        source, most = leaf.source, most_restored(self.settings)
        with suppress(DecodeError):  # raised again, with its page, when the rows are restored
            if not source.page.is_gray and are_colorless(source.bands(), self.check):
                gray = in_gray(source.page)
                return ColorlessRestorer(self._for(gray, leaf.level, lambda: source.sample(most)[..., :1]))
        return self._for(source.page, leaf.level, lambda: source.sample(most))

    def _for(self, page: Picture, level: Level, sample: Sample | None = None) -> RestorerLike:
        if self.settings.task != "auto":
            return self.restorers.get(page, self.settings.task)
        return Chain([Link(step, self.restorers.get(page, step.task)) for step in level.steps], sample)
