"""Runs from beginning to end: learning, what they leave, what they start from, what they hold in memory."""

import csv
import gc
import json
import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nsr_cli.errors import DataError, TrainingError
from nsr_cli.model.checkpoint import load_network
from nsr_cli.training import session
from nsr_cli.training.patches import PatchSource, Pixels
from nsr_cli.training.publish import load_trained, publish
from nsr_cli.training.recipe import Task
from nsr_cli.training.split import load_and_split
from nsr_cli.weights.manifest import load_manifest
from tests.training.helpers import run_tiny, tiny_recipe


@pytest.mark.parametrize("task", ["upscale-x2", "denoise-gray", "dejpeg-rgb"])
def test_training_lowers_the_loss_and_leaves_a_whole_run(task: str, pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(task, steps=120, validate_every=40, learning_rate=5e-3, schedule="cosine", ema=0.9)
    trainer, told = run_tiny(recipe, pictures, tmp_path / "run")
    scores = [status.psnr for status in told.statuses if status.psnr is not None]
    assert trainer.step == 120 and scores[-1] > scores[0]
    assert trainer.best == max(scores)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert [row["step"] for row in rows][-1] == "120" and all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    with Image.open(tmp_path / "run" / "curve.png") as curve:
        assert curve.size[0] > 500
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"] == [f"10 pictures of {pictures.name}"]


def test_unusable_folders_are_one_clear_line(tmp_path: Path) -> None:
    empty, broken, small = (tmp_path / name for name in ("empty", "broken", "small"))
    for folder in (empty, broken, small):
        folder.mkdir()
    (broken / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    Image.new("RGB", (7, 7)).save(small / "a.png")
    cases = [
        (tmp_path / "absent", DataError, "no folder"),
        (empty, DataError, "no picture"),
        (broken, TrainingError, "could be read"),
        (small, TrainingError, "smaller than half of a 16×16 crop"),
    ]
    for folder, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            run_tiny(tiny_recipe(), folder, tmp_path / "run")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_published_weights_start_another_run_where_they_left_off(pictures: Path, tmp_path: Path) -> None:
    trainer, _ = run_tiny(tiny_recipe(steps=30, learning_rate=5e-3, ema=0.5), pictures, tmp_path / "run")
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"schema": 1, "weights": []}')
    entry = publish(
        load_trained(tmp_path / "run", "last"), "upscale-x2-lite", manifest, tmp_path, {"Set5": {"psnr": 1.5}}
    )
    assert load_manifest(manifest).get("upscale-x2-lite") == entry
    assert entry.scale == 2 and entry.task == "upscale" and "30 steps" in entry.trained_on
    network = load_network((tmp_path / entry.file).read_bytes())
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(network(x), trainer.learner.result(x), atol=3e-3, rtol=0)
    again, _ = run_tiny(tiny_recipe(steps=1, learning_rate=1e-9), pictures, tmp_path / "next", init=network)
    torch.testing.assert_close(again.learner.network(x), network(x), atol=1e-4, rtol=1e-3)


def test_decoded_pictures_are_freed_once_they_are_packed(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training set may take half of the memory; a second copy would take the rest, for days."""
    kept: list[weakref.ref[Any]] = []
    left: list[int] = []

    def load(*given: Any) -> Any:
        loaded = load_and_split(*given)
        kept.extend(weakref.ref(picture) for part in loaded for picture in part)
        return loaded

    def validate(*_: Any) -> float:
        gc.collect()
        left.append(sum(picture() is not None for picture in kept))
        return 1.0

    monkeypatch.setattr(session, "load_and_split", load)
    run_tiny(tiny_recipe(), pictures, tmp_path / "run", validate=validate)
    assert kept and set(left) == {0}


def test_held_out_pictures_are_packed_only_where_validation_is_on_them(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run on a benchmark would keep their patches in memory to its end."""
    packed: list[int] = []
    original = PatchSource.__init__

    def count(source: PatchSource, task: Task, given: Sequence[Pixels], *more: Any, **options: Any) -> None:
        packed.append(len(given))
        original(source, task, given, *more, **options)

    monkeypatch.setattr(PatchSource, "__init__", count)
    run_tiny(tiny_recipe(steps=1), pictures, tmp_path / "set", validate=lambda *_: 1.0)
    assert packed == [10]
    run_tiny(tiny_recipe(steps=1), pictures, tmp_path / "held-out")
    assert packed == [10, 10, 2]


def test_a_curve_that_cannot_be_written_does_not_fail_a_finished_run(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "curve.png").mkdir()
    trainer, told = run_tiny(tiny_recipe(), pictures, tmp_path)
    assert trainer.step == 20 and load_trained(tmp_path, "last").step == 20
    assert len(told.warnings) == 1 and "curve.png" in told.warnings[0]
