"""Progress of work that consists of parts, reported as that of the whole."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Called with units of work done, and units in total."""


@dataclass(slots=True)
class OverallProgress:
    """Adds up the progress of `runs` network runs."""

    progress: Progress | None
    runs: int
    done: int = 0

    def __call__(self, done: int, total: int) -> None:
        """Report `done` of `total` parts of the current run; fewer than before if it had to start again."""
        if self.progress is not None:
            self.progress(self.done * total + done, self.runs * total)

    def end_run(self) -> None:
        """Count the current run as finished; the next one begins."""
        self.done += 1


def of_part(progress: Progress | None, index: int, count: int) -> Progress | None:
    """A callback for part `index` of `count` equal ones that reports the progress of all."""
    if progress is None:
        return None
    return lambda done, total: progress(index * total + done, count * total)
