"""Scores while training: networks meet sets of either color."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsr_cli.datasets import PictureSet
from nsr_cli.engine.arrays import run_array
from nsr_cli.engine.clipping import spread_excess
from nsr_cli.engine.progress import OverallProgress
from nsr_cli.engine.runner import Runner
from nsr_cli.evaluate import evaluate
from nsr_cli.imaging.color import to_unit
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.network import Network
from nsr_cli.restore import Restorer
from nsr_cli.training.patches import Batch
from nsr_cli.training.recipe import TASKS
from nsr_cli.training.validate import QUALITY, SIGMA, case_of, mean_psnr, restorer_of, set_psnr
from tests.tiny import tiny_network
from tests.training.helpers import tiny_recipe


def ignore() -> None:
    """Nobody asks to stop."""


COLOR, GRAY = PictureSet("LIVE1", "benchmark", "rgb", 1), PictureSet("Classic5", "benchmark", "gray", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (30, 26, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("name", ["dejpeg-gray", "dejpeg-rgb", "denoise-gray", "denoise-rgb", "upscale-x2"])
@pytest.mark.parametrize("pictures", [COLOR, GRAY], ids=["color", "gray"])
def test_every_network_can_be_scored_on_every_set(name: str, pictures: PictureSet, file: Path) -> None:
    """With the very pixels that a user gets from a file of the same weights."""
    task = TASKS[name]
    network = tiny_network(task.scale, task.channels, 0 if task.kind == "upscale" else 1)
    score = set_psnr(task, pictures, [file], "cpu")(network, ignore)
    weights = file.with_name("weights.safetensors")
    weights.write_bytes(save_network(network, dtype=torch.float32))
    scale = task.scale if task.kind == "upscale" else None
    stored = Restorer.load(
        task.kind, scale=scale, color=task.color, model=str(weights), device="cpu", precision="fp32"
    )
    assert math.isfinite(score) and score == evaluate(case_of(task, pictures), [file], stored).psnr


def test_a_gumbel_network_is_validated_without_its_noise() -> None:
    """The same network, twice the same score, whatever mode it trains in."""
    network = Network(tiny_recipe(changes={"groups": 4, "cardinality": 4, "selection": "gumbel"}).network)
    x = torch.rand(4, 3, 8, 8)
    batch = Batch(x, torch.rand(4, 3, 16, 16), None)
    assert mean_psnr(network, [batch], ignore) != mean_psnr(network, [batch], ignore), (
        "there is no noise to leave out"
    )
    assert mean_psnr(network.eval(), [batch], ignore) == mean_psnr(network, [batch], ignore)


def test_networks_for_color_are_scored_in_color_where_there_is_some() -> None:
    assert case_of(TASKS["dejpeg-rgb"], COLOR).on_rgb
    assert not case_of(TASKS["dejpeg-rgb"], GRAY).on_rgb
    assert not case_of(TASKS["dejpeg-gray"], COLOR).on_rgb
    assert (case_of(TASKS["dejpeg-gray"], GRAY).quality, case_of(TASKS["denoise-gray"], GRAY).sigma) == (
        QUALITY,
        SIGMA,
    )
    assert case_of(TASKS["dejpeg-rgb"], COLOR, 35).quality == 35
    assert case_of(TASKS["denoise-rgb"], COLOR, 0.0).sigma == 0


def test_validation_asks_before_each_picture_whether_to_go_on(file: Path) -> None:
    class Enough(Exception):
        pass

    asked: list[int] = []

    def between() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Enough

    measure = set_psnr(TASKS["upscale-x2"], COLOR, [file] * 3, "cpu")
    with pytest.raises(Enough):
        measure(tiny_network(scale=2), between)
    assert len(asked) == 2
    assert math.isfinite(measure(tiny_network(scale=2), between)) and len(asked) == 5


def test_a_network_in_training_is_scored_as_users_will_see_it() -> None:
    network = tiny_network(scale=2)
    pixels = np.random.default_rng(5).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    raw = run_array(Runner(network, "cpu", "fp32"), to_unit(pixels), None, OverallProgress(None, 1))
    assert raw.min() < 0 or raw.max() > 1, "nothing to clip"
    spread_excess(raw)
    assert np.array_equal(restorer_of(network, TASKS["upscale-x2"], "cpu").run(to_unit(pixels)), raw)
