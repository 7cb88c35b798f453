"""The first signal that asks to end is handed over; what a second one does after that is for the caller to say."""

import signal
import threading
from collections.abc import Iterator

import pytest

from nsr_cli.signals import first_signal


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("is_final", [True, False])
def test_a_second_signal_after_the_block(is_final: bool) -> None:
    before, seen = signal.getsignal(signal.SIGTERM), list[int]()
    with first_signal(seen.append, is_final=is_final):
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == (signal.SIG_DFL if is_final else before)


@pytest.mark.parametrize("is_final", [True, False])
def test_without_a_signal_all_is_as_before(is_final: bool) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with first_signal(lambda _: None, is_final=is_final):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_the_parent_told_us_to_ignore_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with first_signal(lambda _: None, is_final=True):
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_another_thread_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), list[object]()

    def look() -> None:
        with first_signal(lambda _: None, is_final=False):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
