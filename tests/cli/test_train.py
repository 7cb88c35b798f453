"""`nsr train` and `nsr weights publish`, as a researcher would call them, end to end."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsr_cli.cli.train import advise_on_memory
from nsr_cli.errors import MemoryExhausted
from nsr_cli.model.config import PRESETS
from nsr_cli.training.recipe import TASKS
from tests.command import Run
from tests.waiting import until

TINY = ["upscale-x2", "--network", "tiny", "--device", "cpu"]
SMALL = ["--network", "tiny", "--blocks", "1", "--width", "8", "--cardinality", "2", "--device", "cpu"]
RUN = ["train", "upscale-x2", *SMALL, "--data", "photos", "--out", "run"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for i in range(3):
        coarse = Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8))
        coarse.resize((120, 110), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def test_from_pictures_to_weights_that_upscale(nsr: Run, photos: Path, tmp_path: Path) -> None:
    done = nsr(*RUN, "--steps", "12", "--batch", "2", "--holdout", "0", "--validate-every", "6")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"" and b" 0.0 s left, validation" in done.stderr and b"12 steps" in done.stderr
    assert {"best", "checkpoints", "config.json", "curve.png", "metrics.csv"} == {
        path.name for path in (tmp_path / "run").iterdir()
    }
    (tmp_path / "manifest.json").write_text('{"schema": 1, "weights": []}')
    published = ("--name", "upscale-x2-lite", "--manifest", "manifest.json", "--folder", ".")
    done = nsr("weights", "publish", "run", *published)
    assert done.returncode == 0, done.stderr.decode()
    [entry] = json.loads((tmp_path / "manifest.json").read_text())["weights"]
    assert entry["scale"] == 2 and "12 steps of 2 patches of 48" in entry["trained_on"]
    done = nsr("upscale", "photos/0.png", "-s", "2", "--model", "upscale-x2-lite.safetensors", "-o", "big.png",
               "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    with Image.open(tmp_path / "big.png") as big:
        assert big.size == (240, 220)


def test_a_run_is_continued_only_when_asked(nsr: Run, photos: Path) -> None:
    command = [*RUN, "--steps", "1", "--holdout", "0"]
    assert nsr(*command).returncode == 0
    again = nsr(*command)
    assert again.returncode == 2 and b"--resume" in again.stderr and again.stderr.count(b"\n") == 2
    assert nsr(*command, "--resume").returncode == 0


def test_ctrl_c_saves_the_run_and_says_how_to_go_on(
    command: list[str], environment: dict[str, str], nsr: Run, photos: Path, tmp_path: Path
) -> None:
    more = ["--batch", "1", "--holdout", "0", "--time-budget", "1h", "--save-every", "1h"]
    with subprocess.Popen(
        [*command, *RUN, *more], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        until((tmp_path / "run" / "metrics.csv").exists, 120)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1].splitlines()
    [saved] = (tmp_path / "run" / "checkpoints").iterdir()
    step = int(saved.name.removeprefix("step-"))
    assert process.returncode == 130 and step >= 50
    assert said[-1] == f"nsr: interrupted: saved at step {step}; go on with --resume"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["upscale-x5"], 2, b"upscale-x4"),
        (["upscale-x2", "--network", "huge"], 2, b"sparse-plus"),
        (["upscale-x2", "--cardinality", "7"], 2, b"does not divide"),
        (["upscale-x2", "--network", "lite", "--cardinality", "0", "--shared"], 2, b"cannot share"),
        (["upscale-x2", "--time-budget", "soon"], 2, b"25m"),
        (["upscale-x2", "--init", "none.safetensors"], 2, b"no such file"),
        (["upscale-x2", "--init", "/dev/zero"], 2, b"--init /dev/zero: cannot be read: "),
        (["upscale-x2", "--validate", "Set6"], 2, b"Set5"),
        (["upscale-x2", "--data", "absent"], 4, b"no folder absent"),
        (["denoise-gray", "--device", "cuda:77"], 2, b"CUDA"),
        (["upscale-x2", "--learning-rate", "nan"], 2, b"above 0"),
        (["upscale-x2", "--learning-rate", "-1"], 2, b"above 0"),
        (["upscale-x2", "--temperature", "inf"], 2, b"above 0"),
        (["upscale-x2", "--seed", "99999999999999999999"], 2, b"--seed"),
        (["upscale-x2", "--validate-data", "photos"], 2, b"--validate Set5"),
        (["upscale-x2", "--validate", "Set5", "--offline"], 4, b"or point --validate-data at a folder"),
        (["upscale-x2", "--validate", "Set5", "--validate-data", "nope"], 4, b"check --validate-data"),
        (["upscale-x2", "--init", "photos"], 2, b"--init photos: that is a folder; for the weights of a run"),
        (["upscale-x2", "--init", "photos/0.png"], 4, b"not a weights file"),
        ([*TINY, "--steps", "1", "--init", "denoise-rgb-lite"], 2, b"none of its kernels fits"),
    ],
)
def test_wrong_calls_are_one_line_and_leave_nothing(
    nsr: Run, photos: Path, tmp_path: Path, arguments: list[str], code: int, message: bytes
) -> None:
    done = nsr("train", *arguments, "--data", photos, "--out", "run", "--quiet")
    assert done.returncode == code and message in done.stderr, done.stderr.decode()
    assert done.stderr.strip().count(b"\n") == 0
    assert not (tmp_path / "run").exists()


def test_a_benchmark_of_other_pictures_is_said_to_be_so(nsr: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "Set5").mkdir(parents=True)
    for number in range(1, 6):
        Image.new("RGB", (48, 40), (number, 0, 0)).save(tmp_path / "data" / "Set5" / f"img_00{number}.png")
    validated = ("--validate", "Set5", "--validate-data", "data")
    done = nsr(*RUN, "--steps", "1", "--batch", "1", *validated, "--quiet")
    assert done.returncode == 0 and done.stderr.decode() == (
        "Set5: the files in data/Set5 are not as published (img_001.png is damaged and 4 more), so that validation is "
        "on other pictures; get them again\n"
    )


@pytest.mark.parametrize("part", ["run", "run/best/weights.safetensors", "run/best"])
def test_only_the_published_weights_of_a_run_can_start_another(
    nsr: Run, photos: Path, tmp_path: Path, part: str
) -> None:
    (tmp_path / "run" / "best").mkdir(parents=True)
    for name in ("weights.safetensors", "state.json"):
        (tmp_path / "run" / "best" / name).write_bytes(b"{}")
    done = nsr("train", *TINY, "--data", photos, "--out", "next", "--init", part, "--quiet")
    assert done.returncode == 2 and done.stderr.strip().count(b"\n") == 0
    assert b"`nsr weights publish RUN --name NAME` makes, or go on with the run by --resume" in done.stderr


def test_only_one_of_several_processes_says_what_is_trained(nsr: Run, photos: Path) -> None:
    command = ("train", *TINY, "--data", "absent", "--out", "run")
    said = [nsr(*command, RANK=rank, WORLD_SIZE="1").stderr for rank in ("0", "1")]
    assert [text.count(b"M MACs a pixel") for text in said] == [1, 0]


def test_too_little_memory_is_said_with_the_options_that_take_less() -> None:
    with pytest.raises(MemoryExhausted, match="smaller --batch"), advise_on_memory():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
    with pytest.raises(RuntimeError, match="something else"), advise_on_memory():
        raise RuntimeError("something else")


def test_help_names_every_task_and_every_network(nsr: Run) -> None:
    said = nsr("train", "--help").stdout.decode().replace("-\n", "-")  # a name may be broken at its hyphen
    words = set("".join(char if char.isalnum() or char == "-" else " " for char in said).split())
    joined = "".join(said.split())
    assert {name for name in [*TASKS, *PRESETS] if name not in words and name not in joined} == set()


def test_weights_too_large_to_be_any_are_not_read(nsr: Run, photos: Path, tmp_path: Path) -> None:
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.truncate(1 << 34)  # a hole
    done = nsr("train", *TINY, "--data", photos, "--out", "run", "--init", "large.safetensors", "--quiet")
    assert done.returncode == 2 and b"bytes are too many" in done.stderr
    done = nsr("weights", "import", "large.safetensors", "-o", "x.safetensors")
    assert done.returncode == 2 and b"bytes are too many" in done.stderr


def test_publishing_anything_but_a_run_is_refused(nsr: Run, tmp_path: Path) -> None:
    done = nsr("weights", "publish", "absent", "--name", "x")
    assert done.returncode == 1 and b"no checkpoint" in done.stderr
