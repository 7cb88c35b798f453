"""From a finished run to published weights: a folded fp16 file and its entry in the manifest."""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nsr_cli.errors import TrainingError, UsageError
from nsr_cli.files import write_atomic
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES
from nsr_cli.model.network import Network
from nsr_cli.reads import read_regular
from nsr_cli.shown import counted, safe_text
from nsr_cli.training import checkpoint, log
from nsr_cli.training.best import load_best
from nsr_cli.training.recipe import Kind, Recipe, Task, find_task
from nsr_cli.training.status import Notify, ignore
from nsr_cli.training.storage import Checkpoint
from nsr_cli.weights.entry import MAX_BYTES, MAX_TEXT, WeightEntry, check_file, check_new_name
from nsr_cli.weights.manifest import add_entry, entries_of, with_entry

_PACKED = Path(
    "nsr_cli", "pretrained"
)  # beside a checkout's manifest: what lies there comes with the package
_LEVELS: Mapping[Kind, tuple[float, float] | None] = {
    "upscale": None,
    "denoise": (0.0, MAX_SIGMA),
    "dejpeg": (float(QUALITIES[0]), float(QUALITIES[1])),
}


@dataclass(frozen=True, slots=True)
class Trained:
    """The network that a run made, and how it was made."""

    recipe: Recipe
    network: Network
    step: int
    seconds: float
    data: Sequence[str]
    started_from: str | None = None  # in words, if the recipe names only a path
    chosen_on: str | None = None  # benchmark set by which they were chosen, no longer a test of them


def load_trained(run: Path, which: str = "best", notify: Notify = ignore) -> Trained:
    """The weights of a run: `best` by its validation, or those of its `last` checkpoint (averaged, if it averages).

    Args:
        run: the folder of the run.
        which: `best` or `last`; a run that was never validated has only the last ones.
        notify: gets a line if other weights are taken than those asked for.

    Raises:
        TrainingError: the folder holds no run, or it is damaged, or its best weights are damaged, gone or another's.
        UsageError: an unknown choice.
    """
    if which not in ("best", "last"):
        raise UsageError(f"no such choice of weights: {which!r}; use best or last")
    saved = checkpoint.load_latest(run, notify)
    if saved is None:
        raise TrainingError(f"{safe_text(run)}: no checkpoint; give the --out folder of a training run")
    step, last = saved
    try:
        recipe = Recipe.from_dict(last.state["recipe"])
        tensors = last.tensors.get("ema", last.tensors["weights"])
        seconds, chosen_on = float(last.state["seconds"]), None
        if which == "best" and (best := _best(run, step, last, notify)) is not None:
            tensors, step = best.tensors["weights"], int(best.state["step"])
            seconds = float(best.state.get("seconds", seconds))
            chosen_on = (last.state.get("conditions") or {}).get("validate")
        network = Network(recipe.network)
        network.load_state_dict(dict(tensors))
    except (KeyError, ValueError, RuntimeError):
        raise TrainingError(
            f"{safe_text(run)}: its settings or weights cannot be read; use the version of nsr that trained it"
        ) from None
    return Trained(recipe, network, step, seconds, log.data_of(run), chosen_on=chosen_on)


def _best(run: Path, step: int, last: Checkpoint, notify: Notify) -> Checkpoint | None:
    """The best weights, or None for a run without any validation.

    Raises:
        TrainingError: they are missing, or those of another run.
    """
    best = load_best(run)
    if best is None:
        if float(last.state.get("best", -math.inf)) > -math.inf:
            raise TrainingError(f"{safe_text(run)}: the best weights are missing; give --which last")
        notify(
            f"{safe_text(run)}: never validated, so that it has no best weights; these are the last, of step {step}"
        )
        return None
    identity = last.state.get("run")  # runs of older versions have none
    if identity is not None and identity != best.state.get("run"):
        raise TrainingError(f"{safe_text(run)}: the best weights are those of another run; give --which last")
    return best


def check(name: str, manifest: Path, task: Task | None = None) -> None:
    """Check that weights can be listed under a name, before long work for them.

    Raises:
        UsageError: the name is not possible, other weights have its file, or weights of another task have it.
        WeightsError: the manifest cannot be read.
    """
    file = f"{name}.safetensors"
    try:
        check_new_name(name)
        check_file(file)
    except ValueError as error:
        raise UsageError(f"--name {safe_text(name)}: it {error}, such as upscale-x2-own") from None
    there = {entry.name: entry for entry in entries_of(manifest)}
    owner = next((entry.name for entry in there.values() if entry.file == file and entry.name != name), None)
    if owner is not None:
        raise UsageError(f"--name {name}: {file} is the file of {owner}; choose another name")
    if name in there and task is not None and not _is_for(there[name], task):
        raise UsageError(
            f"--name {name}: that is for {there[name].purpose()}, not for {task.name}; choose another name"
        )


