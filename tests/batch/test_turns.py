"""Who has the device when, and whose its time is."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from nsr_cli.batch.pipeline import Cancelled
from nsr_cli.batch.turns import Turn, Turns
from tests.waiting import WatchedStop

Pass = Callable[[float], None]


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """A function that lets seconds pass on the clock that turns are measured with, which stands still otherwise."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("nsr_cli.batch.turns.time", SimpleNamespace(perf_counter=lambda: clock.now))

    def let(seconds: float) -> None:
        clock.now += seconds

    return let


def test_the_seconds_of_pictures_side_by_side_add_up_to_those_of_the_device(let_pass: Pass) -> None:
    turns = Turns(2, threading.Event(), cores=2)
    first, second = Turn(), Turn()
    with ExitStack() as later:
        with turns.take(first, 1):
            let_pass(1)
            later.enter_context(turns.take(second, 1))
            let_pass(4)
        let_pass(2)
    assert (first.seconds, second.seconds) == (3, 4)  # alone, and half of the time together


def test_the_device_waits_only_while_nobody_has_it(let_pass: Pass) -> None:
    turns = Turns(3, threading.Event(), cores=2)
    first, second, third = Turn(), Turn(), Turn()
    let_pass(5)
    with turns.take(first, 1, ignored=2):
        let_pass(1)
        with turns.take(second, 1):
            let_pass(2)
    let_pass(4)
    with turns.take(third, 2):
        pass
    assert (first.wait, second.wait, third.wait) == (3, 0, 4)


def test_all_cores_are_for_one_picture_alone() -> None:
    stop = WatchedStop()
    turns = Turns(2, stop, cores=2)
    entered = threading.Event()

    def large() -> None:
        with turns.take(Turn(), 2):
            entered.set()

    with turns.take(Turn(), 1):
        other = threading.Thread(target=large, name="large")
        other.start()
        stop.see_waiting("large")
        assert not entered.is_set()
    assert entered.wait(60)
    other.join()


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    turns = Turns(2, stop, cores=1)
    with turns.take(Turn(), 1):
        stop.set()
        with pytest.raises(Cancelled), turns.take(Turn(), 1):
            pass


@pytest.mark.parametrize(
    ("pictures", "cores", "come", "crowded"),
    [
        (1, 2, 1, False),  # a single picture gets all cores
        (2, 2, 1, True),
        (2, 2, 2, False),  # the last one, and nobody is left beside it
        (9, 1, 1, False),
        (None, 2, 1, False),  # on stdin: perhaps the only one
        (None, 2, 3, True),
    ],
)
def test_pictures_get_a_core_each_where_there_are_enough_of_them(
    pictures: int | None, cores: int, come: int, crowded: bool
) -> None:
    turns = Turns(pictures, threading.Event(), cores=cores)
    for _ in range(come):
        turns.arrive()
    assert turns.crowded == crowded


def test_the_last_picture_stays_beside_one_that_is_on_its_way() -> None:
    turns = Turns(2, threading.Event(), cores=2)
    turns.arrive()
    with turns.take(Turn(), 1):
        turns.arrive()
        assert turns.crowded
