"""What a run tells while it goes on, and whom."""

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
    psnr: float | None = None  # dB by the run's validation, where just measured


@dataclass(frozen=True, slots=True)
class Unvalidated:
    """What is to be reported of a step as soon as it is validated, in the units of `TrainingStatus`."""

    loss: float
    learning_rate: float


Report = Callable[[TrainingStatus], None]
Notify = Callable[[str], None]  # gets one line for the user


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what."""

    report: Report  # how far the run is
    warn: Notify  # what the user should know about the result
    notify: Notify  # what is good to know


def ignore(_line: str) -> None:
    """Tell nobody."""


SILENT = Listeners(lambda _: None, ignore, ignore)
