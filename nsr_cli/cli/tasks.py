"""What the commands that show something share: their picture, its task, and how strong the degradation is."""

from collections.abc import Mapping, Sequence
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

LEVEL_OPTIONS: Mapping[str, str] = {"upscale": "--scale", "denoise": "--sigma", "dejpeg": "--jpeg-quality"}
"""Every task, and the option for how strong its degradation is."""

_PARAMETERS: Mapping[str, str] = {"upscale": "scale", "denoise": "sigma", "dejpeg": "jpeg_quality"}


def task_of(task: str | None, given: Sequence[str]) -> str:
    """The task that was named, or the one whose level was given; `upscale` without both.

    Args:
        task: as it was typed.
        given: the tasks whose levels were given.

    Raises:
        UsageError: there is no such task, or the levels are not for it.
    """
    if task is not None and task not in LEVEL_OPTIONS:
        hint = did_you_mean(task, LEVEL_OPTIONS) or f"; there are {', '.join(LEVEL_OPTIONS)}"
        raise UsageError(f"--task: there is no {safe_text(task)}{hint}")
    if task is None and len(given) > 1:
        options = " and ".join(LEVEL_OPTIONS[one] for one in given)
        raise UsageError(f"{options} belong to different tasks: give one of them")
    chosen = task or next(iter(given), "upscale")
    foreign = next((LEVEL_OPTIONS[one] for one in given if one != chosen), None)
    if foreign is not None:
        raise UsageError(f"{foreign} does not belong to --task {chosen}: use {LEVEL_OPTIONS[chosen]}")
    return chosen


def choose_task(ctx: Any, task: str | None) -> str:
    """The task that was named, or the one whose option stands on the command line. Raises as `task_of`."""
    sources = {one: ctx.get_parameter_source(name) for one, name in _PARAMETERS.items()}
    return task_of(
        task, [one for one, found in sources.items() if getattr(found, "name", "") == "COMMANDLINE"]
    )


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
