"""`nsr train`: train a network of the paper, its ablations included, on folders of pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import MemoryExhausted, UsageError
from nsr_cli.options import train as opt
from nsr_cli.options.common import Device, Mirror, Offline
from nsr_cli.options.groups import takes
from nsr_cli.options.recipe import NetworkOptions, ScheduleOptions
from nsr_cli.shown import counted, safe_text
from nsr_cli.terminal.console import Console
from nsr_cli.terminal.progress import Progress
from nsr_cli.terminal.texts import human_duration

if TYPE_CHECKING:
    import torch

    from nsr_cli.model.network import Network
    from nsr_cli.training.recipe import Recipe
    from nsr_cli.training.session import Benchmark, RunOptions
    from nsr_cli.training.status import TrainingStatus

_FROM_RUN = (
    "for the weights of a run give the file that `nsr weights publish RUN --name NAME` makes, or go on with the run "
    "by --resume"
)


# The decorators run from below, so the lower group's options come first on the help page.
@takes(ScheduleOptions)
@takes(NetworkOptions)
def train(
    ctx: typer.Context,
    task: opt.TaskName,
    data: opt.Data,
    out: opt.Out,
    network: NetworkOptions,
    training: ScheduleOptions,
    resume: opt.Resume = False,
    init: opt.Init = None,
    validate: opt.Validate = None,
    validate_data: opt.ValidateData = None,
    validate_every: opt.ValidateEvery = 1000,
    save_every: opt.SaveEvery = "2m",  # type: ignore[assignment]
    holdout: opt.Holdout = 8,
    seed: opt.Seed = 0,
    device: Device = "auto",
    offline: Offline = False,
    mirror: Mirror = None,
    precision: opt.TrainPrecision = "auto",
) -> None:
    """Train a network on folders of pictures.

    \b
    Examples:
      nsr train upscale-x2 --data photos/ --out runs/x2
      nsr train upscale-x4 --data photos/ --out runs/x4 --init upscale-x2-lite --network lite --time-budget 25m
      nsr train denoise-gray --data photos/ --out runs/gray --schedule cosine --ema 0.999
      nsr train upscale-x2 --data photos/ --out runs/x2 --resume
      torchrun --nproc-per-node=2 -m nsr_cli train upscale-x2 --data photos/ --out runs/x2

    The defaults are the paper's recipe: L1, Adam at 1e-3, patches of 48, 100 crops a picture and epoch, 30 epochs.
    Pictures are degraded by the code that `nsr eval` uses. Checkpoints, the best weights by
    validation, metrics.csv and curve.png go to the run folder; `nsr weights publish RUN` makes a weights file of it.
    """
    from nsr_cli.training.recipe import make_recipe

    recipe = make_recipe(
        task,
        network.preset,
        network.changes(),
        **asdict(training),
        seed=seed,
        holdout=holdout,
        validate_every=validate_every,
        save_every=save_every,
        init=init,
    )
    if validate_data is not None and validate is None:
        raise UsageError(
            "--validate-data is for --validate: name the set that it holds, such as --validate Set5"
        )
    from nsr_cli.engine.device import choose_device
    from nsr_cli.training.distributed import own_device
    from nsr_cli.training.session import RunOptions

    place, console = own_device(choose_device(device)), console_of(ctx)
    options = RunOptions(
        place,
        autocast=_autocast(precision, place),
        resume=resume,
        benchmark=_benchmark(recipe, validate, validate_data, place, offline, console) if validate else None,
        init=(lambda: _load_init(init, mirror, offline)) if init else None,
    )
    _run(console, recipe, data, out, options)


def _autocast(precision: str, device: "torch.device") -> "torch.dtype | None":
    """The number type to compute in, None for float32."""
    import torch

    from nsr_cli.engine.device import choose_precision

    # Not automatically on a CPU, so that a run can go on to the bit on another machine.
    if precision == "auto" and device.type == "cpu":
        return None
    return torch.bfloat16 if choose_precision(precision, device) == torch.bfloat16 else None


def _run(console: Console, recipe: "Recipe", data: list[Path], out: Path, options: "RunOptions") -> None:
    """Train with a progress bar, and report the result at the end."""
    from nsr_cli.training.distributed import is_leader
    from nsr_cli.training.session import run_training
    from nsr_cli.training.status import Listeners

    if is_leader():
        macs = recipe.network.macs_per_pixel / 1e6
        console.note(f"{recipe.task} with {recipe.preset}, {macs:.2g} M MACs a pixel, {options.device}")
    with advise_on_memory(), console.progress(1000, recipe.task) as bar:
        listeners = Listeners(
            lambda status: _report(console, bar, status, recipe.batch), console.warning, console.note
        )
        trainer = run_training(recipe, data, out, listeners, options)
    if trainer.processes.leads:
        console.note(
            f"{safe_text(out)}: {counted(trainer.step, 'step')} in {trainer.seconds:.0f} s, "
            f"best {trainer.best:.2f} dB"
        )


@contextmanager
def advise_on_memory() -> Iterator[None]:
    """If memory runs out, name the options that decide how much a step takes."""
    from nsr_cli.engine.device import is_out_of_memory

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryExhausted(
            "out of memory; give a smaller --batch, --windows or network, or close other programs"
        ) from error


def _report(console: Console, bar: Progress, status: "TrainingStatus", batch: int) -> None:
    rate = status.step * batch / max(status.seconds, 1e-9)
    bar.parts(round(status.progress * 1000), 1000)
    bar.picture(f"step {status.step} loss {status.loss:.4f} {rate:.0f}/s")
    psnr = "" if status.psnr is None else f", validation {status.psnr:.2f} dB"
    left = status.seconds / max(status.progress, 1e-9) - status.seconds
    console.note(
        f"step {status.step} ({status.progress:.0%}): loss {status.loss:.5f}, {rate:.1f} patches/s, "
        f"{human_duration(left)} left{psnr}"
    )


def _load_init(name: str, mirror: str | None, offline: bool) -> "Network":
    """The network in a file or in the manifest.

    Raises:
        UsageError: there is no such file, it cannot be read, or it is part of a training run.
        WeightsError: it holds no network, or the manifest has none of that name.
    """
    from nsr_cli.model.checkpoint import load_network
    from nsr_cli.reads import read_regular
    from nsr_cli.training.storage import is_part_of_run
    from nsr_cli.weights.entry import MAX_BYTES
    from nsr_cli.weights.store import WeightStore

    path = Path(name)
    if path.exists() and not path.is_dir():
        try:
            data = read_regular(path, MAX_BYTES)
        except OSError as error:
            raise UsageError(
                f"--init {safe_text(name)}: cannot be read: {error.strerror or error}; check the file"
            ) from error
        if is_part_of_run(path):
            raise UsageError(f"--init {safe_text(name)}: that is a part of a training run; {_FROM_RUN}")
        return load_network(data, safe_text(path.name))
    if path.suffix and not path.is_dir():
        raise UsageError(f"--init {safe_text(name)}: there is no such file")
    store = WeightStore(mirror=mirror, offline=offline)
    if path.is_dir() and name not in {entry.name for entry in store.manifest.entries}:
        raise UsageError(f"--init {safe_text(name)}: that is a folder; {_FROM_RUN}")
    entry, data = store.read(name)
    return load_network(data, entry.name)


def _benchmark(
    recipe: "Recipe", name: str, data: Path | None, device: "torch.device", offline: bool, console: Console
) -> "Benchmark":
    """The set to validate on; it must be there before the run begins."""
    from nsr_cli.datasets import DataStore
    from nsr_cli.scoreboard.sets import published_pictures
    from nsr_cli.training.distributed import is_leader
    from nsr_cli.training.recipe import find_task
    from nsr_cli.training.session import Benchmark
    from nsr_cli.training.validate import set_psnr

    store = DataStore(data, offline=offline, option="--validate-data")
    pictures = store.registry.get(name)
    files, problem = published_pictures(store, pictures, console if is_leader() else Console())
    if problem is not None and is_leader():
        console.warning(f"{problem}, so that validation is on other pictures; get them again")
    task, place = find_task(recipe.task), str(device)
    return Benchmark(pictures.name, set_psnr(task, pictures, files, place))
