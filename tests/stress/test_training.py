"""Training that is killed, or runs out of disk, loses minutes and never the run."""

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.disk import disk, fill
from tests.promises import Reached
from tests.stress.running import Stage, paint, wait_for
from tests.training.helpers import assert_same_state, state_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and mounts"),
]

TINY = ("train", "upscale-x2", "--network", "tiny", "--width", "8", "--blocks", "1", "--cardinality", "2", "--batch",
        "2", "--holdout", "0", "--device", "cpu", "--seed", "3", "--ema", "0.9", "--validate-every", "40")  # fmt: skip


def steps_in(run: Path) -> list[int]:
    folder = run / "checkpoints"
    return sorted(int(path.name[5:]) for path in folder.glob("step-*")) if folder.is_dir() else []


def is_saving(run: Path) -> bool:
    return any((run / "checkpoints").glob(".step-*.part"))


def newest(run: Path) -> int:
    return max(steps_in(run), default=0)


@pytest.mark.promise(
    "Training: killed (SIGKILL) at 50 points: the newest checkpoint or the one before "
    "loads every time, and the run ends with the very weights of an undisturbed one, to the bit (CPU)",
    count=50,
)
def test_killed_and_resumed(crowd: Stage, reached: Reached) -> None:
    paint(crowd.folder / "pictures", 3, (104, 100))
    common = [*TINY, "--data", "pictures", "--save-every", "0.01s", "--quiet", "--steps", "600"]
    cut, command = crowd.folder / "cut", crowd.command(*common, "--out", "cut", "--resume")
    chance, saving = random.Random(5), 0
    for number in range(50):
        before = newest(cut)
        with crowd.started(command) as process:
            wanted = before + chance.randint(0, 6)
            assert wait_for(lambda wanted=wanted: newest(cut) > wanted, process)  # type: ignore[misc]
            if number % 2:
                wait_for(lambda: is_saving(cut), process)
            time.sleep(chance.uniform(0, 0.003 if number % 2 else 0.03))
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL, crowd.said()
        saving += is_saving(cut)
        visible, step = steps_in(cut), state_of(cut)[0]
        assert step in visible[-2:] and step > before
        reached()
    reached.note(f"{saving} kills in the middle of a save, the last at step {newest(cut)} of 600")
    for name in ("cut", "whole"):
        with crowd.started(crowd.command(*common, "--out", name, "--resume")) as process:
            assert process.wait() == 0, crowd.said()
    assert_same_state(cut, crowd.folder / "whole")


@pytest.mark.promise(
    "Training: the disk is full when checkpoints are to be saved: the run goes on and says so, the one before stays "
    "whole, and with space again it ends with the very weights of an undisturbed run",
    count=2,
)
@pytest.mark.parametrize("lasting", [False, True], ids=["for a while", "to the end"])
def test_a_full_disk(crowd: Stage, reached: Reached, *, lasting: bool) -> None:
    paint(crowd.folder / "pictures", 3, (104, 100))
    common = [*TINY, "--data", "pictures", "--save-every", "0.01s", "--steps", "120"]
    with disk(crowd.folder / "disk", "4m") as small:
        with crowd.started(crowd.command(*common, "--out", "disk/run")) as process:
            assert wait_for(lambda: newest(small / "run") > 8, process)
            fill(small / "filler")
            held = newest(small / "run")
            if not lasting:
                assert wait_for(lambda: "the one before it is kept" in crowd.said(), process)
                assert state_of(small / "run")[0] >= held
                (small / "filler").unlink()
            code = process.wait()
        assert code == 0 if not lasting else code in (0, 1), crowd.said()
        assert len(crowd.complained()) == (1 if code else 0), crowd.said()
        assert state_of(small / "run")[0] >= held
        (small / "filler").unlink(missing_ok=True)
        with crowd.started(crowd.command(*common, "--out", "disk/run", "--resume")) as process:
            assert process.wait() == 0, crowd.said()
        with crowd.started(crowd.command(*common, "--out", "whole", "--quiet")) as process:
            assert process.wait() == 0, crowd.said()
        assert_same_state(small / "run", crowd.folder / "whole")
    reached()
