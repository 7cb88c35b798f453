"""React to the first signal that asks the program to end; the second one ends it at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def first_signal(act: Callable[[int], None], *, is_final: bool) -> Iterator[None]:
    """Call `act` with the number of the first signal; a second one ends the process at once.

    Signals that the parent told us to ignore (nohup, a shell's background job) stay ignored. Outside the main thread
    this does nothing, since only that one gets signals.

    Args:
        act: may raise.
        is_final: whether a second signal still ends the process at once after the `with` block; otherwise it is
            handled as before the block.
    """
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():
        before = {}

    def catch(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the system's signature)
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        act(number)

    for number in before:
        signal.signal(number, catch)
    try:
        yield
    finally:
        for number, handler in before.items():
            if not is_final or signal.getsignal(number) is catch:
                signal.signal(number, handler)
