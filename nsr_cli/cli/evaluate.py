"""`nsr eval`: scores of models on benchmark sets, with the paper's figures beside them."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nsr_cli.cli import models, scores
from nsr_cli.cli.benchmark import Plan, choose_color, choose_levels
from nsr_cli.cli.commands import console_of
from nsr_cli.cli.console import Console, Progress, colored, is_terminal
from nsr_cli.cli.options import Batch, Device, Mirror, Offline, PrecisionChoice
from nsr_cli.errors import UsageError

if TYPE_CHECKING:
    from nsr_cli.datasets import PictureSet
    from nsr_cli.evaluate import Case, Model, Row
    from nsr_cli.restore import Restorer

app = typer.Typer()


@app.command("eval")
def evaluate(
    ctx: typer.Context,
    sets: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="NAME|DIR/", help="Benchmark set, or a folder of your own pictures; repeatable."
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="upscale|denoise|dejpeg", help="Task to score.  [default: the one whose level is given]"
        ),
    ] = None,
    scale: Annotated[
        list[int] | None,
        typer.Option(
            "-s",
            "--scale",
            min=2,
            max=16,
            metavar="N",
            help="Factor for upscale; repeatable.  [default: 2, 3, 4]",
        ),
    ] = None,
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            "--sigma",
            min=0,
            max=255,
            metavar="N",
            help="Noise level for denoise, of 255; repeatable.  [default: 15, 25, 50]",
        ),
    ] = None,
    quality: Annotated[
        list[int] | None,
        typer.Option(
            "-q",
            "--jpeg-quality",
            min=1,
            max=100,
            metavar="N",
            help="JPEG quality for dejpeg; repeatable.  [default: 10, 20, 30, 40]",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|FILE",
            help="Weights, bicubic, or input (the degraded picture); repeatable.  [default: the best weights]",
        ),
    ] = None,
    color: Annotated[
        Literal["gray", "rgb"] | None,
        typer.Option(help="How denoise and dejpeg treat color pictures.  [default: as in the papers]"),
    ] = None,
    subsampling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="4:2:0|4:2:2|4:4:4",
            help="Chroma subsampling for dejpeg in color; repeatable. Implies --color rgb.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Score only the first N pictures of each set, by name.  [default: all]"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with a folder NAME for each set, searched first."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with full precision.")] = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
    batch: Batch = None,
    offline: Offline = False,
    mirror: Mirror = None,
) -> None:
    """Score models on benchmark sets: PSNR and SSIM, with the paper's figures beside them.

    \b
    Examples:
      nsr eval --set Set5 --set Urban100 -s 2 -s 4
      nsr eval --set BSD100 -s 2 --model bicubic --model lite --markdown
      nsr eval --set BSD68 --sigma 25 --data benchmarks/
      nsr eval --set ./photos/ -s 2 --model bicubic --model lite     own pictures by the same protocol
      nsr eval --set Classic5 -q 10 -q 40 --model input --json
      nsr eval --set BSD100 -q 10 --color rgb --subsampling 4:2:0 --subsampling 4:4:4

    Several sets, levels and models make one table. Pictures are cropped to a multiple of the scale and shrunk
    as MATLAB's imresize does; the result is rounded to 8 bit and scored on Y of BT.601 (DIV2K on RGB), without
    a border as wide as the scale. Noise is added in float, with a seed from the file's name. JPEG
    is scored on the gray picture; with --color rgb on RGB and Y, its SSIM on Y. A gray network restores the Y
    of a color JPEG, and each channel of a noisy color picture by itself.
    """
    console = console_of(ctx, json)
    if console.json + markdown + csv > 1:
        raise UsageError("--json, --markdown and --csv exclude each other: choose one")
    chosen, levels = choose_levels(task, scale or (), sigma or (), quality or ())
    painted, chroma = choose_color(chosen, color, subsampling or ())
    names = tuple(dict.fromkeys(model or ())) or (None,)
    plan = Plan(tuple(dict.fromkeys(sets)), chosen, levels, names, painted, chroma, limit)
    rows, ran_on = run(plan, data, models.LoadOptions(device, precision, batch, offline, mirror), console)
    _show(rows, ran_on, "markdown" if markdown else "csv" if csv else "table", console)


def run(
    plan: Plan, data: Path | None, options: models.LoadOptions, console: Console
) -> "tuple[list[Row], tuple[str, str]]":
    """Score everything that was asked for; return the rows and what they ran on, as (device, precision).

    Sets and models are all found before the first picture is scored, so that a wrong name costs no time.
    """
    from nsr_cli.evaluate import evaluate_set

    for name in plan.models:
        models.check_name(name, plan.task)
    loaded = _Loaded(options, console)
    work = []
    for one, images in _find_sets(plan.sets, data, options.offline, console):
        jobs = [(case, [loaded.get(name, case) for name in plan.models]) for case in plan.cases(one)]
        work.append((jobs, images[: plan.limit], max(one.images, len(images))))
    _warn_of_levels(plan, console)
    rows: list[Row] = []
    total = sum(len(jobs) * len(images) for jobs, images, _ in work) * len(plan.models)
    with console.progress(total, "scoring") as bar:
        for jobs, images, complete in work:
            bar.picture(jobs[0][0].set.name)
            scored = evaluate_set(jobs, images, set_images=complete, progress=_steps(bar))
            for row in scored:
                console.detail(scores.one_line(row))
            rows += scored
    return rows, loaded.ran_on


def _warn_of_levels(plan: Plan, console: Console) -> None:
    """Say which levels are beyond those that networks know: there a row measures the wrong thing."""
    from nsr_cli.model.levels import MAX_SIGMA, QUALITIES

    ranges: dict[str, tuple[float, float]] = {"denoise": (0, MAX_SIGMA), "dejpeg": QUALITIES}
    if plan.task not in ranges or not set(plan.models) - set(models.BASELINES):
        return
    low, high = ranges[plan.task]
    what = "sigma" if plan.task == "denoise" else "quality"
    for level in plan.levels:
        if not low <= level <= high:
            held = min(max(level, low), high)
            console.warning(
                f"{what} {level:g}: networks are trained for {low:g} to {high:g}, and are told {held:g}"
            )


def _find_sets(
    names: Sequence[str], data: Path | None, offline: bool, console: Console
) -> "list[tuple[PictureSet, list[Path]]]":
    """Each set once, with its pictures, downloaded where that is needed and allowed; then the user's own folders."""
    from nsr_cli.datasets import DataStore
    from nsr_cli.datasets.pictures import set_in

    store = DataStore(data, offline=offline)
    own = {Path(name).resolve(): Path(name) for name in names if _is_own_folder(name)}
    distinct = {
        one.name: one for one in (store.registry.get(name) for name in names if not _is_own_folder(name))
    }
    found = []
    for name, one in distinct.items():
        with console.progress(1, name) as bar:
            found.append((one, store.find_images(name, bar.parts)))
    return found + [set_in(folder) for folder in own.values()]


