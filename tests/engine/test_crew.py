"""Threads that share windows: fewer of them do the same work."""

import threading

import pytest
import torch

from nsr_cli.engine.crew import Crew
from tests.threads import allow


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_fewer_threads_share_the_work_if_the_system_allows_no_more(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    allow(allowed, monkeypatch)
    done: list[int] = []
    with Crew(4) as crew:
        assert threading.active_count() == before + min(allowed, 3)
        for _ in range(2):
            crew.share(done.append, 20)
    assert sorted(done) == sorted([*range(20)] * 2)
    assert threading.active_count() == before


def test_threads_end_if_a_signal_comes_before_all_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    before, cores = threading.active_count(), torch.get_num_threads()
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if threading.active_count() > before + 1:
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), Crew(4):
        pytest.fail("entered")
    assert (threading.active_count(), torch.get_num_threads()) == (before, cores)
