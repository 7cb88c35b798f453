"""`nsr train`: train a network of the paper, its ablations included, on folders of pictures."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.cli.console import Console, Progress
from nsr_cli.cli.options import Device
from nsr_cli.errors import UsageError
from nsr_cli.files import safe_text

if TYPE_CHECKING:
    from nsr_cli.model.network import Network
    from nsr_cli.training.loop import Moment
    from nsr_cli.training.recipe import Recipe

app = typer.Typer()

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_NETWORK, _SCHEDULE, _RUN = "Network", "Schedule", "Run"


def _in(panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, **more)


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `25m` or `2h`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 25m or 2h")
    return float(found[1]) * _UNITS[found[2]]


@app.command("train")
def train(
    ctx: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help="upscale-x2, denoise-gray, dejpeg-rgb, …")],
    data: Annotated[
        list[Path], _in(_RUN, "--data", metavar="DIR", help="Training pictures; give one or several.")
    ],
    out: Annotated[Path, _in(_RUN, "--out", metavar="RUN", help="Folder of the run.")],
    resume: Annotated[bool, _in(_RUN, "--resume", help="Go on from the last checkpoint in --out.")] = False,
    init: Annotated[
        str | None,
        _in(
            _RUN,
            "--init",
            metavar="NAME|FILE",
            help="Start from these weights, as far as they fit; plain kernels become groups.",
        ),
    ] = None,
    validate: Annotated[
        str | None,
        _in(_RUN, "--validate", metavar="SET", help="Validate on this set.  [default: held-out pictures]"),
    ] = None,
    validate_data: Annotated[
        Path | None, _in(_RUN, "--validate-data", metavar="DIR", help="Folder that holds SET/*.")
    ] = None,
    validate_every: Annotated[
        int, _in(_RUN, "--validate-every", min=1, metavar="STEPS", help="How often.")
    ] = 1000,
    save_every: Annotated[
        float,
        _in(_RUN, "--save-every", metavar="TIME", parser=parse_duration, help="Time between checkpoints."),
    ] = "2m",  # type: ignore[assignment]
    holdout: Annotated[int, _in(_RUN, "--holdout", min=0, help="Pictures kept aside for validation.")] = 8,
    seed: Annotated[int, _in(_RUN, "--seed", min=0, help="Seed of weights, crops and noise.")] = 0,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], _in(_RUN, "--precision", help="auto is bf16 on CUDA, else fp32.")
    ] = "auto",
    network: Annotated[
        str | None,
        _in(_NETWORK, "--network", metavar="PRESET", help="sparse-plus, lite, wdsr, restore-plus, …"),
    ] = None,
    blocks: Annotated[int | None, _in(_NETWORK, "--blocks", min=1, help="Residual blocks [N].")] = None,
    width: Annotated[int | None, _in(_NETWORK, "--width", min=1, help="Channels between blocks [n].")] = None,
    expansion: Annotated[
        int | None, _in(_NETWORK, "--expansion", min=1, help="Widening in a block [w].")
    ] = None,
    groups: Annotated[int | None, _in(_NETWORK, "--groups", min=1, help="Sparsity groups [k].")] = None,
    cardinality: Annotated[
        int | None, _in(_NETWORK, "--cardinality", min=0, help="Cardinal groups [d]; 0: each channel is one.")
    ] = None,
    selection: Annotated[
        Literal["none", "softmax", "sigmoid", "gumbel"] | None,
        _in(_NETWORK, "--selection", help="As in Table 1."),
    ] = None,
    temperature: Annotated[float | None, _in(_NETWORK, "--temperature", help="Softmax temperature.")] = None,
    shared: Annotated[
        bool | None,
        _in(_NETWORK, "--shared/--separate", help="One selection for both convolutions of a block."),
    ] = None,
    steps: Annotated[
        int | None, _in(_SCHEDULE, "--steps", min=1, help="Steps.  [default: 30 epochs]")
    ] = None,
    time_budget: Annotated[
        float | None,
        _in(
            _SCHEDULE,
            "--time-budget",
            metavar="TIME",
            parser=parse_duration,
            help="Such as 25m; the schedule fits.",
        ),
    ] = None,
    batch: Annotated[int, _in(_SCHEDULE, "--batch", min=1, help="Patches a step, over all processes.")] = 16,
    windows: Annotated[int, _in(_SCHEDULE, "--windows", min=1, help="Patch of N×N windows, with halos.")] = 1,
    flat: Annotated[
        float,
        _in(
            _SCHEDULE,
            "--flat",
            min=0,
            max=1,
            help="Share of patches made nearly one color; 0.1 keeps flats flat.",
        ),
    ] = 0,
    learning_rate: Annotated[float, _in(_SCHEDULE, "--learning-rate", help="At the start.")] = 1e-3,
    loss: Annotated[
        Literal["l1", "l2"],
        _in(_SCHEDULE, "--loss", help="l1 is the paper's; l2 aims at PSNR and mean colors."),
    ] = "l1",
    schedule: Annotated[
        Literal["step", "cosine"],
        _in(_SCHEDULE, "--schedule", help="step: ×0.2 at 2/3 and 5/6, as the paper."),
    ] = "step",
    warmup: Annotated[int, _in(_SCHEDULE, "--warmup", min=0, help="Steps of rising learning rate.")] = 0,
    ema: Annotated[
        float, _in(_SCHEDULE, "--ema", min=0, max=0.99999, help="Decay of averaged weights; 0: none.")
    ] = 0,
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
    Pictures are degraded by the code that `nsr eval` uses. The run folder gets checkpoints, the best weights by
    validation, metrics.csv and curve.png; `nsr weights publish RUN` makes a weights file of it.
    """
    from nsr_cli.training.recipe import make_recipe

    changes = {
        "blocks": blocks, "width": width, "expansion": expansion, "groups": groups, "cardinality": cardinality,
        "selection": selection, "temperature": temperature, "shared": shared,
    }  # fmt: skip
    recipe = make_recipe(
        task,
        network,
        {name: value for name, value in changes.items() if value is not None},
        steps=steps,
        time_budget=time_budget,
        batch=batch,
        windows=windows,
        learning_rate=learning_rate,
        loss=loss,
        schedule=schedule,
        warmup=warmup,
        ema=ema,
        flat=flat,
        seed=seed,
        holdout=holdout,
        validate_every=validate_every,
        save_every=save_every,
        init=init,
    )
    console = console_of(ctx)
    score = _validation(recipe, validate, validate_data, device) if validate else None
    _run(console, recipe, data, out, resume=resume, device=device, precision=precision, score=score)


