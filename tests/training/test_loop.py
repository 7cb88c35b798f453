"""Runs from beginning to end: learning, resuming to the bit, stopping, publishing."""

import csv
import dataclasses
import gc
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nsr_cli.errors import DataError, TrainingError, UsageError
from nsr_cli.model.checkpoint import load_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.training import checkpoint, session
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.loop import Trainer, make_optimizer
from nsr_cli.training.patches import Batch
from nsr_cli.training.publish import load_trained, publish
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.session import load_and_split
from nsr_cli.training.start import unfolded
from nsr_cli.weights.manifest import load_manifest
from tests.tiny import tiny_network
from tests.training.helpers import run_tiny, tiny_recipe

ROOT = Path(__file__).parents[2]


def state_of(run: Path) -> dict[str, torch.Tensor]:
    loaded = checkpoint.load_latest(run)
    assert loaded is not None
    return {f"{g}.{n}": t for g, tensors in loaded[1].tensors.items() for n, t in tensors.items()}


def assert_same_state(one: Path, other: Path) -> None:
    a, b = state_of(one), state_of(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.mark.parametrize("task", ["upscale-x2", "denoise-gray", "dejpeg-rgb"])
def test_training_lowers_the_loss_and_leaves_a_whole_run(task: str, pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(task, steps=120, validate_every=40, learning_rate=5e-3, schedule="cosine", ema=0.9)
    trainer, moments = run_tiny(recipe, pictures, tmp_path / "run")
    scores = [m.psnr for m in moments if m.psnr is not None]
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


def run_half(recipe: Recipe, pictures: Path, run: Path) -> None:
    """The first ten steps of a run, which then stops as if it were killed right after a checkpoint."""

    class Cut(Exception):
        pass

    def cut(trainer: Trainer, batch: Batch, rate: float) -> torch.Tensor:
        if trainer.step == 10:
            trainer._save()
            raise Cut
        return original(trainer, batch, rate)

    original = Trainer._step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", cut)
        with pytest.raises(Cut):
            run_tiny(recipe, pictures, run)


@pytest.mark.parametrize(
    ("selection", "selector_rate"), [("softmax", 1.0), ("gumbel", 1.0), ("softmax", 20.0)]
)
def test_a_stopped_run_goes_on_to_the_bit(
    selection: str, selector_rate: float, pictures: Path, tmp_path: Path
) -> None:
    """20 steps in one go = a run cut off at step 10 and resumed, weights, average and optimizer alike."""
    whole = tiny_recipe(changes={"selection": selection}, ema=0.9, selector_rate=selector_rate)
    run_tiny(whole, pictures, tmp_path / "whole")

    run_half(whole, pictures, tmp_path / "parts")
    trainer, _ = run_tiny(whole, pictures, tmp_path / "parts", resume=True)
    assert trainer.step == 20
    assert_same_state(tmp_path / "whole", tmp_path / "parts")


COMMAND = [sys.executable, "-m", "nsr_cli", "train", "upscale-x2", "--network", "tiny", "--width", "8", "--blocks", "1",
           "--cardinality", "2", "--batch", "2", "--holdout", "0", "--device", "cpu", "--seed", "3"]  # fmt: skip


def test_kill_9_and_resume_give_the_same_weights(tmp_path: Path) -> None:
    """The real command, killed by a real signal somewhere after its first checkpoints."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.effect_noise((100, 100 + i), 60).convert("RGB").save(folder / f"{i}.png")
    command = [*COMMAND, "--data", str(folder), "--steps", "60", "--save-every", "0.01s"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True, cwd=ROOT)
    cut = [*command, "--out", str(tmp_path / "cut")]
    process = subprocess.Popen(cut, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    deadline = time.monotonic() + 60
    while checkpoint.load_latest(tmp_path / "cut") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stopped = checkpoint.load_latest(tmp_path / "cut")
    assert stopped is not None and stopped[0] < 60
    subprocess.run([*cut, "--resume"], check=True, capture_output=True, cwd=ROOT)
    assert_same_state(tmp_path / "whole", tmp_path / "cut")


def test_two_processes_follow_one_process_with_the_same_batch(pictures: Path, tmp_path: Path) -> None:
    """torchrun with gloo: the loss curve of 2 × 4 patches is that of 8 patches, to 1e-4."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.effect_noise((100, 100 + i), 60).convert("RGB").save(folder / f"{i}.png")
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


@pytest.mark.parametrize("preset", ["tiny", "wdsr"])
def test_only_selectors_learn_at_their_own_rate(preset: str) -> None:
    """Adam's first step moves every weight by the learning rate."""
    network = Network(dataclasses.replace(PRESETS[preset], blocks=1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = make_optimizer(network, 0.25, selector_rate=8.0)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] *= group["times"]
    optimizer.step()
    moved = {name: (before[name] - value).unique() for name, value in network.state_dict().items()}
    for name, by in moved.items():
        expected = 2.0 if name.endswith("selector.linear.weight") else 0.25
        torch.testing.assert_close(by, torch.full_like(by, expected), atol=1e-5, rtol=0)
    assert any("selector" in name for name in moved) == (preset == "tiny")


def test_a_time_budget_ends_the_run_and_its_schedule(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=10**6, time_budget=1.5)
    trainer, moments = run_tiny(recipe, pictures, tmp_path / "run")
    assert 0 < trainer.step < 10**6 and trainer.seconds < 6
    assert moments[-1].progress == 1 and moments[-1].step == trainer.step


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


def test_a_network_that_is_validated_as_nan_stops_the_run(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=4, validate_every=2)
    with pytest.raises(TrainingError, match="the validation became NaN or infinite before step 2"):
        run_tiny(recipe, pictures, tmp_path / "run", validate=lambda network: math.nan)


def test_networks_are_validated_as_they_will_be_used(pictures: Path, tmp_path: Path) -> None:
    """And go on training as before."""
    modes = []

    def validate(network: Network) -> float:
        modes.append(network.training)
        return 30.0

    trainer, _ = run_tiny(
        tiny_recipe(steps=4, validate_every=2), pictures, tmp_path / "run", validate=validate
    )
    assert modes == [False, False] and trainer.network.training


def test_a_run_goes_on_in_the_form_in_which_it_began(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fastest is measured, and may come out otherwise; then nothing would be the same to the bit.

    The optimizer's moments lie in memory as the parameters do, as a fused optimizer wants them on CUDA.
    """
    form = TrainingForm("mixed", torch.channels_last)
    monkeypatch.setattr(session, "fastest_form", lambda *_: form)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_tiny(tiny_recipe(ema=0.9), pictures, whole)
    run_half(tiny_recipe(ema=0.9), pictures, parts)
    monkeypatch.setattr(session, "fastest_form", lambda *_: TrainingForm())
    trainer, _ = run_tiny(tiny_recipe(ema=0.9), pictures, parts, resume=True)
    assert trainer.step == 20 and trainer.form == form
    assert_same_state(whole, parts)
    for parameter in trainer.network.parameters():
        moments = trainer.optimizer.state[parameter]
        assert moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == parameter.stride()


def test_a_run_is_not_overwritten_and_not_mixed_with_another(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match="--resume"):
        run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match="other settings"):
        run_tiny(tiny_recipe(steps=3), pictures, tmp_path / "run", resume=True)


def test_the_settings_that_differ_are_named(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    other = tiny_recipe(steps=2, seed=7, changes={"groups": 4})
    with pytest.raises(UsageError, match=r"other settings \(seed 0, now 7; groups 2, now 4\)"):
        run_tiny(other, pictures, tmp_path / "run", resume=True)


def test_a_setting_that_was_left_to_its_default_is_not_called_none(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match=r"steps 2, now the default; time_budget the default, now 0.5"):
        run_tiny(tiny_recipe(steps=None, time_budget=0.5), pictures, tmp_path / "run", resume=True)


def test_one_run_is_validated_in_one_way_and_computes_in_one_precision(
    pictures: Path, tmp_path: Path
) -> None:
    """Else the best of it would be the best by two measures."""
    recipe, run = tiny_recipe(steps=2), tmp_path / "run"
    run_tiny(recipe, pictures, run)
    with pytest.raises(UsageError, match=r"other settings \(validate the default, now Set5\)"):
        run_tiny(recipe, pictures, run, resume=True, validate=lambda _: 1.0, validated_on="Set5")
    with pytest.raises(UsageError, match=r"other settings \(precision fp32, now bf16\)"):
        run_tiny(recipe, pictures, run, resume=True, autocast=torch.bfloat16)
    assert run_tiny(recipe, pictures, run, resume=True)[0].step == 2


def edit_state(run: Path, **changes: Any) -> None:
    """Write other values into the state of a run's checkpoint; None takes one out."""
    loaded = checkpoint.load_latest(run)
    assert loaded is not None
    step, saved = loaded
    shutil.rmtree(run / "checkpoints")
    state = {name: value for name, value in {**saved.state, **changes}.items() if value is not None}
    checkpoint.save(run, step, checkpoint.Checkpoint(saved.tensors, state))


def test_a_run_of_before_there_was_such_a_check_can_go_on(pictures: Path, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(steps=2), tmp_path / "run"
    run_tiny(recipe, pictures, run)
    edit_state(run, conditions=None)
    assert run_tiny(recipe, pictures, run, resume=True, autocast=torch.bfloat16)[0].step == 2


def test_another_kind_of_device_may_have_another_precision_and_it_is_said(
    pictures: Path, tmp_path: Path
) -> None:
    """Of a card that computes in bfloat16 to a CPU, say: "auto" chose both times."""
    recipe, run = tiny_recipe(steps=2), tmp_path / "run"
    run_tiny(recipe, pictures, run)
    edit_state(
        run,
        way={**TrainingForm().to_dict(), "device": "cuda"},
        conditions={"validate": None, "precision": "bf16"},
    )
    _, moments = run_tiny(recipe, pictures, run, resume=True)
    assert [moment.note for moment in moments] == [
        f"{run} was begun in bf16 on cuda, and goes on in fp32 on cpu"
    ]


def test_resuming_what_is_not_there_is_said(pictures: Path, tmp_path: Path) -> None:
    _, moments = run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run", resume=True)
    assert moments[0].note == f"nothing to resume in {tmp_path / 'run'}; starting anew"


def test_going_on_from_an_older_checkpoint_is_said(pictures: Path, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(), tmp_path / "run"
    run_half(recipe, pictures, run)
    (run / "checkpoints" / "step-00000015").mkdir()
    trainer, moments = run_tiny(recipe, pictures, run, resume=True)
    assert trainer.step == 20
    assert moments[0].note == f"{run}: checkpoint step-00000015 is damaged; the one of step 10 is used"


@pytest.mark.parametrize(("steps", "every"), [(20, 10), (50, 1000), (7, 3), (60, 1000)])
def test_every_report_is_of_a_step_of_its_own_and_says_how_far_the_run_is(
    steps: int, every: int, pictures: Path, tmp_path: Path
) -> None:
    _, moments = run_tiny(tiny_recipe(steps=steps, validate_every=every), pictures, tmp_path / "run")
    expected = sorted({step for step in range(1, steps + 1) if step % every == 0 or step % 50 == 0} | {steps})
    assert [moment.step for moment in moments] == expected
    assert [moment.progress for moment in moments] == [step / steps for step in expected]
    assert moments[-1].psnr is not None and all(moment.loss > 0 for moment in moments)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == expected


@pytest.mark.parametrize(("holdout", "count"), [(0, 12), (8, 1)])
def test_validation_on_the_training_pictures_is_said(
    holdout: int, count: int, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted(pictures.iterdir())[:count]:
        shutil.copy(path, folder)
    recipe = tiny_recipe(steps=1, holdout=holdout)
    _, moments = run_tiny(recipe, folder, tmp_path / "run")
    assert moments[0].note == (
        "no picture is held out, so validation is on the training pictures themselves; give more pictures, a "
        "--holdout above 0 or --validate"
    )
    _, moments = run_tiny(recipe, folder, tmp_path / "set", validate=lambda _: 1.0, validated_on="Set5")
    assert [moment.note for moment in moments] == [None]


def test_how_many_pictures_are_held_out_is_said(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run_tiny(tiny_recipe(steps=1), pictures, tmp_path / "run", said=said.append)
    assert said == ["10 pictures to train on, 2 held out for validation"]


def test_a_finished_run_that_is_resumed_keeps_its_log(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=10, schedule="step")
    run_tiny(recipe, pictures, tmp_path / "run")
    before = (tmp_path / "run" / "metrics.csv").read_text()
    assert float(before.splitlines()[-1].split(",")[3]) == pytest.approx(recipe.learning_rate * 0.04)
    shutil.rmtree(tmp_path / "run" / "best")  # as if it had been killed before the last validation
    trainer, moments = run_tiny(recipe, pictures, tmp_path / "run", resume=True)
    assert moments == [] and trainer.step == 10
    assert (tmp_path / "run" / "metrics.csv").read_text() == before


def test_going_on_with_other_pictures_is_said(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    other = tmp_path / "other"
    shutil.copytree(pictures, other)
    _, moments = run_tiny(tiny_recipe(steps=2), other, tmp_path / "run", resume=True)
    assert [moment.note for moment in moments] == [
        f"{tmp_path}/run was started on 10 pictures of {pictures.name}, and goes on with 10 pictures of other"
    ]


def test_pictures_too_small_for_a_crop_are_counted(pictures: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(pictures, mixed)
    Image.new("RGB", (15, 40)).save(mixed / "small.png")
    _, moments = run_tiny(tiny_recipe(steps=1), mixed, tmp_path / "run")
    assert moments[0].note == "1 of 13 pictures are left out: smaller than a 16×16 crop"


def test_unusable_folders_are_one_clear_line(tmp_path: Path) -> None:
    empty, broken, small = (tmp_path / name for name in ("empty", "broken", "small"))
    for folder in (empty, broken, small):
        folder.mkdir()
    (broken / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    Image.new("RGB", (9, 9)).save(small / "a.png")
    cases = [
        (tmp_path / "absent", DataError, "no folder"),
        (empty, DataError, "no picture"),
        (broken, TrainingError, "could be read"),
        (small, TrainingError, "smaller than a 16×16 crop"),
    ]
    for folder, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            run_tiny(tiny_recipe(), folder, tmp_path / "run")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_unreadable_pictures_are_named_and_the_others_used(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in list(pictures.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "bad.png").write_bytes(b"no picture")
    _, moments = run_tiny(tiny_recipe(steps=1, holdout=0), folder, tmp_path / "run")
    notes = [m.note for m in moments if m.note]
    assert len(notes) == 2 and "bad.png" in notes[0] and "no picture is held out" in notes[1]


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
    torch.testing.assert_close(network(x), trainer.result(x), atol=3e-3, rtol=0)
    again, _ = run_tiny(tiny_recipe(steps=1, learning_rate=1e-9), pictures, tmp_path / "next", init=network)
    torch.testing.assert_close(again.network(x), network(x), atol=1e-4, rtol=1e-3)


def test_another_scale_starts_from_the_body(pictures: Path, tmp_path: Path) -> None:
    two, _ = run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "two")
    three, _ = run_tiny(
        tiny_recipe("upscale-x3", steps=1, learning_rate=1e-12),
        pictures,
        tmp_path / "three",
        init=two.network,
    )
    for name, tensor in two.network.state_dict().items():
        other = three.network.state_dict()[name]
        if name.startswith(("body", "head")):
            torch.testing.assert_close(other, tensor, atol=1e-6, rtol=1e-5)


def test_unfolding_inverts_folding() -> None:
    network = tiny_network()
    x = torch.rand(1, 3, 48, 48)
    back = unfolded(network)
    assert back.head.weight_g is not None
    torch.testing.assert_close(back.eval()(x), network(x), atol=1e-5, rtol=1e-5)
    fresh = Network(network.config)
    assert unfolded(fresh) is fresh


def test_decoded_pictures_are_let_go_once_they_are_packed(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training set may take half of the memory; a second copy would take the rest, for days."""
    kept: list[weakref.ref[Any]] = []
    left: list[int] = []

    def load(*given: Any) -> Any:
        loaded = load_and_split(*given)
        kept.extend(weakref.ref(picture) for part in loaded for picture in part)
        return loaded

    def validate(_: Network) -> float:
        gc.collect()
        left.append(sum(picture() is not None for picture in kept))
        return 1.0

    monkeypatch.setattr(session, "load_and_split", load)
    run_tiny(tiny_recipe(), pictures, tmp_path / "run", validate=validate)
    assert kept and set(left) == {0}
