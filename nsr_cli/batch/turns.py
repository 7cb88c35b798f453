"""Whose turn it is on the device: a picture with all cores, or small ones side by side with a core each.

    all cores      ████████ large ████████          one core each   ██ small ██ small ██ small
                   ████████ large ████████                          ███ small █ small ████ small

A picture of a few windows cannot be shared out evenly, and much of its way (rounding, padding, notes) is the work of
one core anyway.
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
    """Seconds in which the device stood still before it."""
    seconds: float = 0.0
    """Seconds of the device: where several share it, each one's part of them."""


class Turns:
    """Hands out the cores.

    Args:
        pictures: how many there are; None if that is not known.
        stop: when set, `take` gives up.
        cores: how many there are; default: those that this process may use.
    """

    def __init__(self, pictures: int | None, stop: threading.Event, cores: int | None = None) -> None:
        self.cores = cores or window_threads()
        self._pictures = pictures
        self._free = Budget(self.cores, stop)
        self._lock = threading.Lock()
        self._arrived = self._active = 0
        self._shared = 0.0  # seconds of the device that each of those active since the start would have had
        self._changed = time.perf_counter()

    def arrive(self) -> None:
        """Another picture has come to the device."""
        with self._lock:
            self._arrived += 1

    @property
    def crowded(self) -> bool:
        """Whether there are enough pictures, from the one that came last on, to keep every core busy with its own."""
        if self._pictures is None:
            return 1 < self.cores < self._arrived
        return 1 < self.cores <= self._pictures - self._arrived + 1 + self._active

    @contextmanager
    def take(self, turn: Turn, cores: int, ignored: float = 0.0) -> Iterator[None]:
        """Wait for that many cores and hold them, and add it to `turn`; `ignored` seconds before were no waiting.

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
        """Share out the time since the last change; returns it."""
        now = time.perf_counter()
        passed, self._changed = now - self._changed, now
        if self._active:
            self._shared += passed / self._active
        return passed
