"""Options that all commands which show something have: their picture, and its task."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from nsr_cli.options.config import is_typed
from nsr_cli.planning.tasks import task_of

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

_PARAMETERS: Mapping[str, str] = {"upscale": "scale", "denoise": "sigma", "dejpeg": "jpeg_quality"}


def choose_task(ctx: Any, task: str | None) -> str:
    """The named task, or the one whose option is on the command line. Raises as `task_of`."""
    return task_of(task, [one for one, name in _PARAMETERS.items() if is_typed(ctx, name)])
