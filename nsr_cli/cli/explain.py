"""`nsr explain`: which kernels a network chose for each window of a picture."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsr_cli.cli.commands import both_to_stdout, console_of
from nsr_cli.cli.restore import check_chosen
from nsr_cli.errors import UsageError
from nsr_cli.options import files
from nsr_cli.options.common import flag
from nsr_cli.options.groups import ViewOptions, takes
from nsr_cli.options.picture import Model, ScaleOfNetwork
from nsr_cli.options.tasks import Image, choose_task
from nsr_cli.shown import counted
from nsr_cli.terminal.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsr_cli.engine.trace import Trace
    from nsr_cli.explain.choices import Choice
    from nsr_cli.explain.subject import Subject
    from nsr_cli.planning.reading import Source
    from nsr_cli.planning.single import Target
    from nsr_cli.steps.levels import Level

_FIRST = "its choices for the first one are shown"
_WHICH = "Which choices"


@dataclass(frozen=True, slots=True)
class _Run:
    """One network's run over one picture."""

    source: "Source"
    task: str
    level: "Level"
    subject: "Subject"
    trace: "Trace"
    choices: "tuple[Choice, ...]"
    seconds: float

    @property
    def is_of_one_channel(self) -> bool:
        """Whether restoring runs the network over each channel by itself; this run is of the first one."""
        return self.subject.runs_by_channel(self.source.picture)

    @property
    def about_channel(self) -> list[str]:
        """A note if the choices are those for one channel."""
        if not self.is_of_one_channel:
            return []
        return [f"{self.subject.name} is for gray pictures and denoises each channel by itself; {_FIRST}"]


@takes(ViewOptions)
def explain(
    ctx: typer.Context,
    shared: ViewOptions,
    image: Image,
    output: Annotated[str | None, files.output("Result file (PNG), folder, or - for stdout.")] = None,
    json: Annotated[
        bool,
        flag(files.WHERE, "--json", None, "Print everything as one JSON object; with -o write the PNG too."),
    ] = False,
    layer: Annotated[
        int | None,
        flag(_WHICH, "--layer", "N", "Show only this layer, with all its cardinal groups.", min=1),
    ] = None,
    cardinal: Annotated[
        int | None,
        flag(
            _WHICH,
            "--cardinal",
            "N",
            "Show this cardinal group.  [default: in each layer the one that varies most between windows]",
            min=1,
        ),
    ] = None,
    scale: ScaleOfNetwork = None,
    model: Model = None,
) -> None:
    """Show which kernels a network chooses for each window of a picture.

    \b
    Examples:
      nsr explain photo.png                      writes photo_explain.png beside it
      nsr explain photo.png -s 2 --layer 3 -o layer3.png
      nsr explain photo.png --layer 3 --cardinal 5
      nsr explain noisy.png --sigma 25 --json > gamma.json

    Each layer keeps several groups of kernels and mixes them for every window of the picture with weights gamma
    (the paper's Eq. 10). The sheet tints each window with the color of the group that weighs most. Output channels
    are split into cardinal groups, each with a choice of its own. Entropy is that of gamma, divided by log2 of the
    number of groups: 0 means that one group is taken alone, 1 that all weigh the same and nothing is chosen.
    """
    from nsr_cli.planning.reading import read_picture  # numpy and the codecs: not for --help
    from nsr_cli.planning.single import skips_sheet
    from nsr_cli.steps.colorless import as_restored
    from nsr_cli.steps.levels import find_level
    from nsr_cli.steps.restorers import color_of
    from nsr_cli.terminal.downloads import ShownStore

    console = console_of(ctx, json)
    target = _target(image, output, shared.if_exists, console)
    if target is not None and skips_sheet(target, image, console):
        return
    chosen = choose_task(ctx, shared.task)
    check_chosen(ctx, model, chosen)
    source = read_picture(image, shared.max_pixels, console)
    level = find_level(chosen, source, shared.sigma, shared.jpeg_quality, console)
    source = as_restored(source)
    from nsr_cli.explain.subject import load  # only now: torch loads slowly

    store = ShownStore(console, mirror=shared.mirror, offline=shared.offline)
    subject = load(chosen, store, scale, color_of(source.picture, chosen), model)
    _check_choice(subject, layer, cardinal)
    run = _observe(source, chosen, level, subject, shared.device, console)
    if target is not None:
        _draw(run, target, layer, cardinal)
    if console.json:
        console.json_line(_as_json(run, target, layer))
    _summarize(run, target, layer, console)


