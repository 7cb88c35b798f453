"""`nsr bench`: how fast this machine runs the networks, as ratios taken in one run."""

import dataclasses
from typing import Annotated

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.cli.options import Device, PrecisionChoice
from nsr_cli.cli.texts import aligned

app = typer.Typer()


@app.command("bench")
def bench(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out full HD.")] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Runs behind each median.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
) -> None:
    """Measure the networks' speed on this machine.

    \b
    Examples:
      nsr bench --quick
      nsr bench --device cuda --precision bf16 --json

    What is compared is run in turn and the medians are divided: on a machine that does other things too, the
    ratios hold where times do not. The sparse network runs in nsr's engine; the plain one of equal shape as PyTorch
    runs it best; the authors' scheme restores overlapping patches with the same weights.
    """
    import torch

    from nsr_cli.bench import Place, run_all

    console = console_of(ctx)
    place = Place.choose(device, precision, repeats)
    figures = run_all(place, quick=quick, notify=console.note)
    about = {
        "torch": torch.__version__,
        "device": str(place.device),
        "precision": str(place.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
    }
    if json or console.json:
        console.json_line(
            {"schema": 1, **about, "figures": [dataclasses.asdict(figure) for figure in figures]}
        )
        return
    console.data(", ".join(f"{name} {value}" for name, value in about.items()))
    rows = [("figure", "value", "", "target")]
    rows += [(figure.name, f"{figure.value:.3f}", figure.unit, figure.target) for figure in figures]
    for line in aligned(rows, right=(1,)):
        console.data(line)
