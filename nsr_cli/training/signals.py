"""Signals that ask a program to end: noted while a run trains, so that it is saved first, and acted on afterwards."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@dataclass(slots=True)
class Noted:
    """What came so far."""

    number: int = 0  # of the signal; 0 is none


@contextlib.contextmanager
def noted_signals() -> Iterator[Noted]:
    """Note the first signal that comes, and let a second one end the process at once.

    Signals that are ignored stay so (nohup, a shell's background job). Outside the main thread nothing is noted.
    """
    noted = Noted()
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():
        before = {}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the system's signature)
        noted.number = number
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def deliver(number: int, remark: str) -> None:
    """Act on a signal as if it came now; a `KeyboardInterrupt` that this raises gets a note."""
    handler = signal.getsignal(number)
    try:
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)
    except KeyboardInterrupt as stopped:
        stopped.add_note(remark)
        raise
