"""The process that decodes stands still before it has read anything: the run does not wait for it for ever."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nsr_cli.batch.run import _threads
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
    "and every result is there; if that one does too, the run ends with one line and exit code 1, and the same "
    "command restores what is left",
    count=2,
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_decoder_that_stands_still_while_it_starts(crowd: Stage, reached: Reached, times: int) -> None:
    paint(crowd.folder / "d", 20)
    whole, out, lanes = crowd.undisturbed("d"), crowd.folder / "out", _threads()[0]
    command = crowd.upscale("d", "-o", out)
    with crowd.started(command) as process:
        started = time.monotonic()
        held = hold(process, times * lanes)
        assert wait_for(lambda: process.poll() is not None, process, seconds=times * START + SPARE)
        took = time.monotonic() - started
        assert process.wait() == times - 1, crowd.said()
    lines = crowd.complained()
    assert len(lines) == times - 1
    assert "without the protection" not in crowd.said() and hidden(out) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in held)
    assert times * START < took < times * START + SPARE
    if lines:
        assert "its decoder was not ready within 30 seconds" in lines[0]
        assert "(0 of 20 pictures are done; run the same command again for the other 20)" in lines[0]
        assert tree(out).items() <= whole.items()
        assert crowd.run(command).returncode == 0
    assert tree(out) == whole
    reached.note(f"{took:.0f} s in all")
    reached()
