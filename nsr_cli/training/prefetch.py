"""Batches made ahead of the steps that need them, in order and in limited number."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import torch

from nsr_cli.machine import usable_threads
from nsr_cli.training.patches import Batch

_MOST_THREADS = 8


def threads_for(device: torch.device) -> int:
    """How many threads draw batches: one if the CPU trains, several if an accelerator would have to wait."""
    return 1 if device.type == "cpu" else min(_MOST_THREADS, usable_threads())


class Prefetcher:
    """Draws the batches of coming steps while the present one is trained on.

    Use it in a `with` statement. A step's batch must depend on the step alone, so that batches are the same with any
    number of threads.

    Args:
        draw: returns the batch of a step; called from several threads.
        first: the first step.
        threads: how many threads draw. One makes one batch ahead; several make one more than their number.
    """

    def __init__(self, draw: Callable[[int], Batch], first: int, threads: int) -> None:
        self._draw, self._next = draw, first
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._depth = 1 if threads == 1 else threads + 1
        self._waiting: deque[Future[Batch]] = deque()

    def take(self) -> Batch:
        """The batch of the next step; an error in its thread is raised here."""
        self._fill()
        batch = self._waiting.popleft().result()
        self._fill()
        return batch

    def _fill(self) -> None:
        while len(self._waiting) < self._depth:
            self._waiting.append(self._pool.submit(self._draw, self._next))
            self._next += 1

    def __enter__(self) -> Self:
        self._fill()
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)
