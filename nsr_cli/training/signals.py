"""Signals that ask the program to end: noted during training, and acted on once the run is saved."""

import contextlib
import signal
from collections.abc import Callable, Iterator

from nsr_cli.signals import first_signal


@contextlib.contextmanager
def noted_signals() -> Iterator[Callable[[], int]]:
    """Yield what tells the number of the first signal that has come, 0 for none; a second one ends the process at once.

    Which signals these are, see `first_signal`.
    """
    came: list[int] = []
    with first_signal(came.append, is_final=False):
        yield lambda: came[0] if came else 0


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
