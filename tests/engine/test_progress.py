"""Progress of parts, told as that of the whole."""

import pytest

from nsr_cli.engine.progress import OverallProgress, of_part


@pytest.mark.parametrize("count, seen", [(1, [(0, 4), (4, 4)]), (2, [(0, 8), (4, 8), (4, 8), (8, 8)])])
def test_parts_and_runs_add_up_to_the_whole(count: int, seen: list[tuple[int, int]]) -> None:
    told: list[tuple[int, int]] = []
    for index in range(count):
        part = of_part(lambda *now: told.append(now), index, count)
        assert part is not None
        part(0, 4)
        part(4, 4)
    assert told == seen
    told.clear()
    watch = OverallProgress(lambda *now: told.append(now), count)
    for _ in range(count):
        watch(0, 4)
        watch(4, 4)
        watch.end_run()
    assert told == seen


def test_without_a_listener_nothing_is_reported() -> None:
    assert of_part(None, 0, 2) is None
    OverallProgress(None, 2)(1, 4)
