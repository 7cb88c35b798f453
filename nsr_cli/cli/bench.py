"""`nsr bench`: how fast this machine runs the networks, in ratios measured in one run."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import UsageError
from nsr_cli.imaging.codec import encode
from nsr_cli.imaging.drawing.chart import line_chart
from nsr_cli.imaging.picture import Picture
from nsr_cli.options.common import Device, JsonObject, PrecisionChoice
from nsr_cli.options.files import PlotExists
from nsr_cli.planning.single import Target, checked, skips, write
from nsr_cli.shown import safe_text
from nsr_cli.terminal.texts import aligned


def bench(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out full HD and 16 megapixels.")] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=1, metavar="N", help="Runs for each median.")] = 5,
    json: JsonObject = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", readable=False, help="Plot time against megapixels, as a PNG."
        ),
    ] = None,
    if_exists: PlotExists = None,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
) -> None:
    """Measure the networks' speed on this machine.

    \b
    Examples:
      nsr bench --quick
      nsr bench --device cuda --precision bf16 --json
      nsr bench --plot growth.png

    What is compared takes turns, and the medians are divided, so that the ratios hold even on a busy machine, where
    the times do not. The sparse network runs in nsr's engine, a plain one of the same shape as fast as PyTorch can
    run it. The authors' scheme restores overlapping patches with the same weights, all in one batch and in fp32, as
    their code does; on a CPU it runs last, in a process of its own.
    """
    import torch

    from nsr_cli.bench.figures import Place
    from nsr_cli.bench.runs import run_all
    from nsr_cli.engine.device import PRECISIONS

    console = console_of(ctx, json)
    target = None if plot is None else _target(plot, if_exists or "error")
    if target is not None and skips(target, "--plot", console):
        target = None
    place = Place.choose(device, precision, repeats)
    figures, grown = run_all(place, quick=quick, notify=console.note)
    about = {
        "torch": torch.__version__,
        "device": str(place.device),
        "precision": next(name for name, dtype in PRECISIONS.items() if dtype == place.dtype),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
    }
    if target is not None:
        _draw(target, list(zip(grown.megapixels, grown.seconds, strict=True)), str(place.device))
    if console.json:
        listed = [dataclasses.asdict(one) | {"target": one.target or None} for one in figures]
        console.json_line({**about, "figures": listed})
        return
    console.data(", ".join(f"{name} {value}" for name, value in about.items()))
    rows = [("figure", "value", "", "target", "met")]
    words = {True: "yes", False: "no", None: ""}
    rows += [(one.name, f"{one.value:.3f}", one.unit, one.target, words[one.met]) for one in figures]
    for line in aligned(rows, right=(1,)):
        console.data(line)


def _target(plot: Path, rule: str) -> Target:
    """The target of the drawing, checked before minutes of measuring."""
    if plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {safe_text(plot)}: the drawing is a PNG; give it a name that ends in .png")
    if not plot.parent.is_dir():
        raise UsageError(
            f"--plot {safe_text(plot)}: there is no folder {safe_text(plot.parent)}; make it first"
        )
    return checked(Target(plot, "PNG"), rule, option="--plot")


def _draw(target: Target, points: list[tuple[float, float]], device: str) -> None:
    pixels = line_chart(
        points,
        title=f"Time for one picture, tiny sparse network at scale 2, {device}",
        across="megapixels of the input",
        up="seconds",
    )
    write(target, encode(Picture(pixels), "PNG"))
