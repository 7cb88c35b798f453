"""Options that all commands which show something have: their picture, and its task."""

from typing import Annotated, Any

import typer

from nsr_cli.options.config import is_typed
from nsr_cli.planning.tasks import LEVEL_OPTIONS, task_of

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


def choose_task(ctx: Any, task: str | None) -> str:
    """The named task, or the one whose option is on the command line. Raises as `task_of`."""
    parameters = {one: name.removeprefix("--").replace("-", "_") for one, name in LEVEL_OPTIONS.items()}
    return task_of(task, [one for one, name in parameters.items() if is_typed(ctx, name)])
