"""`nsr train` and `nsr weights publish`, as a researcher would call them, end to end."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from nsr_cli.cli.train import parse_duration
from tests.cli.conftest import Run

SMALL = ["--network", "tiny", "--blocks", "1", "--width", "8", "--cardinality", "2", "--device", "cpu"]


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
    done = nsr("train", "upscale-x2", *SMALL, "--data", photos, "--out", "run", "--steps", "12", "--batch", "2",
               "--holdout", "0", "--validate-every", "6")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"" and b"validation" in done.stderr and b"12 steps" in done.stderr
    assert {"best", "checkpoints", "config.json", "curve.png", "metrics.csv"} == {
        path.name for path in (tmp_path / "run").iterdir()
    }
    (tmp_path / "manifest.json").write_text('{"schema": 1, "weights": []}')
    done = nsr(
        "weights",
        "publish",
        "run",
        "--name",
        "upscale-x2-lite",
        "--manifest",
        "manifest.json",
        "--folder",
        ".",
    )
    assert done.returncode == 0, done.stderr.decode()
    [entry] = json.loads((tmp_path / "manifest.json").read_text())["weights"]
    assert entry["scale"] == 2 and "12 steps of 2 patches of 48" in entry["trained_on"]
    done = nsr("upscale", "photos/0.png", "-s", "2", "--model", "upscale-x2-lite.safetensors", "-o", "big.png",
               "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    with Image.open(tmp_path / "big.png") as big:
        assert big.size == (240, 220)


def test_a_run_is_continued_only_when_asked(nsr: Run, photos: Path) -> None:
    command = [
        "train",
        "upscale-x2",
        *SMALL,
        "--data",
        str(photos),
        "--out",
        "run",
        "--steps",
        "1",
        "--holdout",
        "0",
    ]
    assert nsr(*command).returncode == 0
    again = nsr(*command)
    assert again.returncode == 2 and b"--resume" in again.stderr and again.stderr.count(b"\n") == 2
    assert nsr(*command, "--resume").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["upscale-x5"], 2, b"upscale-x4"),
        (["upscale-x2", "--network", "huge"], 2, b"sparse-plus"),
        (["upscale-x2", "--cardinality", "7"], 2, b"does not divide"),
        (["upscale-x2", "--network", "lite", "--cardinality", "0", "--shared"], 2, b"cannot share"),
        (["upscale-x2", "--time-budget", "soon"], 2, b"25m"),
        (["upscale-x2", "--init", "none.safetensors"], 2, b"no such file"),
        (["upscale-x2", "--validate", "Set6"], 2, b"Set5"),
        (["upscale-x2", "--data", "absent"], 4, b"no folder absent"),
        (["denoise-gray", "--device", "cuda:77"], 2, b"CUDA"),
    ],
)
def test_wrong_calls_are_one_line_and_leave_nothing(
    nsr: Run, photos: Path, tmp_path: Path, arguments: list[str], code: int, message: bytes
) -> None:
    done = nsr("train", *arguments, "--data", photos, "--out", "run", "--quiet")
    assert done.returncode == code and message in done.stderr, done.stderr.decode()
    assert done.stderr.strip().count(b"\n") == 0
    assert not (tmp_path / "run").exists()


def test_publishing_what_is_no_run_is_refused(nsr: Run, tmp_path: Path) -> None:
    done = nsr("weights", "publish", "absent", "--name", "x")
    assert done.returncode == 1 and b"no checkpoint" in done.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5m", 90), ("2h", 7200), ("30s", 30)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5m", "m", "5 minutes", "1e9x"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        parse_duration(text)
