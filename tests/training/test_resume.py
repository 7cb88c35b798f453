"""Runs that go on: to the bit, with the same settings, and what is said where that cannot be."""

import dataclasses
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nsr_cli.errors import TrainingError, UsageError
from nsr_cli.model.network import Network
from nsr_cli.training import checkpoint, log, session
from nsr_cli.training.best import load_best
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.loop import Stop, Trainer
from nsr_cli.training.patches import Batch
from nsr_cli.training.publish import load_trained
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import SILENT
from nsr_cli.training.storage import Checkpoint
from nsr_cli.training.validate import Between
from tests.training.helpers import (
    COMMAND,
    ROOT,
    Told,
    assert_same_state,
    noise_pictures,
    run_tiny,
    tiny_recipe,
)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt, whatever other tests have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run_half(recipe: Recipe, pictures: Path, run: Path, step: int = 10) -> None:
    """The first steps of a run, which then stops as if it were killed right after a checkpoint."""

    class Cut(Exception):
        pass

    def cut(trainer: Trainer, batch: Batch, rate: float) -> torch.Tensor:
        if trainer.step == step:
            trainer._save()
            raise Cut
        return original(trainer, batch, rate)

    original = Trainer._step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", cut)
        with pytest.raises(Cut):
            run_tiny(recipe, pictures, run)


@pytest.mark.parametrize(
    ("selection", "selector_rate", "optimizer"),
    [("softmax", 1.0, "adam"), ("gumbel", 1.0, "adam"), ("softmax", 20.0, "adam"), ("softmax", 20.0, "muon")],
)
def test_a_stopped_run_goes_on_to_the_bit(
    selection: str, selector_rate: float, optimizer: str, pictures: Path, tmp_path: Path
) -> None:
    """20 steps in one go = a run cut off at step 10 and resumed, weights, average and optimizer alike."""
    changes = {"selection": selection}
    whole = tiny_recipe(changes=changes, ema=0.9, selector_rate=selector_rate, optimizer=optimizer)
    run_tiny(whole, pictures, tmp_path / "whole")

    run_half(whole, pictures, tmp_path / "parts")
    trainer, _ = run_tiny(whole, pictures, tmp_path / "parts", resume=True)
    assert trainer.step == 20
    assert_same_state(tmp_path / "whole", tmp_path / "parts")


def test_the_log_of_a_killed_run_is_that_of_one_in_one_go(pictures: Path, tmp_path: Path) -> None:
    """The first row after the kill is the mean over all steps since the row before, not since the checkpoint."""
    recipe, whole, parts = tiny_recipe(), tmp_path / "whole", tmp_path / "parts"
    run_tiny(recipe, pictures, whole)
    run_half(recipe, pictures, parts, 14)
    run_tiny(recipe, pictures, parts, resume=True)
    one, other = ([{**row, "seconds": 0} for row in log.read(run)] for run in (whole, parts))
    assert [row["step"] for row in one] == [10, 20] and other == one


def run_until_signal(
    recipe: Recipe, pictures: Path, run: Path, step: int
) -> pytest.ExceptionInfo[BaseException]:
    """A run that gets a Ctrl-C in the middle of a step; how it ends."""

    def interrupt(trainer: Trainer, batch: Batch, rate: float) -> torch.Tensor:
        if trainer.step == step:
            signal.raise_signal(signal.SIGINT)
        return original(trainer, batch, rate)

    original = Trainer._step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupt)
        with pytest.raises((KeyboardInterrupt, TrainingError)) as caught:
            run_tiny(recipe, pictures, run)
    return caught


