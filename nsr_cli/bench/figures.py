"""What is measured, and how: alternatives are timed in turn, in one run.

Absolute times on a shared machine drift, but the ratio of two things timed A B A B … holds. Every figure is a median.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nsr_cli.engine.device import choose_device, choose_precision, prepare_cpu, wait_for
from nsr_cli.engine.runner import BATCHES
from nsr_cli.machine import window_threads


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, and the project's target for it, if there is one."""

    name: str
    value: float
    unit: str
    target: str = ""  # in words: "≤ 1.10"
    met: bool | None = None

    @classmethod
    def at_most(cls, limit: float, name: str, value: float, unit: str) -> "Figure":
        """A figure that should not be above the limit."""
        return cls(name, value, unit, f"≤ {limit:g}", value <= limit)

    @classmethod
    def at_least(cls, limit: float, name: str, value: float, unit: str) -> "Figure":
        """A figure that should not be below the limit."""
        return cls(name, value, unit, f"≥ {limit:g}", value >= limit)


@dataclass(frozen=True, slots=True)
class Growth:
    """How time grows with the picture: median seconds for each of some sizes in megapixels."""

    megapixels: tuple[float, ...]
    seconds: tuple[float, ...]

    def figures(self) -> list[Figure]:
        """Seconds per megapixel, and their largest distance from the median."""
        each = [seconds / size for seconds, size in zip(self.seconds, self.megapixels, strict=True)]
        middle = statistics.median(each)
        worst = max(abs(one / middle - 1) for one in each) * 100
        rows = [
            Figure(f"tiny sparse network at {size:g} megapixels", one, "s/MP")
            for size, one in zip(self.megapixels, each, strict=True)
        ]
        return [*rows, Figure.at_most(15, "seconds per megapixel: farthest from their median", worst, "%")]


def time_in_turn(
    works: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of each work on a device, run one after the other `repeats` times after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    wait_for(device)
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            wait_for(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to measure."""

    device: torch.device
    dtype: torch.dtype
    repeats: int

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto", repeats: int = 5) -> "Place":
        """The place by its names. Raises `UsageError` if this machine does not have it."""
        chosen = choose_device(device)
        if chosen.type == "cpu":
            prepare_cpu()
        return cls(chosen, choose_precision(precision, chosen), repeats)

    def time_in_turn(self, works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """As `time_in_turn`, without autograd."""
        with torch.inference_mode():
            return time_in_turn(works, self.repeats, self.device)

    @property
    def batch(self) -> int:
        """Windows that the engine convolves at once here."""
        return BATCHES.get(self.device.type, 1)

    @property
    def cores(self) -> int:
        """Windows that are convolved side by side, each by one core."""
        return window_threads() if self.device.type == "cpu" else 1


def channels_last(x: Tensor) -> Tensor:
    """The same values with channels innermost, for the fastest convolutions on a CPU."""
    return x.contiguous(memory_format=torch.channels_last)
