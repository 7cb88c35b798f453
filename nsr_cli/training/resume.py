"""What a resumed run must have in common with its beginning, and which differences are only reported."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nsr_cli.errors import TrainingError, UsageError
from nsr_cli.shown import counted, safe_text
from nsr_cli.training import checkpoint, log
from nsr_cli.training.folder import leftovers
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import Notify
from nsr_cli.training.storage import Checkpoint

Saved = tuple[int, Checkpoint]

# A run may be prolonged or shortened by these, but not by leaving them out: that is more likely to be forgotten.
_ENDS = ("steps", "time_budget")


def conditions_of(validated_on: str | None, autocast: torch.dtype | None) -> dict[str, Any]:
    """Validation set and precision: not part of the recipe, but with others best weights would not be comparable."""
    return {"validate": validated_on, "precision": "fp32" if autocast is None else "bf16"}


def find_saved(
    recipe: Recipe,
    conditions: Mapping[str, Any],
    run: Path,
    device: torch.device,
    notify: Notify,
    *,
    resume: bool,
) -> Saved | None:
    """The step and the checkpoint to go on from; None for a new run.

    Args:
        recipe: what is asked for now.
        conditions: the present ones, see `conditions_of`.
        run: folder of the run.
        device: where it goes on.
        notify: gets a line about damaged or missing checkpoints, another end, or another precision.
        resume: whether `run` may hold a run already.

    Raises:
        TrainingError: there are checkpoints, but none can be read.
        UsageError: `run` holds a run already, or what is left of one, or one with other settings, or one that is beyond
            the end that is asked for.
    """
    saved = checkpoint.load_latest(run, notify)
    if saved is None:
        if resume:
            notify(f"nothing to resume in {safe_text(run)}; starting anew")
        elif leftovers(run):
            raise UsageError(
                f"{safe_text(run)} holds a run that ended before its first checkpoint; start it anew with --resume, "
                "or choose another --out"
            )
        return None
    if not resume:
        raise UsageError(
            f"{safe_text(run)} holds a run at step {saved[0]}; continue it with --resume or choose another --out"
        )
    try:
        before = Recipe.from_dict(saved[1].state["recipe"])
    except (KeyError, ValueError):
        raise TrainingError(
            f"{safe_text(run)}: its settings cannot be read; start again with another --out"
        ) from None
    found = _differences(before, recipe)
    moved = [found.pop(end) for end in _ENDS if end in found and getattr(recipe, end) is not None]
    other = [*found.values(), *_condition_differences(saved, conditions, run, device, notify)]
    if other:
        raise UsageError(
            f"{safe_text(run)} was started with other settings ({safe_text('; '.join(other))}); give the same "
            "options again, or choose another --out"
        )
    if moved:
        _check_ahead(saved, recipe, run)
        end = "; ".join(moved)
        notify(
            f"{safe_text(run)} gets another end ({end}): from here on its schedule is that of the new length"
        )
    return saved


def _check_ahead(saved: Saved, recipe: Recipe, run: Path) -> None:
    """Raise `UsageError` if a run is beyond the end that it gets."""
    step, seconds = saved[0], saved[1].state["seconds"]
    if step >= (recipe.steps or math.inf) or seconds >= (recipe.time_budget or math.inf):
        raise UsageError(
            f"{safe_text(run)} has trained {counted(step, 'step')} in {seconds:.0f} s already; give more "
            "--steps or --time-budget"
        )


def continued(recipe: Recipe, saved: Saved) -> Recipe:
    """The recipe of a resumed run: the present one, with the `init` that the run started from."""
    return dataclasses.replace(recipe, init=saved[1].state["recipe"].get("init"))


def _differences(before: Recipe, now: Recipe) -> dict[str, str]:
    """The settings in which two recipes differ: their names, and both values in words.

    How often a run is saved, and an --init that is not given again, do not count: they change nothing any more. Nor
    do the parts of networks that have different names.
    """
    same = before.preset == now.preset
    old, new = (
        {**recipe.to_dict(), **(recipe.network.to_dict() if same else {})} for recipe in (before, now)
    )
    indifferent = {"network", "save_every", *(() if now.init else ("init",))}
    return {
        name: _difference(name, old[name], new[name])
        for name in old
        if name not in indifferent and old[name] != new[name]
    }


def _difference(name: str, before: Any, now: Any) -> str:
    said = ["the default" if value is None else value for value in (before, now)]
    option = {"task": "task", "preset": "--network"}.get(name, f"--{name.replace('_', '-')}")
    return f"{option} {said[0]}, now {said[1]}"


def _condition_differences(
    saved: Saved, now: Mapping[str, Any], run: Path, device: torch.device, notify: Notify
) -> list[str]:
    """The conditions in which a run differs from its beginning; runs of older versions have none.

    On another kind of device "auto" may mean another precision, without the user's doing: that is only reported.
    """
    state = saved[1].state
    before = dict(state.get("conditions") or {})
    differing = [name for name in now if name in before and before[name] != now[name]]
    kind = state.get("form", {}).get("device", device.type)
    if "precision" in differing and kind != device.type:
        differing.remove("precision")
        notify(
            f"{safe_text(run)} was begun in {before['precision']} on {kind}, and goes on in {now['precision']} on "
            f"{device.type}"
        )
    return [_difference(name, before[name], now[name]) for name in differing]


def saved_form(saved: Saved | None, device: torch.device) -> TrainingForm | None:
    """The form in which a run began, since others do not give the same bits; None on another kind of device."""
    values = saved[1].state.get("form", {}) if saved is not None else {}
    try:
        return TrainingForm.from_dict(values) if values.get("device") == device.type else None
    except ValueError:
        return None


def compare_data(run: Path, now: Sequence[str], notify: Notify) -> None:
    """Say if a resumed run goes on with other pictures: its result would differ from that of an uninterrupted run."""
    before = log.data_of(run)
    if before and before != list(now):
        old, new = (safe_text(", ".join(data)) for data in (before, now))
        notify(f"{safe_text(run)} was started on {old}, and goes on with {new}")
