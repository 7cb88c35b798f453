"""From a recipe and folders to a finished run: load, start or resume, train, draw."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nsr_cli.engine.device import prepare_cpu
from nsr_cli.errors import WriteError
from nsr_cli.model.network import Network
from nsr_cli.training import folder, log
from nsr_cli.training.distributed import process_group
from nsr_cli.training.forms import fastest_form
from nsr_cli.training.learner import Learner
from nsr_cli.training.loop import Trainer
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import Recipe, find_task
from nsr_cli.training.resume import Saved, compare_data, conditions_of, continued, find_saved, saved_form
from nsr_cli.training.signals import deliver, noted_signals
from nsr_cli.training.split import describe, load_and_split, report_split
from nsr_cli.training.start import initial
from nsr_cli.training.status import SILENT, Listeners, TrainingStatus
from nsr_cli.training.validate import Validate, patch_psnr


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The benchmark set on which a run validates instead of held-out pictures."""

    name: str  # a resumed run must have the same
    psnr: Validate


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where and how to run, apart from the recipe."""

    device: torch.device
    autocast: torch.dtype | None = None  # number type of the forward pass, None for float32
    resume: bool = False  # go on from the last checkpoint, or start if there is none yet
    init: Callable[[], Network] | None = None  # reads the weights to start from, see `start.initial`
    benchmark: Benchmark | None = None  # None: the held-out pictures


def run_training(
    recipe: Recipe, folders: Sequence[Path], run: Path, listeners: Listeners, options: RunOptions
) -> Trainer:
    """Train `recipe` on the pictures below `folders` and write everything into the folder `run`.

    A signal that would end the program does so after the present step, or between two pictures of a validation, once
    the run is saved; such a validation is repeated when the run goes on.

    Args:
        recipe: task, network and schedule.
        folders: training pictures.
        run: folder of the run; a new one, or with `options.resume` that of a run with the same recipe up to its end.
        listeners: told of progress, on the leading process only.
        options: where and how to run.

    Raises:
        DataError: a folder of pictures is missing or empty.
        NotReady: no process for decoding could be started in time.
        TrainingError: no usable data, a damaged run, a loss that is not finite, or another process was lost.
        UsageError: another training uses `run`, or it holds a run already, or one with other settings; weights do not
            fit; the processes cannot share a batch evenly.
        WriteError: the run folder cannot be written.
    """
    _prepare(options.device)
    conditions = conditions_of(options.benchmark.name if options.benchmark else None, options.autocast)
    with process_group(options.device) as processes, folder.reserved(run, processes):
        listeners = listeners if processes.leads else SILENT
        share = processes.share(recipe.batch)
        saved = find_saved(recipe, conditions, run, options.device, listeners.warn, resume=options.resume)
        init = options.init() if options.init is not None and saved is None else None
        recipe = recipe if saved is None else continued(recipe, saved)
        source, validate = _load_patches(recipe, folders, run, listeners, options)
        network = initial(recipe, init, notify=listeners.warn)
        form = saved_form(saved, options.device) or processes.by_leader(
            lambda: fastest_form(network, source, recipe, share, options.device, options.autocast)
        )
        trainer = Trainer(
            recipe,
            Learner(recipe, network, options.device, processes, options.autocast, form),
            source,
            run,
            validate=validate,
            listeners=dataclasses.replace(listeners, report=lambda status: _record(run, status, listeners)),
            conditions=conditions,
        )
        _start(trainer, saved, describe(folders, len(source)), listeners)
        with noted_signals() as noted:
            trainer.fit(noted)
        if processes.leads:
            _end(trainer, trainer.stopped or noted(), listeners)
        return trainer


def _prepare(device: torch.device) -> None:
    prepare_cpu()
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # every batch has the same shape


def _load_patches(
    recipe: Recipe, folders: Sequence[Path], run: Path, listeners: Listeners, options: RunOptions
) -> tuple[PatchSource, Validate]:
    """The patches to train on, and the measure to validate by.

    Decoded pictures are freed when it returns: a training set may take half of the memory, and a run takes days.
    """
    task, benchmark = find_task(recipe.task), options.benchmark
    training, held_out = load_and_split(recipe, folders, run, listeners.warn)
    report_split(len(training), len(held_out), benchmark.name if benchmark else None, listeners)
    source = PatchSource(
        task,
        training,
        recipe.patch,
        recipe.seed,
        options.device,
        flat=recipe.flat,
        intact=recipe.intact,
    )
    if benchmark is not None:
        return source, benchmark.psnr
    return source, patch_psnr(task, held_out or training, recipe.patch, options.device)


def _start(trainer: Trainer, saved: Saved | None, data: Sequence[str], listeners: Listeners) -> None:
    """Go on from a checkpoint, or begin a new run; and write the configuration where it is new."""
    if saved is not None:
        step, checkpoint = saved
        trainer.resume(checkpoint, step)
        compare_data(trainer.run, data, listeners.warn)
        if trainer.recipe == Recipe.from_dict(checkpoint.state["recipe"]):
            return
        data = log.data_of(trainer.run) or data
    if trainer.processes.leads:
        if saved is None:
            folder.clear(trainer.run)
        log.write_config(trainer.run, trainer.recipe, data)


def _record(run: Path, status: TrainingStatus, listeners: Listeners) -> None:
    """Report a status, then log it. A log that cannot be written must not end the run."""
    listeners.report(status)
    try:
        log.append(run, status)
    except OSError as error:
        listeners.warn(f"metrics.csv: {error.strerror or error}")


def _end(trainer: Trainer, signal: int, listeners: Listeners) -> None:
    """Finish a run that is saved, and act on a signal that came in the meantime."""
    if trainer.finished:
        _draw_curve(trainer.run, listeners)
    if signal:
        saved = f"saved at step {trainer.step}" if trainer.step else "before the first step"
        deliver(signal, f"{saved}, its last" if trainer.finished else f"{saved}; go on with --resume")


def _draw_curve(run: Path, listeners: Listeners) -> None:
    try:
        log.draw_curve(run)
    except WriteError as error:  # everything that matters is saved
        listeners.warn(str(error))