def _target(image: str, output: str | None, if_exists: str | None, console: Console) -> "Target | None":
    """Where the picture goes; None if only JSON was asked for."""
    from nsr_cli.planning.single import place

    if output is None and console.json:
        return None
    target = place(image, output, "_explain", {".png": "PNG"}, if_exists)
    if target.path is None and console.json:
        raise both_to_stdout("picture")
    return target


def _check_choice(subject: "Subject", layer: int | None, cardinal: int | None) -> None:
    counts = subject.cardinal_groups
    if layer is not None and layer > len(counts):
        raise UsageError(
            f"--layer {layer}: {subject.name} has {counted(len(counts), 'layer')} that "
            f"{'chooses' if len(counts) == 1 else 'choose'}; give 1 to {len(counts)}"
        )
    # If each channel is a cardinal group, wide layers have more of them than narrow ones.
    most = min(counts) if layer is None else counts[layer - 1]
    if cardinal is not None and cardinal > most:
        groups = counted(most, "cardinal group")
        where = subject.name if layer is None else f"layer {layer} of {subject.name}"
        raise UsageError(f"--cardinal {cardinal}: {where} has {groups}; give 1 to {most}")


def _observe(
    source: "Source", task: str, level: "Level", subject: "Subject", device: str, console: Console
) -> _Run:
    from nsr_cli.explain.choices import choices
    from nsr_cli.explain.subject import observe

    start = time.perf_counter()
    with console.progress(1, "explaining") as bar:
        bar.picture(source.label)
        trace = observe(
            subject,
            source.picture,
            sigma=level.sigma,
            quality=level.quality,
            device=device,
            progress=bar.parts,
        )
    return _Run(source, task, level, subject, trace, choices(trace), time.perf_counter() - start)


def _draw(run: _Run, target: "Target", layer: int | None, cardinal: int | None) -> None:
    import numpy as np

    from nsr_cli.explain.picture import draw, tiles
    from nsr_cli.imaging.codec import encode
    from nsr_cli.imaging.picture import Picture
    from nsr_cli.imaging.whites import in_whole_range
    from nsr_cli.planning.single import write

    heading = f"{Path(run.source.label).name} · {run.subject.name}"
    if run.is_of_one_channel:
        heading += " · first channel"
    picture = run.source.picture
    pixels = in_whole_range(picture.pixels, picture.white)
    seen = np.pad(pixels, ((run.trace.edge,) * 2, (run.trace.edge,) * 2, (0, 0)), "edge")
    drawn = draw(seen, run.trace.grid, tiles(run.choices, layer, cardinal), heading)
    write(target, encode(Picture(drawn), "PNG"))


def _as_json(run: _Run, target: "Target | None", layer: int | None) -> dict[str, Any]:
    config, grid, picture = run.subject.network.config, run.trace.grid, run.source.picture
    return {
        "input": run.source.typed,
        "output": None if target is None else str(target.path),
        "status": "ok",
        "notes": [*picture.remarks, *run.level.notes, *run.about_channel],
        "task": run.task,
        "model": run.subject.name,
        "model_sha256": run.subject.sha256,
        "scale": config.scale,
        "sigma": run.level.sigma,
        "quality": run.level.quality,
        "size": [picture.width, picture.height],
        "device": run.trace.device,
        "seconds": round(run.seconds, 4),
        "selection": config.selection,
        "window": grid.window,
        "grid": [grid.cols, grid.rows],
        "edge": run.trace.edge,
        "channel": 1 if run.is_of_one_channel else None,
        "groups": config.groups,
        "cardinality": config.cardinality,
        "entropy": round(_entropy(run.choices), 5),
        "layers": [one.as_json() for one in run.choices if layer in (None, one.number)],
    }


def _summarize(run: _Run, target: "Target | None", layer: int | None, console: Console) -> None:
    shown = [one for one in run.choices if layer in (None, one.number)]
    surest = min(shown, key=lambda one: float(one.entropy.mean()))
    where = f" -> {target.label}" if target is not None else ""
    what = (
        f"layer {layer} of {len(run.choices)}, entropy {_entropy(shown):.3f}"
        if layer is not None
        else f"{counted(len(shown), 'layer')}, entropy {_entropy(shown):.3f}, least in layer {surest.number}: "
        f"{float(surest.entropy.mean()):.3f}"
    )
    windows = counted(len(run.trace.grid), "window")
    for note in run.about_channel:
        console.note(f"{run.source.label}: {note}")
    console.note(f"{run.source.label}{where}  {run.subject.name}, {windows}, {what}  {run.seconds:.2f} s")


def _entropy(shown: "Sequence[Choice]") -> float:
    return sum(float(one.entropy.mean()) for one in shown) / len(shown)
