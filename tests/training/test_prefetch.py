"""Batches ahead: in order, bounded, the same with any number of threads."""

import threading
import time
from typing import Any

import pytest
import torch

from nsr_cli.training.prefetch import Prefetcher, threads_for
from tests.waiting import until


class Draws:
    """Remembers what was drawn; even steps take longer, so that threads overtake each other."""

    def __init__(self, first: int, threads: int) -> None:
        self.started: list[int] = []
        self.threads: set[str] = set()
        self._alone = first + threads  # before this step, each thread has one
        self._all = threading.Barrier(threads, timeout=60)

    def __call__(self, step: int) -> Any:
        self.started.append(step)
        self.threads.add(threading.current_thread().name)
        if step < self._alone:
            self._all.wait()
        time.sleep(0.02 if step % 2 == 0 else 0.001)
        return step


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_come_in_order_and_no_more_than_agreed_are_made_ahead(threads: int) -> None:
    draws = Draws(7, threads)
    with Prefetcher(draws, 7, threads) as batches:
        taken: list[Any] = [batches.take() for _ in range(12)]
        assert max(draws.started) <= 18 + threads + 1
    assert taken == list(range(7, 19))
    assert len(draws.threads) == threads
    assert sorted(draws.started) == list(range(7, 7 + len(draws.started)))


def test_what_fails_in_a_thread_is_raised_where_the_batch_is_taken() -> None:
    def draw(step: int) -> Any:
        if step == 2:
            raise ValueError("step 2")
        return step

    with Prefetcher(draw, 0, 3) as batches:
        first: list[Any] = [batches.take(), batches.take()]
        assert first == [0, 1]
        with pytest.raises(ValueError, match="step 2"):
            batches.take()


def test_leaving_does_not_wait_for_batches_that_nobody_will_take() -> None:
    gate, begun = threading.Event(), []

    def draw(step: int) -> Any:
        begun.append(step)
        gate.wait(60)

    with Prefetcher(draw, 0, 2):
        until(lambda: len(begun) == 2)
        gate.set()
    assert begun in ([0, 1], [0, 1, 2])


def test_a_cpu_that_trains_draws_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsr_cli.training.prefetch.usable_threads", lambda: 64)
    assert threads_for(torch.device("cpu")) == 1
    assert threads_for(torch.device("cuda")) == 8
