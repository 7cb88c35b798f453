"""Shared by the training tests: a tiny recipe and a way to run it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nsr_cli.training.loop import Trainer, TrainingStatus
from nsr_cli.training.recipe import Recipe, make_recipe
from nsr_cli.training.session import Listeners, run_training

NETWORK = {"blocks": 1, "width": 8, "cardinality": 2, "window": 8}


def tiny_recipe(task: str = "upscale-x2", changes: dict[str, Any] | None = None, **fields: Any) -> Recipe:
    settings: dict[str, Any] = {"steps": 20, "batch": 4, "holdout": 2, "validate_every": 10, **fields}
    return make_recipe(task, "tiny", {**NETWORK, **(changes or {})}, **settings)


def run_tiny(
    recipe: Recipe,
    pictures: Path,
    run: Path,
    *,
    resume: bool = False,
    said: Callable[[str], None] | None = None,
    **more: Any,
) -> tuple[Trainer, list[TrainingStatus]]:
    moments: list[TrainingStatus] = []
    listeners = Listeners(
        moments.append,
        lambda path, why: moments.append(TrainingStatus(0, 0, 0, 0, 0, 0, note=f"{path}: {why}")),
        said if said is not None else lambda _: None,
    )
    trainer = run_training(
        recipe, [pictures], run, listeners, device=torch.device("cpu"), resume=resume, **more
    )
    return trainer, moments
