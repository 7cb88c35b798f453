"""Shared by the training tests: a tiny recipe and a way to run it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nsr_cli.model.network import Network
from nsr_cli.training import checkpoint
from nsr_cli.training.loop import Trainer
from nsr_cli.training.recipe import Recipe, make_recipe
from nsr_cli.training.session import Benchmark, RunOptions, run_training
from nsr_cli.training.status import Listeners, TrainingStatus
from nsr_cli.training.validate import Validate

ROOT = Path(__file__).parents[2]
NETWORK = {"blocks": 1, "width": 8, "cardinality": 2, "window": 8}
COMMAND = [sys.executable, "-m", "nsr_cli", "train", "upscale-x2", "--network", "tiny", "--width", "8", "--blocks", "1",
           "--cardinality", "2", "--batch", "2", "--holdout", "0", "--device", "cpu", "--seed", "3"]  # fmt: skip


@dataclass
class Told:
    """What a run told those who listened."""

    statuses: list[TrainingStatus] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def listeners(self) -> Listeners:
        return Listeners(self.statuses.append, self.warnings.append, self.notes.append)


def tiny_recipe(task: str = "upscale-x2", changes: dict[str, Any] | None = None, **fields: Any) -> Recipe:
    settings: dict[str, Any] = {"steps": 20, "batch": 4, "holdout": 2, "validate_every": 10, **fields}
    return make_recipe(task, "tiny", {**NETWORK, **(changes or {})}, **settings)


def run_tiny(
    recipe: Recipe,
    pictures: Path,
    run: Path,
    *,
    resume: bool = False,
    init: Network | None = None,
    validate: Validate | None = None,
    autocast: torch.dtype | None = None,
) -> tuple[Trainer, Told]:
    """Train on a CPU; `validate` stands for a benchmark named Set5."""
    told = Told()
    benchmark = Benchmark("Set5", validate) if validate is not None else None
    start = (lambda: init) if init is not None else None
    options = RunOptions(torch.device("cpu"), autocast, resume, start, benchmark)
    return run_training(recipe, [pictures], run, told.listeners(), options), told


def noise_pictures(folder: Path) -> Path:
    """A new folder of three pictures that are large enough for `COMMAND`."""
    folder.mkdir()
    for i in range(3):
        Image.effect_noise((100, 100 + i), 60).convert("RGB").save(folder / f"{i}.png")
    return folder


def state_of(run: Path) -> tuple[int, dict[str, torch.Tensor]]:
    """The step of a run's newest checkpoint, and all its tensors."""
    loaded = checkpoint.load_latest(run)
    assert loaded is not None
    groups = loaded[1].tensors.items()
    return loaded[0], {f"{group}.{name}": each for group, tensors in groups for name, each in tensors.items()}


def assert_same_state(one: Path, other: Path) -> None:
    (step, mine), (same, others) = state_of(one), state_of(other)
    assert step == same and mine.keys() == others.keys()
    assert [name for name in mine if not torch.equal(mine[name], others[name])] == []
