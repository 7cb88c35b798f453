"""Progress over several runs of a network, one of which has to be computed again."""

import numpy as np

from nsr_cli.engine.arrays import run_array
from nsr_cli.engine.progress import OverallProgress
from nsr_cli.engine.runner import Runner
from tests.tiny import tiny_network


def test_a_run_that_overflows_counts_once() -> None:
    network = tiny_network()
    network.head.weight_v.mul_(3e5)  # beyond fp16's 65504, within fp32
    runner = Runner(network, "cpu", "fp16")
    seen: list[tuple[int, int]] = []
    watch = OverallProgress(lambda *now: seen.append(now), 2)
    for run in (1, 2):
        run_array(runner, np.random.default_rng(run).random((50, 60, 3), dtype=np.float32), None, watch)
        assert seen[-1][0] / seen[-1][1] == run / 2
    assert seen.count(seen[-1]) == 2  # the end of the last run, in each number type
    assert max(done / total for done, total in seen) == 1
