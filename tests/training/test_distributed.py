"""What a process knows of those it trains with, and that together they do what one would do."""

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.training import checkpoint
from nsr_cli.training.distributed import Processes
from tests.training.helpers import COMMAND, ROOT, noise_pictures
from tests.waiting import until


def test_all_processes_have_as_many_patches() -> None:
    """Else the mean of their gradients would not be that of the batch."""
    assert [Processes(rank, 3).share(12) for rank in range(3)] == [4, 4, 4]
    assert Processes().share(7) == 7


@pytest.mark.parametrize("batch", [1, 7])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(batch: int) -> None:
    with pytest.raises(UsageError, match=f"a batch of {batch} cannot be shared evenly by 2 processes"):
        Processes(1, 2).share(batch)


def test_two_processes_follow_one_process_with_the_same_batch(pictures: Path, tmp_path: Path) -> None:
    """torchrun with gloo: the loss curve of 2 × 4 patches is that of 8 patches, to 1e-4."""
    folder = noise_pictures(tmp_path / "pictures")
    common = [*COMMAND[3:], "--data", str(folder), "--batch", "8", "--steps", "12", "--validate-every", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launchers = {
        "one": ["-m", "nsr_cli"],
        "two": ["-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "nsr_cli"],
    }
    curves = {}
    for name, launcher in launchers.items():
        command = [sys.executable, *launcher, *common, "--out", str(tmp_path / name)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        with (tmp_path / name / "metrics.csv").open() as file:
            curves[name] = [(row["step"], float(row["loss"])) for row in csv.DictReader(file)]
    assert len(curves["one"]) >= 6
    for (step, one), (same, two) in zip(curves["one"], curves["two"], strict=True):
        assert step == same and two == pytest.approx(one, abs=1e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--data", "nowhere"), "there is no folder nowhere; check the path"),
        (("--batch", "7"), "a batch of 7 cannot be shared evenly by 2 processes"),
        (("--bacth", "8"), "no such option: --bacth"),
    ],
)
def test_wrong_input_is_said_once(pictures: Path, tmp_path: Path, wrong: tuple[str, str], said: str) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "nsr_cli"]
    given = ["--data", str(pictures), "--out", str(tmp_path / "run"), *wrong]
    command = [*launcher, *COMMAND[3:], *given[2 if "--data" in wrong else 0 :]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("nsr: ")]
    assert len(lines) == 1 and said in lines[0], done.stderr
    assert not (tmp_path / "run").exists()


def signaled(number: signal.Signals, run: Path, data: Path) -> tuple[list[int], list[str]]:
    """Let two processes train, the second of which gets a signal; the exit codes, and what they said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*COMMAND, "--data", str(data), "--out", str(run), "--steps", "1000000", "--save-every", "1h"]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **group, "RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in ("0", "1")
    ]
    try:
        until((run / "metrics.csv").exists, 180)
        processes[1].send_signal(number)
        said = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], said


def test_a_process_that_dies_costs_no_step_and_is_said_in_one_line(tmp_path: Path) -> None:
    """It was an internal error of gloo, and all since the last checkpoint was lost."""
    run = tmp_path / "run"
    codes, said = signaled(signal.SIGKILL, run, noise_pictures(tmp_path / "pictures"))
    assert codes == [1, -signal.SIGKILL], said
    saved = checkpoint.load_latest(run)
    assert saved is not None and saved[0] >= 50
    note, error = said[0].splitlines()[-2:]
    assert note == f"saved at step {saved[0]}"
    assert error.startswith("nsr: another process of this training has ended or cannot be reached; ")


def test_a_signal_to_one_process_ends_all_after_a_checkpoint(tmp_path: Path) -> None:
    """The leading one says so, with the signal's exit code; torchrun would end it early if the other one failed."""
    run = tmp_path / "run"
    codes, said = signaled(signal.SIGTERM, run, noise_pictures(tmp_path / "pictures"))
    assert codes == [143, 0], said
    saved = checkpoint.load_latest(run)
    assert saved is not None
    assert f"nsr: interrupted: saved at step {saved[0]}; go on with --resume" in said[0]
    assert "interrupted" not in said[1]