def _run(
    console: Console,
    recipe: "Recipe",
    data: list[Path],
    out: Path,
    *,
    resume: bool,
    device: str,
    precision: str,
    score: "Callable[[Network], float] | None",
) -> None:
    import torch

    from nsr_cli.engine.device import choose_device
    from nsr_cli.training.distributed import own_device
    from nsr_cli.training.session import Listeners, run_training

    place = own_device(choose_device(device))
    narrow = precision == "bf16" or (precision == "auto" and place.type == "cuda")
    console.note(
        f"{recipe.task} with {recipe.preset}, {recipe.network.macs_per_pixel / 1e6:.2f} M MACs a pixel, {place}"
    )
    with console.progress(1000, recipe.task) as bar:
        trainer = run_training(
            recipe,
            data,
            out,
            Listeners(
                lambda moment: _report(console, bar, moment, recipe.batch),
                lambda path, why: console.warning(f"skipped {safe_text(path)}: {why}"),
            ),
            device=place,
            resume=resume,
            init=_initial(recipe.init) if recipe.init else None,
            validate=score,
            autocast=torch.bfloat16 if narrow else None,
        )
    if trainer.processes.leads:
        console.note(
            f"{safe_text(out)}: {trainer.step} steps in {trainer.seconds:.0f} s, best {trainer.best:.2f} dB"
        )


def _report(console: Console, bar: Progress, moment: "Moment", batch: int) -> None:
    if moment.note is not None:
        console.warning(moment.note)
        return
    rate = moment.step * batch / max(moment.seconds, 1e-9)
    bar.parts(round(moment.progress * 1000), 1000)
    bar.picture(f"step {moment.step} loss {moment.loss:.4f} {rate:.0f}/s")
    psnr = "" if moment.psnr is None else f", validation {moment.psnr:.2f} dB"
    left = moment.seconds / max(moment.progress, 1e-9) - moment.seconds
    console.note(
        f"step {moment.step} ({moment.progress:.0%}): loss {moment.loss:.5f}, {rate:.1f} patches/s, "
        f"{left / 60:.0f} min left{psnr}"
    )


def _initial(name: str) -> "Network":
    """The network in a file or in the manifest."""
    from nsr_cli.model.checkpoint import load_network
    from nsr_cli.weights.store import WeightStore

    path = Path(name)
    if path.is_file():
        return load_network(path.read_bytes(), safe_text(path.name))
    if path.suffix:
        raise UsageError(f"--init {safe_text(name)}: there is no such file")
    entry, data = WeightStore().read(name)
    return load_network(data, entry.name)


def _validation(recipe: "Recipe", name: str, data: Path | None, device: str) -> "Callable[[Network], float]":
    """PSNR on a named set, which must be there before the run begins."""
    from nsr_cli.datasets.registry import load_registry
    from nsr_cli.datasets.store import find_images
    from nsr_cli.training.recipe import find_task
    from nsr_cli.training.validate import set_psnr

    pictures = load_registry().get(name)
    files = find_images(name, data)
    return lambda network: set_psnr(network, find_task(recipe.task), pictures, files, device)
