"""`nsr eval`: scores of models on benchmark sets, with the paper's figures beside them."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nsr_cli.cli import scores
from nsr_cli.cli.benchmark import Plan, choose_color, choose_levels
from nsr_cli.cli.commands import console_of
from nsr_cli.cli.console import Console, Progress, colored, is_terminal
from nsr_cli.cli.options import Batch, Device, Mirror, Offline, PrecisionChoice
from nsr_cli.errors import UsageError
from nsr_cli.files import did_you_mean
from nsr_cli.weights.entry import TIERS
from nsr_cli.weights.manifest import load_manifest

if TYPE_CHECKING:
    from nsr_cli.datasets import PictureSet
    from nsr_cli.evaluate import Case, Model, Row, Task
    from nsr_cli.restore import Restorer

app = typer.Typer()

BASELINES = ("bicubic", "input")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where models run and where they come from."""

    device: str = "auto"
    precision: str = "auto"
    batch: int | None = None
    offline: bool = False
    mirror: str | None = None


@app.command("eval")
def evaluate(
    ctx: typer.Context,
    sets: Annotated[
        list[str], typer.Option("--set", metavar="NAME", help="Benchmark set; give one or several.")
    ],
    task: Annotated[
        str | None,
        typer.Option(metavar="upscale|denoise|dejpeg", help="What to score.  [default: as the level says]"),
    ] = None,
    scale: Annotated[
        list[int] | None, typer.Option("-s", "--scale", min=2, max=16, metavar="N", help="Factor of upscale.")
    ] = None,
    sigma: Annotated[
        list[float] | None,
        typer.Option("--sigma", min=0, max=255, metavar="N", help="Noise level of denoise."),
    ] = None,
    quality: Annotated[
        list[int] | None,
        typer.Option("-q", "--jpeg-quality", min=1, max=100, metavar="N", help="Quality of dejpeg's JPEG."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", metavar="NAME|FILE", help="Weights, or bicubic, or input (the degraded input)."
        ),
    ] = None,
    color: Annotated[
        Literal["gray", "rgb"] | None,
        typer.Option(help="Denoise and dejpeg color pictures so.  [default: as the papers]"),
    ] = None,
    subsampling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="4:2:0|4:2:2|4:4:4",
            help="Chroma of dejpeg's JPEG in color; one or several. Means --color rgb.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N pictures of each set, by name.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds NAME/*, to look in first.")
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
      nsr eval --set BSD100 -s 2 --model bicubic --model base --markdown
      nsr eval --set BSD68 --sigma 25 --data benchmarks/
      nsr eval --set Classic5 -q 10 -q 40 --model input --json
      nsr eval --set BSD100 -q 10 --color rgb --subsampling 4:2:0 --subsampling 4:4:4

    Several sets, levels and models make one table. Pictures are cropped to a multiple of the scale and shrunk
    as MATLAB's imresize does; the result is rounded to 8 bit and scored on Y of BT.601 (DIV2K on RGB) without
    a border of as many pixels as the scale. Noise is added in float, with a seed from the file's name. JPEG
    is scored on the gray picture; with --color rgb on RGB and Y, its SSIM on Y. A gray network restores the Y
    of a color JPEG, and each channel of a noisy color picture by itself.
    """
    console = console_of(ctx)
    console.json = json = json or console.json
    if json + markdown + csv > 1:
        raise UsageError("--json, --markdown and --csv exclude each other: choose one")
    chosen, levels = choose_levels(task, scale or (), sigma or (), quality or ())
    painted, chroma = choose_color(chosen, color, subsampling or ())
    machine = Machine(device, precision, batch, offline, mirror)
    models = tuple(dict.fromkeys(model or ())) or (None,)
    plan = Plan(tuple(dict.fromkeys(sets)), chosen, levels, models, painted, chroma, limit)
    rows, ran_on = run(plan, data, machine, console)
    _show(rows, ran_on, "json" if json else "markdown" if markdown else "csv" if csv else "table", console)


def run(
    plan: Plan, data: Path | None, machine: Machine, console: Console
) -> "tuple[list[Row], tuple[str, str]]":
    """Score everything that was asked for; return the rows and what they ran on, as (device, precision).

    Sets and models are all found before the first picture is scored, so that a wrong name costs no time.
    """
    from nsr_cli.evaluate import evaluate_set

    models = Models(machine, console)
    for name in plan.models:
        models.check(name, plan.task)
    work = []
    for one, images in _find_sets(plan.sets, data, machine, console):
        jobs = [(case, [models.get(name, case) for name in plan.models]) for case in plan.cases(one)]
        work.append((jobs, images[: plan.limit], max(one.images, len(images))))
    rows: list[Row] = []
    total = sum(len(jobs) * len(images) for jobs, images, _ in work) * len(plan.models)
    with console.progress(total, "scoring") as bar:
        for jobs, images, complete in work:
            bar.picture(jobs[0][0].set.name)
            scored = evaluate_set(jobs, images, set_images=complete, progress=_steps(bar))
            for row in scored:
                console.detail(scores.one_line(row))
            rows += scored
    return rows, models.ran_on


def _find_sets(
    names: Sequence[str], data: Path | None, machine: Machine, console: Console
) -> "list[tuple[PictureSet, list[Path]]]":
    """Each set once, with its pictures, downloaded where that is needed and allowed."""
    from nsr_cli.datasets import DataStore

    store = DataStore(data, offline=machine.offline)
    distinct = {one.name: one for one in (store.registry.get(name) for name in names)}
    found = []
    for name, one in distinct.items():
        with console.progress(1, name) as bar:
            found.append((one, store.find_images(name, bar.parts)))
    return found


def _steps(bar: Progress) -> Callable[[int, int], None]:
    def step(done: int, _: int) -> None:
        if done:
            bar.finished()

    return step


class Models:
    """Loads the models of a run, each once."""

    def __init__(self, machine: Machine, console: Console) -> None:
        self._machine, self._console = machine, console
        self._known: dict[tuple[object, ...], Restorer] = {}

    @property
    def ran_on(self) -> tuple[str, str]:
        """Device and precision of the networks; those of the baselines if there are only these."""
        for restorer in self._known.values():
            return restorer.device, restorer.precision
        return "cpu", "fp32"

    def check(self, name: str | None, task: "Task") -> None:
        """UsageError if a name means nothing for a task; nothing is loaded."""
        if name == "bicubic" and task != "upscale":
            raise UsageError(f"bicubic is for upscale: use --model input to score what {task} starts from")
        if name is None or name in (*BASELINES, *TIERS):
            return
        try:
            load_manifest().resolve(name, task)
        except UsageError as error:
            raise UsageError(f"{error}{did_you_mean(name, BASELINES)}") from error

    def get(self, name: str | None, case: "Case") -> "Model":
        """Return a baseline or the network that the name means for this case; errors as `Restorer.load`."""
        from nsr_cli.evaluate import Baseline

        if name in BASELINES:
            return Baseline(str(name), case.scale)
        key = (name, case.task, case.scale, case.on_gray)
        if key not in self._known:
            self._known[key] = self._load(name, case, "gray" if case.on_gray else "rgb")
        return self._known[key]

    def _load(self, name: str | None, case: "Case", color: str) -> "Restorer":
        from nsr_cli.engine.runner import Limits  # only now: torch loads slowly
        from nsr_cli.restore import Restorer
        from nsr_cli.weights.store import WeightStore

        return Restorer.load(
            case.task,
            scale=case.scale if case.task == "upscale" else None,
            color=color,
            model=name,
            device=self._machine.device,
            precision=self._machine.precision,
            limits=Limits(batch=self._machine.batch),
            store=WeightStore(mirror=self._machine.mirror, offline=self._machine.offline),
            notice=self._console.warning,
        )


def _show(rows: "Sequence[Row]", ran_on: tuple[str, str], form: str, console: Console) -> None:
    if form == "json":
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
