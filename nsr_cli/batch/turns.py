"""Which pictures may use the device: one with all cores, or small ones side by side with a core each.

    all cores      ████████ large ████████          one core each   ██ small ██ small ██ small
                   ████████ large ████████                          ███ small █ small ████ small

A picture of a few windows cannot be divided evenly among cores, and much of its way (rounding, padding, notes) is work
for one core anyway.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nsr_cli.batch.pipeline import Budget
from nsr_cli.machine import window_threads


@dataclass(slots=True)
class Turn:
    """One picture's time on the device."""

    wait: float = 0.0
    """Seconds in which the device was idle before it."""
    seconds: float = 0.0
    """Seconds of the device's time; if several pictures share it, this one's part."""


class Turns:
    """Assigns the cores.

    Args:
        pictures: how many there are; None if unknown.
        stop: when set, `take` gives up.
        cores: how many there are; default: those that this process may use.
    """

    def __init__(self, pictures: int | None, stop: threading.Event, cores: int | None = None) -> None:
        self.cores = cores or window_threads()
        self._pictures = pictures
        self._free = Budget(self.cores, stop)
        self._lock = threading.Lock()
        self._arrived = self._active = 0
        self._shared = 0.0  # seconds of the device that a picture active since the start would have had
        self._changed = time.perf_counter()

    def arrive(self) -> None:
        """Count another picture that has come to the device."""
        with self._lock:
            self._arrived += 1

    @property
    def crowded(self) -> bool:
        """Whether the last picture that came and all after it are enough to give every core one of its own."""
        if self._pictures is None:
            return 1 < self.cores < self._arrived
        return 1 < self.cores <= self._pictures - self._arrived + 1 + self._active

    @contextmanager
    def take(self, turn: Turn, cores: int, ignored: float = 0.0) -> Iterator[None]:
        """Wait for that many cores, hold them, and add the times to `turn`; `ignored` seconds do not count as waiting.

        Raises:
            Cancelled: the run was stopped.
        """
        self._free.take(cores)
        with self._lock:
            passed = self._pass()
            turn.wait += 0.0 if self._active else max(0.0, passed - ignored)
            self._active += 1
            begin = self._shared
        try:
            yield
        finally:
            with self._lock:
                self._pass()
                self._active -= 1
                turn.seconds += self._shared - begin
            self._free.give(cores)

    def _pass(self) -> float:
        """Divide the time since the last change among the active pictures; returns it."""
        now = time.perf_counter()
        passed, self._changed = now - self._changed, now
        if self._active:
            self._shared += passed / self._active
        return passed
