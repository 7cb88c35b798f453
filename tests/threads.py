"""A limit to the number of threads, as `ulimit -u` or a container's pids limit sets it."""

import threading

import pytest


def allow(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have `count` more threads than it has now, and no further ones."""
    most, start = threading.active_count() + count, threading.Thread.start

    def refuse_beyond(thread: threading.Thread) -> None:
        if threading.active_count() >= most:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_beyond)
