"""What a run reports while it goes on, and to whom."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """Where a run is, for progress displays and the log."""

    step: int
    steps: int
    progress: float  # 0…1, by steps or by the time budget, whichever is further
    loss: float  # mean since the last report, of pixels in [0, 1]
    learning_rate: float
    seconds: float  # spent in the run so far, resumed parts included
    psnr: float | None = None  # dB by the run's validation, if just measured


@dataclass(frozen=True, slots=True)
class Unvalidated:
    """What to report about a step as soon as it is validated, in the units of `TrainingStatus`."""

    loss: float
    learning_rate: float


Report = Callable[[TrainingStatus], None]
Notify = Callable[[str], None]  # gets one line for the user


@dataclass(frozen=True, slots=True)
class Listeners:
    """Callbacks for what a run reports."""

    report: Report  # how far the run is
    warn: Notify  # what the user should know about the result
    notify: Notify  # other information


def ignore(_line: str) -> None:
    """Drop a line."""


SILENT = Listeners(lambda _: None, ignore, ignore)
