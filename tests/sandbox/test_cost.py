"""What the protection costs on a folder of photographs, and when nothing is decoded yet."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsr_cli.sandbox.decoder import Decoder
from tests.promises import Reached
from tests.tiny import tiny_weights

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS, RUNS = 40, 3
MOST = 1.05
RUN = """
import sys
sys.path.insert(0, {root!r})
from nsr_cli.sandbox import launch
if {alone!r}:
    def refuse(shared):
        raise OSError("not here")
    launch.start = refuse
from nsr_cli.cli.app import main
main(["upscale", "in", "-o", {out!r}, "-s", "2", "--device", "cpu", "--model", "tiny.safetensors"])
"""


def spent(folder: Path, out: str, *, alone: bool) -> float:
    """Processor time of a whole run and its processes: wall time says little on a machine in use."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = RUN.format(root=str(ROOT), alone=alone, out=out)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert (b"without the protection" in done.stderr) == alone
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX's account of processor time")
@pytest.mark.promise("Decoding: in a process of its own, whole runs cost at most 5 % more", count=1)
def test_a_run_over_photographs_costs_at_most_a_twentieth_more(
    shared_data: Path, tmp_path: Path, reached: Reached
) -> None:
    """With a network of next to no layers; with a real one the share is smaller still."""
    tiny_weights(tmp_path / "tiny.safetensors")
    (tmp_path / "in").mkdir()
    for path in sorted((shared_data / "train" / "photos").iterdir())[:PHOTOGRAPHS]:
        (tmp_path / "in" / path.name).symlink_to(path.resolve())
    # One after the other in turns, so that whoever else computes meanwhile slows down both.
    pairs = [
        (spent(tmp_path, f"alone{i}", alone=True), spent(tmp_path, f"apart{i}", alone=False))
        for i in range(RUNS)
    ]
    ratio = statistics.median(apart / alone for alone, apart in pairs)
    reached()
    reached.note(f"{100 * (ratio - 1):+.1f} % of {statistics.median(alone for alone, _ in pairs):.1f} s")
    assert ratio <= MOST


def test_starting_does_not_wait_for_the_process() -> None:
    started = time.perf_counter()
    with Decoder():
        assert time.perf_counter() - started < 0.15
