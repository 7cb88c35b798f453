"""The process that decodes is stopped or ended by somebody else: it costs one picture at most, and not the run."""

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.promises import Reached
from tests.stress.running import Running, Stage, hidden, paint, tree, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]

SECONDS = 15.0  # for a small picture's own limit of 4 to 6, on a busy machine


def decoders(parent: int) -> list[int]:
    """The decoding processes of a run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and b"nsr_cli.sandbox.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def strike(stage: Stage, process: Running, out: Path, wanted: int, number: signal.Signals) -> None:
    """Send a signal to the decoding process when so many results are there."""
    assert wait_for(lambda: len(tree(out)) >= wanted and bool(decoders(process.pid)), process), stage.said()
    for pid in decoders(process.pid):
        os.kill(pid, number)


@pytest.mark.promise(
    "Decoding: the decoding process stands still (SIGSTOP) in the middle of a folder: its picture fails with one line "
    "when its time is up, all others are restored, exit code 3, no process is left",
    count=5,
)
def test_a_decoder_that_stands_still(crowd: Stage, reached: Reached) -> None:
    paint(crowd.folder / "d", 60)
    whole, chance, slowest = crowd.undisturbed("d"), random.Random(3), 0.0
    for number in range(5):
        out = crowd.folder / f"out{number}"
        with crowd.started(crowd.upscale("d", "-o", out)) as process:
            strike(crowd, process, out, chance.randint(1, 45), signal.SIGSTOP)
            stopped, started = decoders(process.pid), time.monotonic()
            assert wait_for(lambda process=process: process.poll() is not None, process)  # type: ignore[misc]
            code = process.wait()
            took = time.monotonic() - started
        lines = crowd.complained()
        assert code == 3, crowd.said()
        assert len(lines) == 1 and lines[0].endswith("reading it takes too long; it is given up"), lines
        failed = Path(lines[0].split(": ")[1]).stem  # of a JPEG there is a PNG
        assert tree(out) == {name: digest for name, digest in whole.items() if Path(name).stem != failed}
        assert len(tree(out)) == len(whole) - 1 and hidden(out) == []
        assert not any(Path(f"/proc/{pid}").exists() for pid in stopped)
        assert took < SECONDS
        slowest = max(slowest, took)
        reached()
    reached.note(f"from the stop to the end of the run at most {slowest:.1f} s")


@pytest.mark.promise(
    "Decoding: the decoding process is ended from outside (SIGKILL, SIGTERM, SIGHUP), in the middle of a folder or "
    "while it starts: its picture goes to a new one, and every result is there",
    count=9,
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_decoder_that_is_ended(crowd: Stage, reached: Reached, number: signal.Signals) -> None:
    paint(crowd.folder / "d", 40)
    whole, chance = crowd.undisturbed("d"), random.Random(number)
    for turn in range(3):
        out = crowd.folder / f"out{turn}"
        with crowd.started(crowd.upscale("d", "-o", out), afresh=turn == 0) as process:
            strike(crowd, process, out, chance.randint(1, 30) if turn else 0, number)
            process.wait()
        assert process.returncode == 0, crowd.said()
        assert "nsr: " not in crowd.said() and "without the protection" not in crowd.said()
        assert tree(out) == whole and hidden(out) == []
        reached()
