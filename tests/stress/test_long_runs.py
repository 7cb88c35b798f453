"""A process that restores thousands of pictures needs no more at the end than at the beginning."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.promises import Reached
from tests.stress.running import COMMAND, ROOT, Running, Stage, paint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what a process uses is read from /proc"),
]

PICTURES, WARM, BLOCK = 5000, 500, 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used when it had restored `done` pictures."""

    done: int
    kilobytes: int
    descriptors: int
    threads: int


def count(folder: Path) -> int:
    return sum(1 for _ in os.scandir(folder))


def sample(process: Running, out: Path) -> Sample | None:
    base = Path(f"/proc/{process.pid}")
    try:
        fields = dict(line.split(":", 1) for line in (base / "status").read_text().splitlines())
        return Sample(
            count(out) if out.is_dir() else 0,
            int(fields["VmRSS"].split()[0]),
            count(base / "fd"),
            int(fields["Threads"]),
        )
    except (OSError, KeyError):
        return None


@pytest.mark.promise(
    "Long runs: 5,000 pictures in one process: the mean memory (RSS) of the last 1,000 is within 2 % of that of the "
    "first 1,000 after 500; not a descriptor, thread, process or temporary file more",
    count=PICTURES,
)
def test_five_thousand_pictures(stage: Stage, reached: Reached) -> None:
    paint(stage.folder / "d", PICTURES, (12, 10))
    out = stage.folder / "out"
    samples: list[Sample] = []
    with stage.started(stage.upscale("d", "-o", out, "--quiet"), afresh=True) as process:
        while process.poll() is None:
            found = sample(process, out)
            samples += [found] if found is not None else []
            time.sleep(0.05)
    assert process.returncode == 0, stage.said()
    first = [one for one in samples if WARM <= one.done < WARM + BLOCK]
    last = [one for one in samples if PICTURES - BLOCK <= one.done < PICTURES - 5]
    assert len(first) > 20 and len(last) > 20
    memory = [float(np.mean([one.kilobytes for one in block])) for block in (first, last)]
    grown = memory[1] / memory[0] - 1
    reached.note(
        f"{memory[0] / 1024:.1f} MiB, then {memory[1] / 1024:.1f} MiB ({grown:+.2%}); "
        f"{max(one.descriptors for one in last)} descriptors, {max(one.threads for one in last)} threads"
    )
    assert count(out) == PICTURES
    reached(PICTURES)
    assert abs(grown) <= 0.02
    for kind in ("descriptors", "threads"):
        most = [max(getattr(one, kind) for one in block) for block in (first, last)]
        assert most[1] <= most[0], kind
    assert not list(stage.folder.rglob("*.part"))
    assert not left_over(process.pid), "a decoding process is left"


def left_over(session: int) -> list[str]:
    """Processes of a session that has ended."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


COUNT_THREADS = """
import os, sys, threading
os.sched_getaffinity = lambda process: set(range(8))
counts = []
def watch():
    while not done.wait(0.005):
        counts.append(len(os.listdir("/proc/self/task")))
done = threading.Event()
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
import nsr_cli.batch.run as run
from nsr_cli.cli.app import _guarded
from nsr_cli.terminal.console import Console
code = _guarded(sys.argv[1:], Console())
done.set()
import torch
print(code, torch.get_num_threads(), *run._threads(), max(counts) - 1)
"""


@pytest.mark.promise(
    "Long runs: threads never exceed the control group's CPU quota: torch's, encoders, decoders (cpu.max of 1, 2 and 3 "
    "CPUs laid over /sys/fs/cgroup, 8 CPUs in sight)",
    count=3,
)
@pytest.mark.parametrize("quota", [1, 2, 3])
def test_threads_stay_within_the_quota(stage: Stage, reached: Reached, quota: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting over /sys/fs/cgroup needs root")
    paint(stage.folder / "d", 12, (100, 90))
    groups = stage.folder / "groups"
    groups.mkdir()
    (groups / "cpu.max").write_text(f"{quota}00000 100000\n")
    args = [sys.executable, "-c", COUNT_THREADS, *stage.upscale("d", "-o", "out", "--quiet")[len(COMMAND) :]]
    script = f'mount --bind {groups} /sys/fs/cgroup && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *args],
        cwd=stage.folder,
        env={**stage.environment, "OMP_NUM_THREADS": "8", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount of its own for a process here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    code, torchs, decoders, encoders, most = map(int, done.stdout.split())
    assert code == 0
    assert torchs <= quota
    assert decoders <= quota and encoders <= quota
    # Besides, all waiting: the main thread, the feeder, one clock for each decoder, and a computer for each core, which
    # either computes a small picture by itself, or leaves the cores to the threads of the one that has a large picture.
    waiting = 2 + decoders + quota
    reached.note(
        f"quota {quota}: torch {torchs}, decoders {decoders}, encoders {encoders}, at most {most} in all"
    )
    assert most <= waiting + quota + decoders + encoders + 1
    reached()