def _is_own_folder(name: str) -> bool:
    """Whether a set is a folder: written as a path, so that a folder named Set5 is not taken for the set."""
    return os.sep in name and Path(name).is_dir()


def _steps(bar: Progress) -> Callable[[int, int], None]:
    def step(done: int, _: int) -> None:
        if done:
            bar.finished()

    return step


class _Loaded:
    """The models of a run, each loaded once."""

    def __init__(self, options: models.LoadOptions, console: Console) -> None:
        self._options, self._console = options, console
        self._known: dict[tuple[object, ...], Restorer] = {}

    @property
    def ran_on(self) -> tuple[str, str]:
        """Device and precision of the networks; those of the baselines if there are only these."""
        for restorer in self._known.values():
            return restorer.device, restorer.precision
        return "cpu", "fp32"

    def get(self, name: str | None, case: "Case") -> "Model":
        """Return a baseline or the network that the name means for this case; errors as `Restorer.load`."""
        from nsr_cli.evaluate import Baseline

        if name in models.BASELINES:
            return Baseline(str(name), case.scale)
        key = (name, case.task, case.scale, case.on_gray)
        if key not in self._known:
            color = "gray" if case.on_gray else "rgb"
            self._known[key] = models.load(name, case.task, case.scale, color, self._options, self._console)
        return self._known[key]


def _show(rows: "Sequence[Row]", ran_on: tuple[str, str], form: str, console: Console) -> None:
    if console.json:
        console.json_line(scores.as_json(rows, *ran_on, shlex.join(["nsr", *sys.argv[1:]])))
    elif form == "csv":
        _print_lines(console, scores.as_csv(rows))
    elif form == "table" and is_terminal(sys.stdout):
        scores.print_table(rows, colored(sys.stdout))
    else:
        _print_lines(console, scores.as_markdown(rows))
    console.detail(f"on {ran_on[0]}, {ran_on[1]}")


def _print_lines(console: Console, text: str) -> None:
    for line in text.splitlines():
        console.data(line)
