"""Waiting for what happens in other threads and processes, instead of for a time that should be enough."""

import threading
import time
from collections import Counter
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true; a failure if it still is not after that many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"nothing has happened within {seconds:g} seconds"
        time.sleep(0.005)


class WatchedStop(threading.Event):
    """A stop event that knows how often each thread has looked at it: one that waits does so again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: Counter[str] = Counter()
        """By the name of the thread."""

    def is_set(self) -> bool:
        self.looks[threading.current_thread().name] += 1
        return super().is_set()

    def see_waiting(self, thread: str) -> None:
        """Return when the thread has looked twice from now on: in between it saw no reason to go on."""
        before = self.looks[thread]
        until(lambda: self.looks[thread] >= before + 2)