def test_an_interrupted_run_is_saved_after_its_step_and_goes_on_to_the_bit(
    pictures: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(ema=0.9)
    run_tiny(recipe, pictures, tmp_path / "whole")
    ended = run_until_signal(recipe, pictures, tmp_path / "parts", 12)
    assert ended.value.__notes__ == ["saved at step 13; go on with --resume"]
    saved = checkpoint.load_latest(tmp_path / "parts")
    assert saved is not None and saved[0] == 13
    trainer, told = run_tiny(recipe, pictures, tmp_path / "parts", resume=True)
    assert trainer.step == 20 and [status.step for status in told.statuses] == [20]
    assert_same_state(tmp_path / "whole", tmp_path / "parts")
    assert [row["step"] for row in log.read(tmp_path / "parts")] == [10, 20]


@pytest.mark.parametrize("step", [10, 20])
def test_a_validation_is_interrupted_between_pictures_and_made_up_for(
    step: int, pictures: Path, tmp_path: Path
) -> None:
    """The last one too, without which a run is not finished. In the end all is as without the interruption."""
    recipe, whole, parts = tiny_recipe(ema=0.9), tmp_path / "whole", tmp_path / "parts"
    run_tiny(recipe, pictures, whole)
    asked: list[int] = []

    def between(trainer: Trainer, stop: Stop) -> int:
        asked.append(trainer.step)
        if asked.count(step) == 3:  # of four batches; it is asked before a step too, but not twice
            signal.raise_signal(signal.SIGINT)
        return original(trainer, stop)

    original = Trainer._ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_ask", between)
        with pytest.raises(KeyboardInterrupt) as ended:
            run_tiny(recipe, pictures, parts)
    assert ended.value.__notes__ == [f"saved at step {step}; go on with --resume"]
    assert asked.count(step) == (4 if step < 20 else 3), "it went on with the validation"
    assert not (parts / "curve.png").exists()
    _, told = run_tiny(recipe, pictures, parts, resume=True)
    assert [status.step for status in told.statuses] == [each for each in (10, 20) if each >= step]
    assert_same_state(whole, parts)
    assert [{**row, "seconds": 0} for row in log.read(parts)] == [
        {**row, "seconds": 0} for row in log.read(whole)
    ]
    best, same = load_best(whole), load_best(parts)
    assert best is not None and same is not None and best.state["step"] == same.state["step"]
    weights = best.tensors["weights"].items()
    assert all(torch.equal(tensor, same.tensors["weights"][name]) for name, tensor in weights)
    _, told = run_tiny(recipe, pictures, parts, resume=True)
    assert told.statuses == [], "made up for once, it is done"


def test_a_run_whose_last_step_is_done_when_it_is_interrupted_is_finished(
    pictures: Path, tmp_path: Path
) -> None:
    """Here validation is on a set, whose last picture is done too."""

    def validate(network: Network, between: Between) -> float:
        between()
        signal.raise_signal(signal.SIGINT)
        return 30.0

    with pytest.raises(KeyboardInterrupt) as ended:
        run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run", validate=validate)
    assert ended.value.__notes__ == ["saved at step 2, its last"]
    assert load_trained(tmp_path / "run").step == 2


def test_an_interrupted_run_saves_nothing_that_is_ruined(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the loss of the next batch tells."""
    monkeypatch.setattr(
        Recipe, "learning_rate_at", lambda recipe, progress, step: 1e30 if step == 5 else 1e-3
    )
    ended = run_until_signal(tiny_recipe(), pictures, tmp_path / "run", 5)
    assert "NaN or infinite before step 6" in str(ended.value)
    assert checkpoint.load_latest(tmp_path / "run") is None


def test_kill_9_and_resume_give_the_same_weights(tmp_path: Path) -> None:
    """The real command, killed by a real signal somewhere after its first checkpoints."""
    folder = noise_pictures(tmp_path / "pictures")
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
    assert trainer.step == 20 and trainer.learner.form == form
    assert_same_state(whole, parts)
    for parameter in trainer.learner.network.parameters():
        moments = trainer.learner.optimizer.state[parameter]
        assert moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == parameter.stride()


def test_a_run_is_not_overwritten_and_not_mixed_with_another(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match="--resume"):
        run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match="other settings"):
        run_tiny(tiny_recipe(steps=2, batch=3), pictures, tmp_path / "run", resume=True)


def test_the_settings_that_differ_are_named(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    other = tiny_recipe(steps=2, seed=7, changes={"groups": 4})
    with pytest.raises(UsageError, match=r"other settings \(--seed 0, now 7; --groups 2, now 4\)"):
        run_tiny(other, pictures, tmp_path / "run", resume=True)
    # Without --network its default is meant: all that makes the two networks differ would hide what was forgotten.
    with pytest.raises(UsageError, match=r"other settings \(--network tiny, now lite; --seed 0, now 7\)"):
        run_tiny(dataclasses.replace(other, preset="lite"), pictures, tmp_path / "run", resume=True)


def test_an_end_that_is_not_given_again_is_missed(pictures: Path, tmp_path: Path) -> None:
    """To go on for the 30 epochs of the default instead is what nobody would mean by that."""
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    with pytest.raises(UsageError, match=r"other settings \(--steps 2, now the default\)"):
        run_tiny(tiny_recipe(steps=None, time_budget=0.5), pictures, tmp_path / "run", resume=True)


def test_a_run_that_is_prolonged_is_one_of_the_new_length_to_the_bit(pictures: Path, tmp_path: Path) -> None:
    """Rates by steps are the same up to step 10 of 20 and of 30."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    longer = tiny_recipe(steps=30, ema=0.9, schedule="step")
    run_tiny(longer, pictures, whole)
    run_half(tiny_recipe(steps=20, ema=0.9, schedule="step"), pictures, parts)
    _, told = run_tiny(longer, pictures, parts, resume=True)
    assert told.warnings == [
        f"{parts} gets another end (--steps 20, now 30): from here on its schedule is that of the new length"
    ]
    assert_same_state(whole, parts)
    assert (whole / "config.json").read_bytes() == (parts / "config.json").read_bytes()
    assert run_tiny(longer, pictures, parts, resume=True)[1].warnings == []


def test_a_run_that_has_ended_goes_on_to_a_later_end(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def train(seconds: float, *, resume: bool = True) -> tuple[Trainer, Told]:
        recipe = tiny_recipe(steps=None, time_budget=seconds, schedule="cosine")
        return run_tiny(recipe, pictures, run, resume=resume)

    ended, _ = train(0.2, resume=False)
    again, told = train(1.0)
    assert again.step > ended.step and again.finished and again.seconds >= 1.0
    assert "(--time-budget 0.2, now 1.0)" in told.warnings[0]
    assert train(1.0)[0].step == again.step
    with pytest.raises(
        UsageError, match=rf"has trained {again.step} steps in \d s already; give more --steps or"
    ):
        train(0.5)


def test_a_run_goes_on_without_the_weights_that_it_started_from(pictures: Path, tmp_path: Path) -> None:
    """They are in its checkpoints; the file may be gone. Where they came from is still known."""
    recipe, run = tiny_recipe(steps=2, init="other"), tmp_path / "run"
    run_tiny(recipe, pictures, run, init=Network(recipe.network))

    def gone() -> Network:
        pytest.fail("read again")

    options = session.RunOptions(torch.device("cpu"), resume=True, init=gone)
    assert session.run_training(recipe, [pictures], run, SILENT, options).step == 2
    again, _ = run_tiny(tiny_recipe(steps=2), pictures, run, resume=True)
    assert again.recipe == recipe and load_trained(run).recipe.init == "other"
    with pytest.raises(UsageError, match=r"other settings \(--init other, now third\)"):
        run_tiny(tiny_recipe(steps=2, init="third"), pictures, run, resume=True)


def test_a_run_may_go_on_with_checkpoints_at_other_times(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    again, _ = run_tiny(tiny_recipe(steps=2, save_every=7.0), pictures, tmp_path / "run", resume=True)
    assert again.recipe.save_every == 7.0
    with pytest.raises(UsageError, match=r"other settings \(--validate-every 10, now 11\)"):
        run_tiny(tiny_recipe(steps=2, validate_every=11), pictures, tmp_path / "run", resume=True)


def test_one_run_is_validated_in_one_way_and_computes_in_one_precision(
    pictures: Path, tmp_path: Path
) -> None:
    """Else the best of it would be the best by two measures."""
    recipe, run = tiny_recipe(steps=2), tmp_path / "run"
    run_tiny(recipe, pictures, run)
    with pytest.raises(UsageError, match=r"other settings \(--validate the default, now Set5\)"):
        run_tiny(recipe, pictures, run, resume=True, validate=lambda *_: 1.0)
    with pytest.raises(UsageError, match=r"other settings \(--precision fp32, now bf16\)"):
        run_tiny(recipe, pictures, run, resume=True, autocast=torch.bfloat16)
    assert run_tiny(recipe, pictures, run, resume=True)[0].step == 2


def edit_state(run: Path, **changes: Any) -> None:
    """Write other values into the state of a run's checkpoint; None takes one out."""
    loaded = checkpoint.load_latest(run)
    assert loaded is not None
    step, saved = loaded
    shutil.rmtree(run / "checkpoints")
    state = {name: value for name, value in {**saved.state, **changes}.items() if value is not None}
    checkpoint.save(run, step, Checkpoint(saved.tensors, state))


def test_a_run_from_before_this_check_can_go_on(pictures: Path, tmp_path: Path) -> None:
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
        form={**TrainingForm().to_dict(), "device": "cuda"},
        conditions={"validate": None, "precision": "bf16"},
    )
    _, told = run_tiny(recipe, pictures, run, resume=True)
    assert told.warnings == [f"{run} was begun in bf16 on cuda, and goes on in fp32 on cpu"]


def test_resuming_what_is_not_there_is_said(pictures: Path, tmp_path: Path) -> None:
    _, told = run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run", resume=True)
    assert told.warnings[0] == f"nothing to resume in {tmp_path / 'run'}; starting anew"


def test_going_on_from_an_older_checkpoint_is_said(pictures: Path, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(), tmp_path / "run"
    run_half(recipe, pictures, run)
    (run / "checkpoints" / "step-00000015").mkdir()
    trainer, told = run_tiny(recipe, pictures, run, resume=True)
    assert trainer.step == 20
    assert told.warnings[0] == f"{run}: checkpoint step-00000015 is damaged; the one of step 10 is used"


def test_a_finished_run_that_is_resumed_keeps_its_log_and_is_not_validated_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(steps=10, schedule="step")
    run_tiny(recipe, pictures, tmp_path / "run")
    before = (tmp_path / "run" / "metrics.csv").read_text()
    assert float(before.splitlines()[-1].split(",")[3]) == pytest.approx(recipe.learning_rate * 0.04)
    monkeypatch.setattr(Trainer, "_validate", lambda *_: pytest.fail("validated again"))
    trainer, told = run_tiny(recipe, pictures, tmp_path / "run", resume=True)
    assert told.statuses == [] and trainer.step == 10
    assert (tmp_path / "run" / "metrics.csv").read_text() == before


def test_going_on_with_other_pictures_is_said(pictures: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "run")
    other = tmp_path / "other"
    shutil.copytree(pictures, other)
    _, told = run_tiny(tiny_recipe(steps=2), other, tmp_path / "run", resume=True)
    assert told.warnings == [
        f"{tmp_path}/run was started on 10 pictures of {pictures.name}, and goes on with 10 pictures of other"
    ]


def test_a_run_on_one_picture_that_an_older_version_began_goes_on(pictures: Path, tmp_path: Path) -> None:
    """That version said "1 pictures"."""
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(next(iter(sorted(pictures.iterdir()))), one)
    run_tiny(tiny_recipe(steps=2), one, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    assert '"1 picture of one"' in config.read_text()
    config.write_text(config.read_text().replace('"1 picture of one"', '"1 pictures of one"'))
    _, told = run_tiny(tiny_recipe(steps=2), one, tmp_path / "run", resume=True)
    assert not any("was started on" in warning for warning in told.warnings)


def test_messages_about_a_run_of_any_name_are_one_line(pictures: Path, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(steps=2), tmp_path / "a\nb"
    data = tmp_path / "c\nd"
    shutil.copytree(pictures, data)
    run_tiny(recipe, data, run)
    with pytest.raises(UsageError, match=r"a\\nb holds a run") as caught:
        run_tiny(recipe, data, run)
    assert str(caught.value).isprintable()
    _, told = run_tiny(recipe, pictures, run, resume=True)
    assert len(told.warnings) == 1 and told.warnings[0].isprintable()
    assert r"a\nb was started on 10 pictures of c\nd" in told.warnings[0]
    edit_state(run, recipe={})
    with pytest.raises(TrainingError, match=r"a\\nb: its settings cannot be read") as unreadable:
        run_tiny(recipe, pictures, run, resume=True)
    assert str(unreadable.value).isprintable()
