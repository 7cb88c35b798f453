"""`nsr upscale`, `nsr denoise` and `nsr dejpeg`: from options to a plan and its run."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nsr_cli.cli.commands import both_to_stdout, console_of
from nsr_cli.errors import UsageError
from nsr_cli.options.config import is_typed, origin
from nsr_cli.options.files import Inputs
from nsr_cli.options.groups import RestoreFlags, takes
from nsr_cli.options.picture import FitChoice, Height, JpegQuality, Scale, Sigma, Width
from nsr_cli.planning.models import check_model
from nsr_cli.planning.settings import LOSSY, Settings
from nsr_cli.terminal.console import Console, is_terminal

if TYPE_CHECKING:
    from nsr_cli.planning.places import Request
    from nsr_cli.planning.plan import Plan

DEFAULT_SCALE = 4.0


@takes(RestoreFlags)
def upscale(
    ctx: typer.Context,
    inputs: Inputs,
    shared: RestoreFlags,
    scale: Scale = None,
    width: Width = None,
    height: Height = None,
    fit: FitChoice = "contain",
) -> int:
    """Enlarge pictures by any factor above 1, up to 16.

    \b
    Examples:
      nsr upscale photo.png                      writes photo_x4.png beside it
      nsr upscale a.png b.jpg scans/ -s 2 -o out/
      nsr upscale scans/ -r --width 3840         writes the folder scans_3840w/
      ffmpeg -i in.mp4 -f image2pipe -c:v ppm - | nsr upscale - -s 2 | ffmpeg -f image2pipe -i - out.mp4

    The networks enlarge by 2, 3 or 4. For other factors they run one after the other, and the result is resized.
    Most options can also be set in nsr.toml or the environment: see nsr config --help.
    """
    scale = factor_of(ctx, scale, width, height)
    factor = None if width or height else scale or DEFAULT_SCALE
    return start(ctx, inputs, shared, Settings("upscale", scale=factor, width=width, height=height, fit=fit))


@takes(RestoreFlags)
def denoise(ctx: typer.Context, inputs: Inputs, shared: RestoreFlags, sigma: Sigma = None) -> int:
    """Remove noise from pictures, gray or color.

    \b
    Examples:
      nsr denoise photo.png                      writes photo_denoised.png beside it
      nsr denoise scans/ -r --sigma 25           writes the folder scans_denoised/
      nsr denoise dark.jpg --strength 0.7 -o light.png

    Most options can also be set in nsr.toml or the environment: see nsr config --help.
    """
    return start(ctx, inputs, shared, Settings("denoise", sigma=sigma))


@takes(RestoreFlags)
def dejpeg(ctx: typer.Context, inputs: Inputs, shared: RestoreFlags, jpeg_quality: JpegQuality = None) -> int:
    """Remove the artifacts of JPEG compression from pictures.

    \b
    Examples:
      nsr dejpeg photo.jpg                       writes photo_dejpeg.png beside it
      nsr dejpeg album/ -r --format jpeg --quality 95
      nsr dejpeg saved-again.png -q 30

    A picture without traces of JPEG is skipped, or passed on unchanged in a pipe and where -o names its result; with
    -q N it is restored all the same.
    Most options can also be set in nsr.toml or the environment: see nsr config --help.
    """
    return start(ctx, inputs, shared, Settings("dejpeg", jpeg_quality=jpeg_quality))


def factor_of(ctx: typer.Context, scale: float | None, width: int | None, height: int | None) -> float | None:
    """The factor that was asked for, unless it comes only from the settings and a size was typed.

    Raises:
        UsageError: both a factor and a size were typed, or --fit without a box.
    """
    if is_typed(ctx, "fit") and not (width and height):
        raise UsageError("--fit says how a box is filled: give both --width and --height, or leave it out")
    if not (width or height):
        return scale
    if scale is not None and is_typed(ctx, "scale"):
        raise UsageError("--scale and --width/--height exclude each other: give the factor or the size")
    return None


def start(ctx: typer.Context, inputs: list[str], shared: RestoreFlags, own: Settings) -> int:
    """Plan the run, then carry it out or show it; returns the exit code."""
    # Numpy and the codecs: not for --help. What is refused, and most dry runs, need no torch either.
    from nsr_cli.batch.dryrun import show
    from nsr_cli.batch.outcome import exit_code
    from nsr_cli.forecast.space import check_space
    from nsr_cli.planning.plan import make_plan

    settings, console = _with_flags(own, shared), console_of(ctx, shared.json)
    plan = make_plan(_request(ctx, settings, shared, inputs))
    if plan.warning:
        console.warning(plan.warning)
    _check_quality(ctx, plan, shared, console)
    failures = show(plan, settings, console) if shared.dry_run else []
    _check_streams(plan, shared, console)
    check_models(ctx, settings)
    check_space(plan, settings)
    if shared.dry_run:
        return exit_code(failures, plan.inputs)
    from nsr_cli.batch.execute import carry_out  # only now that the plan is accepted

    return carry_out(plan, settings, console, mirror=shared.mirror, offline=shared.offline)


def _with_flags(own: Settings, shared: RestoreFlags) -> Settings:
    """The settings of a command, with the options of the same names that every restoring command has."""
    names = {field.name for field in fields(own)} & {field.name for field in fields(shared)}
    return replace(own, write_quality=shared.quality, **{name: getattr(shared, name) for name in names})


def _request(ctx: typer.Context, settings: Settings, shared: RestoreFlags, inputs: list[str]) -> "Request":
    from nsr_cli.planning.kinds import is_folder
    from nsr_cli.planning.listed import listed_paths
    from nsr_cli.planning.naming import Namer, check_template, format_of, template_format
    from nsr_cli.planning.places import Request
    from nsr_cli.planning.redo import Earlier

    if shared.name is not None:
        check_template(shared.name)
    output = Path(shared.output or "")
    name_is_typed = is_typed(ctx, "name")
    if format_of(output.suffix) and not is_folder(output):  # the name then decides the format
        shared = replace(
            shared,
            format=shared.format if is_typed(ctx, "format") else None,
            name=shared.name if name_is_typed else None,
        )
    namer = Namer(
        tag=settings.tag,
        template=shared.name,
        format=template_format(shared.name, shared.format),
        fields=settings.name_fields(),
    )
    where = (shared.output, shared.if_exists, shared.recursive)
    listed = listed_paths(inputs, shared.files_from, shared.null)
    return Request(tuple(inputs), namer, *where, Earlier(settings), name_is_typed, listed)


def _check_quality(ctx: typer.Context, plan: "Plan", shared: RestoreFlags, console: Console) -> None:
    """Say that --quality changes nothing if no result is in a lossy format.

    A quality in the settings is meant for lossy results, so this is said only if another format was chosen.

    Raises:
        UsageError: both the quality and the format were typed.
    """
    from nsr_cli.planning.naming import format_of

    forms = {job.format for job in plan.jobs}
    if shared.quality is None or not forms or None in forms or forms & LOSSY:
        return
    shown, chosen = " and ".join(sorted(filter(None, forms))), is_typed(ctx, "format")
    names = (shared.output, shared.name if is_typed(ctx, "name") else None)
    chosen |= any(format_of(Path(name or "").suffix) is not None for name in names)
    if is_typed(ctx, "quality") and chosen:
        raise UsageError(
            f"--quality is for JPEG and WebP, but the result is {shown}: leave it out, or choose --format jpeg"
        )
    if is_typed(ctx, "quality") or chosen or shared.format is not None:
        told = f"--quality{origin(ctx, 'quality')} changes nothing: the result is {shown}"
        other = "; -q tells the quality with which the JPEG was saved" if ctx.info_name == "dejpeg" else ""
        console.note(told + other)


def _check_streams(plan: "Plan", shared: RestoreFlags, console: Console) -> None:
    """UsageError if stdin or stdout is a terminal where the plan needs pictures."""
    if plan.pictures is None and is_terminal(sys.stdin):
        raise UsageError(
            "'-' reads pictures from stdin, which is a terminal: pipe or redirect a file into it"
        )
    if not any(job.target is None for job in plan.jobs):
        return
    if console.json:
        raise both_to_stdout("picture")
    if shared.output is None and is_terminal(sys.stdout):
        raise UsageError(
            "the picture would go to the terminal: redirect stdout, or pass `-o -` to write it there anyway"
        )


def check_models(ctx: typer.Context, settings: Settings) -> None:
    """UsageError, as for `check_chosen`, if a model of the run is not for its task, or does not exist."""
    from nsr_cli.weights.entry import TASKS  # imports all of weights: not for --help

    tasks = TASKS if settings.task == "auto" else (settings.task,)
    for task in tasks:
        check_chosen(ctx, settings.model_for(task), task)


def check_chosen(ctx: typer.Context, model: str | None, task: str) -> None:
    """`check_model` for --model or the setting in its place; the message says which."""
    try:
        check_model(model, task)
    except UsageError as error:
        raise UsageError(f"--model{origin(ctx, 'model')}: {error}") from error
