"""`nsr eval`: scores of models on benchmark sets, with the paper's figures beside them."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import UsageError
from nsr_cli.options import completion
from nsr_cli.options.common import Batch, Device, JsonObject, Mirror, Offline, ScorePrecision
from nsr_cli.options.files import DataFolder, SavedExists
from nsr_cli.terminal.console import Console, colored, is_terminal

if TYPE_CHECKING:
    from nsr_cli.evaluate import Row


def evaluate(
    ctx: typer.Context,
    sets: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME|DIR/",
            autocompletion=completion.sets,
            help="Benchmark set, or a folder of your own pictures; repeatable.",
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
            help="Noise level for denoise, where white is 255; repeatable.  [default: 15, 25, 50]",
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
            metavar="NAME|FILE|DIR/",
            autocompletion=completion.compared_models,
            help="Weights, bicubic, input (the degraded picture), or a folder of restored pictures; repeatable.  "
            "[default: the best weights]",
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
    data: DataFolder = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the restored pictures to DIR/SET/MODEL/LEVEL/NAME.png.",
            rich_help_panel="What and where",
        ),
    ] = None,
    if_exists: SavedExists = None,
    per_image: Annotated[
        bool, typer.Option("--per-image", help="Print the figures of single pictures too.")
    ] = False,
    json: JsonObject = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with full precision.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print a LaTeX tabular.")] = False,
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Average each network over eight rotated and mirrored copies; its name gets a +.",
        ),
    ] = False,
    device: Device = "auto",
    precision: ScorePrecision = "fp32",
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
      nsr eval --set ./photos/ -s 2 --model bicubic --model lite     your own pictures, by the same protocol
      nsr eval --set Classic5 -q 10 -q 40 --model input --json
      nsr eval --set BSD100 -q 10 --color rgb --subsampling 4:2:0 --subsampling 4:4:4
      nsr eval --set Set5 -s 2 --save out/ --per-image      the restored pictures, and the figures of each
      nsr eval --set Set5 -s 2 --model theirs/              what another program restored, by the same protocol

    All sets, levels and models of a run share one table. Pictures are cropped to a multiple of the scale and shrunk
    as MATLAB's imresize does; the result is rounded to 8 bit and scored on Y of BT.601 (DIV2K: on RGB), leaving out
    a border as wide as the scale. Noise is added in float, with a seed made from the file's name. JPEG is scored on
    the gray picture, with --color rgb on RGB and on Y (SSIM on Y alone). A gray network restores the Y of a color
    JPEG, and each channel of a noisy color picture by itself. Gray pictures stored in three equal channels are
    scored as color ones, as in the papers; the restoring commands treat them as gray.

    A folder given to --model holds 8-bit pictures with the names of the originals, in the size and color that are
    scored. For several levels it holds a folder for each, named x2, sigma25, q10 or, in color, sigma25-rgb,
    q10-420. --save writes such folders, one for each model.
    """
    # Numpy and the codecs: not for --help.
    from nsr_cli.scoreboard.asked import Plan, choose_color, choose_levels
    from nsr_cli.scoreboard.models import LoadOptions
    from nsr_cli.scoreboard.saved import Saver
    from nsr_cli.scoreboard.scoring import run

    console = console_of(ctx, json)
    if console.json + markdown + csv + as_latex > 1:
        raise UsageError("--json, --markdown, --csv and --latex exclude each other: choose one")
    chosen, levels = choose_levels(task, scale or (), sigma or (), quality or ())
    painted, chroma = choose_color(chosen, color, subsampling or ())
    names = tuple(dict.fromkeys(model or ())) or (None,)
    plan = Plan(tuple(dict.fromkeys(sets)), chosen, levels, names, painted, chroma, limit, tta)
    saver = Saver(save, if_exists or "error") if save else None
    options = LoadOptions(device, precision, batch, offline, mirror)
    rows, ran_on = run(plan, data, options, saver, console)
    if saver:
        saver.report(console)
    form = "markdown" if markdown else "csv" if csv else "latex" if as_latex else "table"
    _show(rows, ran_on, form, console, per_image=per_image)


def _show(
    rows: "Sequence[Row]", ran_on: tuple[str, str], form: str, console: Console, *, per_image: bool
) -> None:
    from nsr_cli.scoreboard import latex, scores

    if console.json:
        command = shlex.join(["nsr", *sys.argv[1:]])
        console.json_line(scores.as_json(rows, *ran_on, command, per_image=per_image))
        return
    made = scores.made_by(*ran_on)
    if form == "csv":
        _print_lines(console, scores.as_csv(rows, made, per_image=per_image))
        return
    if form == "latex":
        _print_lines(console, latex.as_latex(rows, made, per_image=per_image))
        return
    if form == "table" and is_terminal(sys.stdout):
        scores.print_table(rows, colored(sys.stdout), per_image=per_image)
    else:
        _print_lines(console, scores.as_markdown(rows, per_image=per_image) + "\n\n")
    console.data(scores.note(made))


def _print_lines(console: Console, text: str) -> None:
    for line in text.splitlines():
        console.data(line)
