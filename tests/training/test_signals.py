"""Signals while a run trains: noted once, then as before."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from nsr_cli.training.signals import deliver, noted_signals


class Asked(KeyboardInterrupt):
    """What the program's own handler raises."""


def ask(number: int, frame: FrameType | None) -> None:
    raise Asked(number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of a program that ends by an exception."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_a_second_one_of_any_kind_ends_the_process(number: signal.Signals) -> None:
    with noted_signals() as noted:
        assert noted() == 0
        signal.raise_signal(number)
        assert noted() == number
        assert {signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)} == {
            signal.SIG_DFL
        }
    assert signal.getsignal(number) is ask


def test_a_signal_is_delivered_with_a_remark() -> None:
    with pytest.raises(Asked) as caught:
        deliver(signal.SIGTERM, "step 7 is saved")
    assert caught.value.args == (signal.SIGTERM,) and caught.value.__notes__ == ["step 7 is saved"]


def test_a_signal_that_nothing_handles_is_left_to_the_system() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deliver(signal.SIGTERM, "nothing happens")
