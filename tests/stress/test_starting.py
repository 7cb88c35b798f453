"""The process that decodes stands still before it has read anything: the run does not wait for it for ever."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nsr_cli.cli.run import _threads
from tests.promises import Reached
from tests.stress.running import Running, Stage, hidden, paint, tree, wait_for
from tests.stress.test_decoders import decoders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]

START = 30.0  # seconds that a process has for loading
SPARE = 60.0  # seconds for all the rest, on a busy machine


def hold(process: Running, count: int) -> set[int]:
    """Stop the next `count` decoding processes of a run as soon as they are there; returns their numbers."""
    held: set[int] = set()

    def enough() -> bool:
        for pid in set(decoders(process.pid)) - held:
            os.kill(pid, signal.SIGSTOP)
            held.add(pid)
            if len(held) == count:
                return True
        return False

    assert wait_for(enough, process, seconds=count * START + SPARE)
    return held


@pytest.mark.promise(
    "Decoding: the decoding process stands still (SIGSTOP) while it starts: after 30 s another one takes its place, "
    "and every result is there; if that one does too, its picture fails with one line, all others are restored, "
    "exit code 3",
    count=2,
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_decoder_that_stands_still_while_it_starts(crowd: Stage, reached: Reached, times: int) -> None:
    paint(crowd.folder / "d", 20)
    whole, out, lanes = crowd.undisturbed("d"), crowd.folder / "out", _threads()[0]
    lost = lanes if times == 2 else 0
    with crowd.started(crowd.upscale("d", "-o", out)) as process:
        started = time.monotonic()
        held = hold(process, times * lanes)
        assert wait_for(lambda: process.poll() is not None, process, seconds=times * START + SPARE)
        took = time.monotonic() - started
        assert process.wait() == (3 if lost else 0), crowd.said()
    lines = crowd.complained()
    assert len(lines) == lost
    assert all("its decoder was not ready within 30 seconds" in line for line in lines), lines
    assert "without the protection" not in crowd.said()
    failed = {Path(line.split(": ")[1]).stem for line in lines}
    assert tree(out) == {name: digest for name, digest in whole.items() if Path(name).stem not in failed}
    assert len(tree(out)) == len(whole) - lost and hidden(out) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in held)
    assert times * START < took < times * START + SPARE
    reached.note(f"{took:.0f} s in all")
    reached()
