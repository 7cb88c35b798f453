"""Signals that ask the program to end: noted during training, and acted on once the run is saved."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from nsr_cli.signals import first_signal


@dataclass(slots=True)
class Noted:
    """The signal that has come, if any."""

    number: int = 0  # 0 for none


@contextlib.contextmanager
def noted_signals() -> Iterator[Noted]:
    """Note the first signal that comes, as `first_signal` does, and let a second one end the process at once."""
    noted = Noted()

    def note(number: int) -> None:
        noted.number = number

    with first_signal(note, is_final=False):
        yield noted


def deliver(number: int, remark: str) -> None:
    """Act on a signal as if it came now; if that raises `KeyboardInterrupt`, that gets `remark` as a note."""
    handler = signal.getsignal(number)
    try:
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)
    except KeyboardInterrupt as stopped:
        stopped.add_note(remark)
        raise
