"""The options before a command on the command line, and the wording of Typer's errors."""

import os
import re
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from nsr_cli.cli.commands import NsrGroup, console_of
from nsr_cli.cli.meant import not_an_option
from nsr_cli.cli.table import COMMANDS
from nsr_cli.errors import UsageError


class _Main(NsrGroup):
    lazy = COMMANDS


_WANTED = {
    "bool_parsing": "give yes or no, true or false, on or off, 1 or 0",
    "int_parsing": "give a whole number",
    "float_parsing": "give a number",
}
"""What to give instead, by the kind of error of the library that checks values for Typer."""

app = typer.Typer(
    cls=_Main, name="nsr", rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON if the command can.")] = False,
) -> None:
    """Restore pictures with sparse neural networks: enlarge, denoise, remove JPEG artifacts.

    \b
    Examples:
      nsr upscale photo.png -s 4            writes photo_x4.png beside it
      nsr denoise scans/ -r                 writes the folder scans_denoised/
      nsr dejpeg old.jpg -o new.png
      nsr auto album/                       repairs what nsr inspect finds, in the folder album_auto/
      cat a.png | nsr upscale - -s 2 > b.png
    """
    console = console_of(ctx)
    console.json = json
    if version:
        from nsr_cli.cli.info import show_version

        show_version(console)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        raise UsageError("give a command; nsr --help lists them")
    from nsr_cli.options import config, settings  # not needed for `nsr --help`

    for line in settings.misspelled(os.environ):
        console.warning(line)
    ctx.default_map = config.default_map(config.read_files(), ctx.invoked_subcommand)


def usage_line(error: TyperException) -> str:
    """Typer's error as one line that says what would be right, and where that is explained."""
    from nsr_cli.options import config

    param, context = getattr(error, "param", None), getattr(error, "ctx", None)
    message = " ".join(str(getattr(error, "message", "")).split()).removeprefix("Value error, ").rstrip(".")
    name = (
        f"{_hint(param)}{config.origin(context, param.name)}: "
        if param is not None and context is not None
        else ""
    )
    if type(error).__name__ == "MissingParameter":  # from Typer's private copy of Click
        name, message = "", f"missing {_hint(param)}" if param is not None else "something is missing"
    message = _with_value(error.__cause__, message)
    message = re.sub(r"Got unexpected extra argument\(s\) \((.*)\)", r"too many arguments: \1", message)
    if message == "Missing command" and context is not None:
        message = f"give a command: {', '.join(context.command.commands)}"
    unknown = getattr(error, "option_name", "") if type(error).__name__ == "NoSuchOption" else ""
    if unknown and context is not None:
        message += _instead(unknown, context)
    where = f" ({context.command_path.split(' {')[0]} --help explains)" if context is not None else ""
    return f"{name}{message[:1].lower() + message[1:]}{where}"


def _with_value(cause: Any, message: str) -> str:
    """Typer's message about a value that should be a switch or a number, with the value and in our words.

    Typer takes only the text of the checker's error, the `cause`, and that does not include the value.
    """
    if not message.startswith("Input should be") or not hasattr(cause, "errors"):
        return message
    found = cause.errors()[0]
    wanted = _WANTED.get(found["type"], message.replace("Input", "it", 1))
    return f"{found['input']!r} is not possible; {wanted}"


def _instead(unknown: str, context: Any) -> str:
    """What may have been meant by an option that the command in `context` does not have."""
    names = {name for param in context.command.get_params(context) for name in param.opts}
    hint = not_an_option(unknown, names)
    return hint or ("" if context.parent is not None else "; options of a command stand after its name")


def _hint(param: Any) -> str:
    """The user's name for a parameter: the long name of an option, or the argument as in the help."""
    if param.param_type_name == "option":
        return str(max(param.opts, key=len))
    return str(param.metavar or param.name)
