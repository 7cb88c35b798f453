"""How `nsr eval` takes the models that it is given: two names of one network, and folders that hold none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.weights.manifest import load_manifest
from tests.command import Inside

Score = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def score(inside: Inside, capsys: pytest.CaptureFixture[str]) -> Score:
    """Run `nsr eval --json` on a folder of one picture; return the exit code, the rows and what was said."""
    Path("set").mkdir()
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (8, 9, 3), dtype=np.uint8))
    coarse.resize((48, 42), Image.Resampling.BICUBIC).save("set/a.png")

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        capsys.readouterr()
        code = inside("eval", "--set", "./set/", "--json", "--device", "cpu", *arguments)
        said = capsys.readouterr()
        return code, json.loads(said.out)["rows"] if code == 0 else [], said.err

    return run


def test_a_network_with_two_names_has_one_row(score: Score) -> None:
    models = ("-m", "lite", "-m", "upscale-x2-lite", "-m", "upscale-x2", "-m", "bicubic")
    code, rows, said = score("-s", "2", "-s", "4", *models, "--save", "out")
    assert code == 0
    assert [(row["scale"], row["model"]) for row in rows] == [
        (2, "upscale-x2-lite"),
        (2, "upscale-x2"),
        (2, "bicubic"),
        *((4, name) for name in ("upscale-x4-lite", "upscale-x2-lite", "upscale-x2", "bicubic")),
    ]
    assert said.count("lite and upscale-x2-lite are both upscale-x2-lite: it has one row\n") == 1


def test_a_file_of_weights_has_a_row_of_its_own(score: Score) -> None:
    entry = load_manifest().get("upscale-x2-lite")
    shutil.copy(
        Path(__file__).parents[2] / "nsr_cli" / "pretrained" / entry.file, "upscale-x2-lite.safetensors"
    )
    code, rows, said = score("-s", "2", "-m", "lite", "-m", "upscale-x2-lite.safetensors")
    assert code == 0 and "one row" not in said
    assert len({row["model"] for row in rows}) == len(rows) == 2
    assert len({row["model_sha256"] for row in rows}) == 1


@pytest.mark.parametrize("model", ["runs/x2", "runs/x2/", "run"])
def test_a_training_run_is_refused_with_how_to_make_weights_of_it(score: Score, model: str) -> None:
    for run in ("runs/x2", "run"):
        Path(run, "checkpoints", "step-00000100").mkdir(parents=True)
    code, _, said = score("-s", "2", "-m", model)
    name = Path(model)
    assert (code, said) == (
        2,
        f"nsr: {name}: it is a training run; give the file that `nsr weights publish RUN --name NAME` makes\n",
    )
