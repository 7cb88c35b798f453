"""What the commands that show something share: their picture, its task, and how strong the degradation is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsr_cli.cli.console import Console
from nsr_cli.errors import PictureError, UsageError
from nsr_cli.shown import did_you_mean, safe_text

if TYPE_CHECKING:
    from nsr_cli.cli.levels import Level
    from nsr_cli.cli.single import Source

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="A picture, or - for stdin.", show_default=False)]

Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="upscale|denoise|dejpeg",
        rich_help_panel="How",
        help="Task to show.  [default: the one whose level is given, else upscale]",
    ),
]

_OPTIONS: Mapping[str, str] = {"scale": "--scale", "sigma": "--sigma", "jpeg_quality": "--jpeg-quality"}
_OF: Mapping[str, str] = {"scale": "upscale", "sigma": "denoise", "jpeg_quality": "dejpeg"}


def choose_task(ctx: Any, task: str | None) -> str:
    """The task that was named, or the one whose option stands on the command line; `upscale` without both.

    Raises:
        UsageError: there is no such task, or the options are not for it.
    """
    from nsr_cli.weights.entry import TASKS  # and the room of weights: not for --help

    if task is not None and task not in TASKS:
        hint = did_you_mean(task, TASKS) or f"; there are {', '.join(TASKS)}"
        raise UsageError(f"--task: there is no {safe_text(task)}{hint}")
    given = [key for key in _OPTIONS if getattr(ctx.get_parameter_source(key), "name", "") == "COMMANDLINE"]
    if task is None and len(given) > 1:
        raise UsageError(
            f"{' and '.join(_OPTIONS[key] for key in given)} belong to different tasks: give one"
        )
    chosen = task or (_OF[given[0]] if given else "upscale")
    foreign = next((key for key in given if _OF[key] != chosen), None)
    if foreign is not None:
        own = next(_OPTIONS[key] for key, name in _OF.items() if name == chosen)
        raise UsageError(f"{_OPTIONS[foreign]} does not belong to --task {chosen}: use {own}")
    return chosen


def find_level(
    task: str, source: "Source", sigma: float | None, quality: float | None, console: Console
) -> "Level":
    """The level that was asked for, or the one found in the picture, which is then said.

    Raises:
        PictureError: it cannot be found.
    """
    from nsr_cli.cli.levels import level_of  # numpy and the codecs: not for --help
    from nsr_cli.cli.settings import Settings

    level = level_of(Settings(task, sigma=sigma, jpeg_quality=quality), source.picture, source.data)
    if level.skip_reason:
        raise PictureError(f"{safe_text(source.label)}: {level.skip_reason}")
    if level.note:
        console.note(f"{source.label}: {level.note}")
    return level