def wrote(name: str, manifest: Path, folder: Path) -> bool:
    """Whether the file of these weights in `folder` is the one that the manifest lists under this name."""
    try:
        data = read_regular(folder / f"{name}.safetensors", MAX_BYTES)
    except OSError:
        return False
    digest = hashlib.sha256(data).hexdigest()
    return any((entry.name, entry.sha256) == (name, digest) for entry in entries_of(manifest))


def _is_for(entry: WeightEntry, task: Task) -> bool:
    scale = task.scale if task.kind == "upscale" else None
    return (entry.task, entry.scale, entry.color) == (task.kind, scale, task.color)


def publish(
    trained: Trained, name: str, manifest: Path, folder: Path, scores: Mapping[str, Any]
) -> WeightEntry:
    """Write `folder/NAME.safetensors` and its entry in the manifest; a file and an entry of that name are replaced.

    The caller must check with `wrote` that the file may be replaced, before long work.

    Raises:
        UsageError, WeightsError: as for `check`, and nothing is written.
        WriteError: one of the two files cannot be written; the weights are written first.
    """
    recipe = trained.recipe
    task = find_task(recipe.task)
    check(name, manifest, task)
    about = {"task": recipe.task, "steps": trained.step, "seed": recipe.seed, "data": list(trained.data)}
    data = save_network(trained.network, dtype=torch.float16, about=about)
    home, place = (Path(os.path.realpath(path)) for path in (manifest, folder))
    bundled = place == home.parent / _PACKED
    entry = WeightEntry(
        name=name,
        task=task.kind,
        scale=task.scale if task.kind == "upscale" else None,
        levels=_LEVELS[task.kind],
        color=task.color,
        preset=_preset(recipe),
        window=recipe.network.window,
        file=f"{name}.safetensors",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        urls=(),
        bundled=bundled,
        trained_on=history(trained),
        scores=scores,
        license=_license(name, manifest, bundled=bundled),
    )
    with_entry(manifest, entry)  # raises before anything is written
    write_atomic(folder / entry.file, data)
    add_entry(manifest, entry)
    return entry


def _license(name: str, manifest: Path, *, bundled: bool) -> str:
    """What the manifest has said so far; of new weights only the license of this package is known."""
    before = next((entry.license for entry in entries_of(manifest) if entry.name == name), None)
    return before or ("MIT" if bundled else "unstated")


def history(trained: Trained) -> str:
    """How the weights were made, in one printable sentence for the manifest; long lists of pictures are cut.

    Raises:
        UsageError: it is still longer than the manifest allows.
    """
    recipe = trained.recipe
    start = f"from {trained.started_from or recipe.init}" if recipe.init else "from scratch"
    choice = f", the best on {trained.chosen_on}" if trained.chosen_on else ""
    minutes = round(trained.seconds / 60)
    by = "" if recipe.optimizer == "adam" else f" by {recipe.optimizer.capitalize()}"
    rest = safe_text(
        f"{counted(trained.step, 'step')}{by} of {counted(recipe.batch, 'patch', 'patches')} of {recipe.patch}, "
        f"{start}, seed {recipe.seed}, {counted(minutes, 'minute')}{choice}"
    )
    names = [safe_text(name) for name in trained.data] or ["unnamed pictures"]
    for kept in range(len(names), 0, -1):
        more = f" and {len(names) - kept} more" if kept < len(names) else ""
        text = f"{', '.join(names[:kept])}{more}; {rest}"
        if len(text) <= MAX_TEXT:
            return text
    raise UsageError(
        f"how the weights were made takes more than {MAX_TEXT} characters: shorten --from, or the paths of the "
        "pictures in the config.json of the run"
    )


def _preset(recipe: Recipe) -> str:
    """The preset that the network is; `custom` if it was changed from one."""
    preset = PRESETS.get(recipe.preset)
    same = preset is not None and find_task(recipe.task).network(preset) == recipe.network
    return recipe.preset if same else "custom"
