"""Threads that share windows: fewer of them do the same work."""

import threading

import pytest

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
