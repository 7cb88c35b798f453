"""Progress of work that is made of parts, told as that of the whole."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Told units of work done, and units in all."""


@dataclass(slots=True)
class OverallProgress:
    """Adds up the progress of `runs` network runs."""

    progress: Progress | None
    runs: int
    done: int = 0

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` parts of the current run are computed; fewer than before if it had to start again."""
        if self.progress is not None:
            self.progress(self.done * total + done, self.runs * total)

    def end_run(self) -> None:
        """The current run has its result, and the next one begins."""
        self.done += 1


def of_part(progress: Progress | None, index: int, count: int) -> Progress | None:
    """A progress for part `index` of `count` equal ones, which tells that of all."""
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, count * total)
