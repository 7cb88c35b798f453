"""The training loop: rates, reports, validation, and when it stops."""

import csv
import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.model.network import Network
from nsr_cli.training import checkpoint, learner, storage
from nsr_cli.training.distributed import Processes
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.learner import Learner
from nsr_cli.training.loop import Trainer
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import TASKS, Recipe
from nsr_cli.training.storage import Checkpoint
from tests.training.helpers import run_tiny, tiny_recipe

CPU = torch.device("cpu")


@pytest.mark.parametrize("changes", [{}, {"selection": "none", "groups": 1, "cardinality": 1}])
def test_only_selectors_learn_at_their_own_rate(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam's first step moves every weight by the learning rate, whatever the gradient; here it is 1 everywhere."""
    recipe = tiny_recipe(changes=changes, selector_rate=8.0)
    source = PatchSource(TASKS[recipe.task], [np.zeros((16, 16, 3), np.uint8)], recipe.patch, 0, CPU)
    network = Network(recipe.network)
    monkeypatch.setattr(learner, "batch_loss", lambda *_: sum(value.sum() for value in network.parameters()))
    learns = Learner(recipe, network, CPU, Processes(), None, TrainingForm())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learns.update(learns.loss(source.batch(0, recipe.batch), 0), 0.25, 0)
    moved = {name: (before[name] - value).unique() for name, value in network.state_dict().items()}
    for name, by in moved.items():
        expected = 2.0 if name.endswith("selector.linear.weight") else 0.25
        torch.testing.assert_close(by, torch.full_like(by, expected), atol=1e-5, rtol=0)
    assert any("selector" in name for name in moved) == (not changes)


def test_a_time_budget_ends_the_run_and_its_schedule(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=10**6, time_budget=1.5)
    trainer, told = run_tiny(recipe, pictures, tmp_path / "run")
    assert 0 < trainer.step < 10**6 and trainer.seconds < 6
    assert told.statuses[-1].progress == 1 and told.statuses[-1].step == trainer.step


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 5 ruins the weights, and only the loss after it shows that: they must not be saved in between."""

    def rate(recipe: Recipe, progress: float, step: int) -> float:
        return 1e30 if step == 5 else 1e-3

    monkeypatch.setattr(Recipe, "learning_rate_at", rate)
    with pytest.raises(TrainingError, match="NaN or infinite before step 6"):
        run_tiny(tiny_recipe(save_every=0.0), pictures, tmp_path / "run")
    latest = checkpoint.load_latest(tmp_path / "run")
    assert latest is not None and latest[0] == 5
    assert max(float(tensor.abs().max()) for tensor in latest[1].tensors["weights"].values()) < 10


@pytest.mark.parametrize("kind", ["l1", "l2", "psnr"])
def test_a_training_that_diverges_says_so_when_it_does_and_at_its_end(
    kind: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 7 ruins the weights without making anything infinite; with usual rates nothing is said."""
    recipe = tiny_recipe(loss=kind, validate_every=5)
    assert run_tiny(recipe, pictures, tmp_path / "usual")[1].warnings == []

    def rate(recipe: Recipe, progress: float, step: int) -> float:
        return 3.0 if step == 7 else 1e-4

    monkeypatch.setattr(Recipe, "learning_rate_at", rate)
    _, told = run_tiny(recipe, pictures, tmp_path / "run")
    assert [status.step for status in told.statuses] == [5, 10, 15, 20]
    losses = [status.loss for status in told.statuses]
    assert told.warnings == [
        f"the loss at step {step}, {loss:.4g}, is worse than at the start and than that of a plain gray picture: the "
        "training has diverged; start again with a lower --learning-rate and another --out"
        for step, loss in ((10, losses[1]), (20, losses[3]))
    ]


def test_a_network_that_is_validated_as_nan_stops_the_run(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=4, validate_every=2)
    with pytest.raises(TrainingError, match="the validation became NaN or infinite before step 2"):
        run_tiny(recipe, pictures, tmp_path / "run", validate=lambda *_: math.nan)


def test_networks_are_validated_as_they_will_be_used(pictures: Path, tmp_path: Path) -> None:
    """And go on training as before."""
    modes = []

    def validate(network: Network, _: object) -> float:
        modes.append(network.training)
        return 30.0

    trainer, _ = run_tiny(
        tiny_recipe(steps=4, validate_every=2), pictures, tmp_path / "run", validate=validate
    )
    assert modes == [False, False] and trainer.learner.network.training


@pytest.mark.parametrize(("steps", "every"), [(20, 10), (50, 1000), (7, 3), (60, 1000)])
def test_every_report_is_of_a_step_of_its_own_and_says_how_far_the_run_is(
    steps: int, every: int, pictures: Path, tmp_path: Path
) -> None:
    _, told = run_tiny(tiny_recipe(steps=steps, validate_every=every), pictures, tmp_path / "run")
    expected = sorted({step for step in range(1, steps + 1) if step % every == 0 or step % 50 == 0} | {steps})
    assert [status.step for status in told.statuses] == expected
    assert [status.progress for status in told.statuses] == [step / steps for step in expected]
    assert told.statuses[-1].psnr is not None and all(status.loss > 0 for status in told.statuses)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == expected


def fill_disk(patch: pytest.MonkeyPatch, first: int) -> None:
    """Let all checkpoints from step `first` on fail as on a full disk."""
    real = storage.write

    def write(folder: Path, saved: Checkpoint) -> None:
        if folder.name.startswith(".step-") and int(folder.name.split("-")[1][:8]) >= first:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(folder, saved)

    patch.setattr(storage, "write", write)


@pytest.mark.parametrize(
    ("first", "kept"), [(4, r"the one before it is kept \(step 3\)"), (0, "there is none before it")]
)
def test_a_run_that_cannot_be_saved_at_its_end_fails(
    first: int, kept: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch, first)
    with pytest.raises(
        WriteError, match=f"No space left on device; {kept}; give --resume once it can be writ"
    ):
        run_tiny(tiny_recipe(steps=6, save_every=0.0), pictures, tmp_path / "run")


def test_a_checkpoint_in_between_that_cannot_be_saved_is_a_warning(pictures: Path, tmp_path: Path) -> None:
    """A full disk must not end days of work, as long as there is time for somebody to make room."""
    with pytest.MonkeyPatch.context() as patch:
        fill_disk(patch, 4)

        def make_room(trainer: Trainer) -> None:
            patch.undo()
            trainer._save_last()

        patch.setattr(Trainer, "_save_last", make_room)
        trainer, told = run_tiny(tiny_recipe(steps=6, save_every=0.0), pictures, tmp_path / "run")
    assert [line.partition(": ")[2] for line in told.warnings] == [
        "No space left on device; the one before it is kept (step 3)"
    ] * 2
    saved = checkpoint.load_latest(tmp_path / "run")
    assert saved is not None and saved[0] == trainer.step == 6
