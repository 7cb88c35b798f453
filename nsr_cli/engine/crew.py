"""Threads that share the windows of a layer: every core convolves windows of its own.

A convolution of a few windows is too short to be split between cores, so each core runs whole ones. PyTorch releases
the interpreter lock while it computes, so plain threads suffice. Each window is computed by one thread alone, so the
result does not depend on the number of threads.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import torch

_BEAT = 0.2  # seconds between two calls of `beat`


class Crew:
    """`size` threads, including the caller's, for the duration of a `with` block; fewer if the system allows no more.

    Within it, an operation of PyTorch in any of these threads uses one core.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._barrier = threading.Barrier(1)
        self._begun = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stop = False
        self._work: Callable[[int], None] = _nothing
        self._items = iter(range(0))
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._cores = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with suppress(RuntimeError):  # no more threads: those that run share the work
                while len(self._threads) < self._size - 1:
                    thread = threading.Thread(target=self._serve, daemon=True)
                    thread.start()
                    self._threads.append(thread)
        except BaseException:  # a signal, after which `__exit__` is not called
            self._end()
            raise
        self._barrier = threading.Barrier(1 + len(self._threads))
        self._begun.set()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _end(self) -> None:
        self._stop = True
        self._barrier.abort()
        self._begun.set()
        for thread in self._threads:
            thread.join()
        # At the end, since a new thread starts with the number that any thread has set last.
        torch.set_num_threads(self._cores)

    def share(self, work: Callable[[int], None], items: int, beat: Callable[[], None] | None = None) -> None:
        """Call `work` with 0 … items − 1, once each, in any thread and order; return when all are done.

        Args:
            work: computes one item; must not depend on the others.
            items: how many there are.
            beat: called in the caller's thread a few times a second.

        Raises:
            BaseException: the first that `work` or `beat` raised; items not yet started are skipped.
        """
        self._work, self._items = work, iter(range(items))
        self._barrier.wait()
        self._drain(beat)
        self._barrier.wait()
        self._work = _nothing
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # the traceback holds this frame, and with it the tensors of the failed attempt

    def _serve(self) -> None:
        torch.set_num_threads(1)
        self._begun.wait()
        with torch.inference_mode():
            try:
                while True:
                    self._barrier.wait()
                    self._drain(None)
                    self._barrier.wait()
            except threading.BrokenBarrierError:
                pass

    def _drain(self, beat: Callable[[], None] | None) -> None:
        last = time.monotonic()
        try:
            for item in self._items:  # shared by all threads: the iterator returns every number once
                if self._stop or self._error is not None:
                    return
                self._work(item)
                if beat is not None and time.monotonic() - last > _BEAT:
                    last = time.monotonic()
                    beat()
        except BaseException as error:  # noqa: BLE001 (`share` raises it again in the caller's thread)
            if self._error is None:
                self._error = error


def _nothing(_: int) -> None:
    """There is no work."""
