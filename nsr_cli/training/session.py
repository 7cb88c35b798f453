"""From a recipe and folders to a finished run: load, split, start or resume, train, draw."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nsr_cli.engine.device import prepare_cpu
from nsr_cli.errors import WriteError
from nsr_cli.files import write_atomic
from nsr_cli.model.network import Network
from nsr_cli.shown import safe_text
from nsr_cli.training import log
from nsr_cli.training.distributed import process_group
from nsr_cli.training.forms import fastest_form
from nsr_cli.training.loop import Report, Trainer, TrainingStatus, Validate, remark
from nsr_cli.training.patches import PatchSource, Pixels, require_size
from nsr_cli.training.pictures import find_pictures, load_pictures
from nsr_cli.training.recipe import Recipe, find_task
from nsr_cli.training.resume import compare_data, conditions_of, find_saved, saved_form
from nsr_cli.training.start import initial
from nsr_cli.training.validate import mean_psnr

VALIDATION_BATCHES = 4
_VALIDATION_SEED = 20_26


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what: every report, every training file that cannot be read, what is good to know."""

    report: Report
    skipped: Callable[[Path, str], None]
    said: Callable[[str], None]


_NOBODY = Listeners(lambda _: None, lambda *_: None, lambda _: None)


def run_training(
    recipe: Recipe,
    folders: Sequence[Path],
    run: Path,
    listeners: Listeners,
    *,
    device: torch.device,
    resume: bool = False,
    init: Network | None = None,
    validate: Validate | None = None,
    validated_on: str | None = None,
    autocast: torch.dtype | None = None,
) -> Trainer:
    """Train `recipe` on the pictures below `folders` and write everything into the folder `run`.

    Args:
        recipe: task, network and schedule.
        folders: training pictures.
        run: folder of the run; new, or with `resume` one that the same recipe has begun.
        listeners: told of progress, on the leading process only.
        device: where to train.
        resume: go on from the last checkpoint; starts anew where there is none yet.
        init: weights to start from as far as they fit; those of a plain network are split into groups.
        validate: PSNR in dB of a network; default: on the held-out pictures.
        validated_on: what `validate` measures on, by name: a resumed run has to have the same.
        autocast: number type of the forward pass, None for float32.

    Raises:
        DataError: a folder of pictures is missing or empty.
        TrainingError: no usable data, a damaged run, or a loss that is not finite.
        UsageError: `run` holds a run already, or one with other settings.
        WriteError: the run folder cannot be written.
    """
    prepare_cpu()
    with process_group(device) as processes:
        listeners = listeners if processes.leads else _NOBODY
        share = processes.share(recipe.batch)
        conditions = conditions_of(validated_on, autocast)
        saved = find_saved(recipe, conditions, run, device, listeners.report, resume=resume)
        training, held_out = load_and_split(recipe, folders, listeners, run)
        _tell_of_split(training, held_out, validated_on, listeners)
        task = find_task(recipe.task)
        source = PatchSource(task, training, recipe.patch, recipe.seed, device, recipe.flat, recipe.intact)
        aside = PatchSource(task, held_out, recipe.patch, _VALIDATION_SEED, device)
        fixed = [aside.batch(step, 16) for step in range(VALIDATION_BATCHES)]
        del training, held_out, aside  # a run of days needs its pictures once
        taken: list[str] = []
        network = initial(recipe, init, told=taken.append)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
        trainer = Trainer(
            recipe,
            network,
            source,
            run,
            validate=validate or (lambda net: mean_psnr(net, fixed)),
            report=lambda moment: _record(run, moment, listeners.report),
            processes=processes,
            autocast=autocast,
            conditions=conditions,
            form=saved_form(saved, device)
            or processes.by_leader(lambda: fastest_form(network, source, recipe, share, device, autocast)),
        )
        if saved is not None:
            trainer.resume(saved[1], saved[0])
            if processes.leads:
                compare_data(run, _described(folders, len(source)), listeners.report)
        elif processes.leads:
            _begin(run, recipe, folders, len(source))
            for line in taken:
                listeners.report(remark(line))
        trainer.fit()
        if processes.leads:
            log.draw_curve(run)
        return trainer


def load_and_split(
    recipe: Recipe, folders: Sequence[Path], listeners: Listeners, run: Path
) -> tuple[list[Pixels], list[Pixels]]:
    """Training and held-out pictures. Every n-th is held out, so that all folders are represented.

    Where none is, the second list is the first one itself.

    Pictures that are too small for a crop are left out, as are those that the run itself draws.

    Raises:
        DataError: a folder is missing or empty.
        TrainingError: no picture in them can be used.
    """
    task = find_task(recipe.task)
    side = recipe.patch * task.scale
    loaded = load_pictures(find_pictures(folders, run), task.color, skipped=listeners.skipped)
    pictures = require_size(loaded, side)
    if small := len(loaded) - len(pictures):
        listeners.report(
            remark(f"{small} of {len(loaded)} pictures are left out: smaller than a {side}×{side} crop")
        )
    aside = min(recipe.holdout, len(pictures) // 2)
    chosen = {round((i + 0.5) * len(pictures) / aside) for i in range(aside)}
    training = [picture for i, picture in enumerate(pictures) if i not in chosen]
    held_out = [picture for i, picture in enumerate(pictures) if i in chosen]
    return training, held_out or training


def _tell_of_split(
    training: Sequence[Pixels], held_out: Sequence[Pixels], validated_on: str | None, listeners: Listeners
) -> None:
    """Say which pictures validation is on: whoever takes training pictures for held-out ones is misled."""
    if held_out is not training:
        use = "for validation" if validated_on is None else f"and unused: validation is on {validated_on}"
        listeners.said(f"{len(training)} pictures to train on, {len(held_out)} held out {use}")
    elif validated_on is None:
        listeners.report(
            remark(
                "no picture is held out, so validation is on the training pictures themselves; give more pictures, a "
                "--holdout above 0 or --validate"
            )
        )


def _described(folders: Sequence[Path], pictures: int) -> list[str]:
    names = " + ".join(folder.name or str(folder) for folder in folders)
    return [f"{pictures} pictures of {names}"]


def _begin(run: Path, recipe: Recipe, folders: Sequence[Path], pictures: int) -> None:
    document = {"recipe": recipe.to_dict(), "data": _described(folders, pictures)}
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise WriteError(f"{safe_text(run)}: cannot be made: {why}; choose another --out") from error
    write_atomic(run / "config.json", json.dumps(document, indent=2).encode(), devices=False)


def _record(run: Path, moment: TrainingStatus, report: Report) -> None:
    """Log a moment, then report it. A log that cannot be written must not end the run: checkpoints matter more."""
    report(moment)
    if moment.note is not None:
        return
    try:
        log.append(run, moment)
    except OSError as error:
        report(dataclasses.replace(moment, note=f"metrics.csv: {error.strerror or error}"))
