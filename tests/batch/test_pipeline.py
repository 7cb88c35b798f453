"""The pipeline: order, overlap, bounded memory, and every way in which it can end."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import FrameType
from typing import Any

import pytest

from nsr_cli.batch import pipeline as room
from nsr_cli.batch.pipeline import Budget, Cancelled, GoOn, Pipeline
from tests.threads import allow
from tests.waiting import WatchedStop, until

LONG = 60  # seconds: a failure instead of a wait without end


def same(value: Any) -> Any:
    return value


def pipeline(decode: Any = same, compute: Any = same, encode: Any = same, **options: Any) -> Any:
    options.setdefault("stop", threading.Event())
    return Pipeline(decode, lambda value, _: compute(value), encode, **options)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread is not threading.main_thread()}


def even_after_odd() -> Callable[[int], int]:
    """A stage that several threads work in: an even value stays until the odd one behind it is through."""
    through = [threading.Event() for _ in range(40)]

    def stage(value: int) -> int:
        assert value % 2 or through[value + 1].wait(LONG)
        through[value].set()
        return value

    return stage


def test_results_come_in_order_however_long_each_takes() -> None:
    several = pipeline(even_after_odd(), same, even_after_odd(), decoders=3, encoders=4)
    for made in (pipeline(), several):
        assert list(made.run(range(40))) == list(range(40))
    assert threads() == set()


@pytest.mark.parametrize("allowed", [4, 5, 10])
def test_each_stage_has_one_thread_if_the_system_does_not_allow_more(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(allowed, monkeypatch)
    several = pipeline(decoders=3, computers=4, encoders=3)
    with closing(several.run(range(20))) as results:
        assert next(results) == 0
        until(lambda: threading.active_count() <= 5)  # the others have ended again
        assert list(results) == list(range(1, 20))
    assert threads() == set()


def test_too_few_threads_for_the_stages_end_the_run_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(3, monkeypatch)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(pipeline(computers=4).run(range(20)))
    assert threads() == set() and time.monotonic() - started < LONG / 2


def test_no_jobs_are_no_results() -> None:
    assert list(pipeline().run([])) == []


def test_the_stages_overlap() -> None:
    together = threading.Barrier(3, timeout=LONG)

    def meet(value: int, expected: int) -> int:
        """The first picture is written, the second computed and the third read at the same time."""
        if value == expected:
            together.wait()
        return value

    made = pipeline(lambda v: meet(v, 2), lambda v: meet(v, 1), lambda v: meet(v, 0))
    assert list(made.run(range(10))) == list(range(10))


def test_a_result_is_given_out_before_the_next_job_is_there() -> None:
    # Two programs may talk to each other through pipes, one picture at a time.
    asked = threading.Event()

    def jobs() -> Iterator[int]:
        yield 1
        assert asked.wait(LONG)
        yield 2

    with closing(pipeline().run(jobs())) as results:
        assert next(results) == 1
        asked.set()
        assert next(results) == 2


def test_only_a_few_jobs_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TICK", 0.01)
    stop, taken = WatchedStop(), []

    def jobs() -> Iterator[int]:
        for value in range(1000):
            taken.append(value)
            stop.looks.clear()
            yield value

    with closing(pipeline(encoders=2, decoders=2, stop=stop).run(jobs())) as results:
        next(results)
        # Two looks hand on a job: that many mean that it has tried to for a while.
        until(lambda: stop.looks["_feed"] >= 20 or len(taken) >= 15)
        assert len(taken) < 15
    assert threads() == set()


@pytest.mark.parametrize("stage", ["decode", "compute", "encode"])
@pytest.mark.parametrize("error", [ValueError("broken"), TimeoutError("slow"), KeyboardInterrupt()])
def test_an_exception_of_a_stage_ends_the_run_and_its_threads(stage: str, error: BaseException) -> None:
    def fail(value: int) -> int:
        if value == 3:
            raise error
        return value

    results = []
    with pytest.raises(type(error)):
        results.extend(pipeline(**{stage: fail}).run(range(100)))
    with closing(pipeline(**{stage: fail}).run(range(100))) as again:
        assert [next(again) for _ in range(3)] == [0, 1, 2]
    assert threads() == set()


def test_jobs_that_cannot_be_listed_are_an_error_of_the_run() -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise OSError("the list is gone")

    with pytest.raises(OSError, match="the list is gone"):
        list(pipeline().run(jobs()))


def test_leaving_early_stops_the_stages() -> None:
    stop = threading.Event()

    def endless(value: int) -> int:
        if value == 1 and stop.wait(LONG):
            raise Cancelled
        return value

    started = time.perf_counter()
    with closing(pipeline(compute=endless, stop=stop).run(range(5))) as results:
        assert next(results) == 0
    assert time.perf_counter() - started < 2
    assert threads() == set()


class Signaled(BaseException):
    """What the handler of a signal raises."""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to the main thread here")
def test_a_signal_that_another_thread_gets_ends_the_run_at_once() -> None:
    stop = threading.Event()

    def compute(value: int) -> int:
        time.sleep(0.3)  # until the main thread waits for the result
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # the system may choose any thread
        assert stop.wait(LONG)
        return value

    def handle(number: int, frame: FrameType | None) -> None:
        raise Signaled

    before = signal.signal(signal.SIGUSR1, handle)
    started = time.monotonic()
    try:
        with pytest.raises(Signaled):
            list(pipeline(compute=compute, stop=stop).run([1]))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < LONG / 2


def test_a_stage_that_does_not_listen_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room._PATIENCE <= 1.2  # a stop is to take less than two seconds
    monkeypatch.setattr(room, "_PATIENCE", 0.2)
    entered, release = threading.Event(), threading.Event()

    def deaf(value: int) -> int:
        if not value:
            entered.set()
            release.wait(LONG)
        return value

    started = time.perf_counter()
    with closing(pipeline(compute=deaf).run([1, 0])) as results:
        assert next(results) == 1
        assert entered.wait(LONG)
    assert time.perf_counter() - started < 2
    assert threads() == {"_compute_all"}
    release.set()
    until(lambda: threads() == set())


def test_the_budget_lets_in_what_fits_and_large_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TICK", 0.01)
    stop = WatchedStop()
    budget = Budget(100, stop)
    budget.take(60)
    budget.take(40)
    entered = threading.Event()

    def take_much() -> None:
        budget.take(1000)
        entered.set()

    large = threading.Thread(target=take_much, name="large")
    large.start()
    stop.see_waiting("large")
    assert not entered.is_set()
    budget.give(60)
    stop.see_waiting("large")
    assert not entered.is_set()
    budget.give(40)
    assert entered.wait(LONG)
    large.join()
    stop.set()
    with pytest.raises(Cancelled):
        budget.take(1)


@pytest.mark.parametrize(("computers", "lets", "most"), [(3, True, 3), (3, False, 1), (1, True, 1)])
def test_pictures_are_computed_side_by_side_only_where_one_lets_the_next_begin(
    computers: int, lets: bool, most: int
) -> None:
    running: list[int] = []
    together: list[int] = []
    done = [threading.Event() for _ in range(12)]

    def compute(value: int, go_on: GoOn) -> int:
        running.append(value)
        together.append(len(running))
        if lets:
            go_on()
        if most == 1:
            time.sleep(0.01)  # in which another one could begin that must not
        elif (value + 1) % most:
            assert done[value + 1].wait(LONG)  # those side by side end in the other order
        running.remove(value)
        done[value].set()
        return 2 * value

    made = Pipeline(same, compute, same, stop=threading.Event(), computers=computers)
    assert list(made.run(range(12))) == [2 * value for value in range(12)]
    assert max(together) == most
    assert threads() == set()
