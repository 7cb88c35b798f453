"""The pipeline: order, overlap, bounded memory, and every way in which it can end."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from nsr_cli.cli.pipeline import Budget, Cancelled, GoOn, Pipeline


def same(value: Any) -> Any:
    return value


def pipeline(decode: Any = same, compute: Any = same, encode: Any = same, **options: Any) -> Any:
    options.setdefault("stop", threading.Event())
    return Pipeline(decode, lambda value, _: compute(value), encode, **options)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread is not threading.main_thread()}


def test_results_come_in_order_however_long_each_takes() -> None:
    def slow_for_even(value: int) -> int:
        time.sleep(0.02 if value % 2 == 0 else 0)
        return value

    for decoders, encoders in ((1, 1), (3, 4)):
        made = pipeline(slow_for_even, lambda v: v * 2, slow_for_even, decoders=decoders, encoders=encoders)
        assert list(made.run(range(40))) == [2 * value for value in range(40)]
    assert threads() == set()


def test_no_jobs_are_no_results() -> None:
    assert list(pipeline().run([])) == []


def test_the_stages_overlap() -> None:
    def work(value: int) -> int:
        time.sleep(0.05)
        return value

    started = time.perf_counter()
    assert len(list(pipeline(work, work, work).run(range(10)))) == 10
    assert time.perf_counter() - started < 0.8 * 10 * 3 * 0.05


def test_a_result_is_given_out_before_the_next_job_is_there() -> None:
    # Two programs may talk to each other through pipes, one picture at a time.
    asked = threading.Event()

    def jobs() -> Iterator[int]:
        yield 1
        assert asked.wait(10)
        yield 2

    with closing(pipeline().run(jobs())) as results:
        assert next(results) == 1
        asked.set()
        assert next(results) == 2


def test_only_a_few_jobs_are_in_flight() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for value in range(1000):
            taken.append(value)
            yield value

    with closing(pipeline(encoders=2, decoders=2).run(jobs())) as results:
        next(results)
        time.sleep(0.3)
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
        while value == 1:
            time.sleep(0.01)
            if stop.is_set():
                raise Cancelled
        return value

    started = time.perf_counter()
    with closing(pipeline(compute=endless, stop=stop).run(range(5))) as results:
        assert next(results) == 0
    assert time.perf_counter() - started < 2
    assert threads() == set()


def test_a_stage_that_does_not_listen_is_left_behind() -> None:
    release = threading.Event()
    started = time.perf_counter()
    with closing(pipeline(compute=lambda v: v or release.wait(20)).run([1, 0])) as results:
        assert next(results) == 1
    assert time.perf_counter() - started < 2
    release.set()


def test_the_budget_lets_in_what_fits_and_large_ones_alone() -> None:
    stop = threading.Event()
    budget = Budget(100, stop)
    budget.take(60)
    budget.take(40)
    entered = threading.Event()

    def take_much() -> None:
        budget.take(1000)
        entered.set()

    large = threading.Thread(target=take_much)
    large.start()
    assert not entered.wait(0.2)
    budget.give(60)
    assert not entered.wait(0.2)
    budget.give(40)
    assert entered.wait(5)
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

    def compute(value: int, go_on: GoOn) -> int:
        running.append(value)
        together.append(len(running))
        if lets:
            go_on()
        time.sleep(0.02 if value % 3 else 0.06)
        running.remove(value)
        return 2 * value

    made = Pipeline(same, compute, same, stop=threading.Event(), computers=computers)
    assert list(made.run(range(12))) == [2 * value for value in range(12)]
    assert max(together) == most
    assert threads() == set()
