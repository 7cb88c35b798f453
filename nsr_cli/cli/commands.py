"""How every command of nsr looks: options in named groups, the options that work everywhere, lazy loading.

Help is plain text with a little color on a terminal. Rich would draw boxes, but loading it takes longer than
everything else that `nsr --help` does.
"""

import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from nsr_cli.cli.meant import not_a_command, with_one_dash
from nsr_cli.cli.table import Lazy
from nsr_cli.errors import UsageError
from nsr_cli.terminal.console import Console, colored

EVERYWHERE = "Everywhere"

_HEADING = re.compile(r"^(\s*)([A-Z][\w ,/]*:)", re.MULTILINE)
_NEEDED = re.compile(r"^\{(.+)\}(\.\.\.)?$")  # an argument in Typer's usage line
# How Typer words the possible values, and how they are worded here.
_RANGES = (
    (re.compile(r"\[(.*)x>=(\w+)\]$"), r"[\1at least \2]"),
    (re.compile(r"\b([\d.]+)<=x<=([\d.]+)\]$"), r"\1 to \2]"),
)
_OFF = re.compile(r" / --no-[\w-]+$")  # the form that turns a switch off again
_CHOICES = re.compile(r" <([^<>]*)>$")  # behind an option without another placeholder
_NAMES = re.compile(r"^(  )(-[\w-]+(?:, --?[\w-]+)*)", re.MULTILINE)


def console_of(ctx: Any, json: bool = False) -> Console:
    """The console that `main` made for this run; with `json` it answers as JSON from now on."""
    console: Console = ctx.ensure_object(Console)
    console.json |= json
    return console


def both_to_stdout(what: str) -> UsageError:
    """The error for --json if something else, such as a picture, would go to stdout."""
    return UsageError(f"--json and the {what} would both go to stdout: write the {what} to a file with -o")


def _switch(name: str, *others: str, about: str) -> Any:
    """An option that sets the console's attribute of its name."""

    def turn_on(ctx: typer.Context, value: bool) -> bool:
        if value and not ctx.resilient_parsing:
            setattr(console_of(ctx), name.removeprefix("--"), True)
        return value

    return typer.Option(
        name, *others, help=about, expose_value=False, callback=turn_on, rich_help_panel=EVERYWHERE
    )


def _everywhere(
    quiet: Annotated[bool, _switch("--quiet", about="Print only warnings and errors.")] = False,
    verbose: Annotated[bool, _switch("--verbose", "-v", about="Print more, timings included.")] = False,
    debug: Annotated[bool, _switch("--debug", about="Show the traceback of an error.")] = False,
) -> None:
    """Declares the options that every command has; never called."""


def _shared_params(taken: set[str]) -> list[Any]:
    """The options for every command, without those whose names the command itself uses."""
    template = Typer(add_completion=False, rich_markup_mode=None)
    template.command()(_everywhere)
    return [param for param in get_command(template).params if not taken & set(param.opts)]


class NsrCommand(TyperCommand):
    """A command with its options in named groups and the options that work everywhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared_params(_names(self.params)))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; UsageError also if a long option has one dash."""
        name = with_one_dash(args, _names(self.params))
        if name and not ctx.resilient_parsing:
            ctx.fail(f"no such option: {name}; did you mean -{name}?")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, with required arguments without braces."""
        return [_NEEDED.sub(r"\1\2", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options group by group, in the order in which the groups first appear."""
        _write_groups(self, ctx, formatter)

    def get_help(self, ctx: Any) -> str:
        """Return the help page, in color on a terminal."""
        return _paint(super().get_help(ctx))


class NsrGroup(TyperGroup):
    """A group of commands, some of which are imported only when they are called."""

    lazy: Mapping[str, Lazy] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared_params(_names(self.params)))
        for name, entry in self.lazy.items():
            self.commands.setdefault(name, _Placeholder(name, entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and the other arguments; a lazy command is imported now."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            ctx.fail(not_a_command(args[0], self.commands, _names(self.params), ctx.command_path))
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and isinstance(command, _Placeholder):
            command = self.commands[name] = load(name, command.entry)
        return name, command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (Typer's signature)
        """Write each command's line without importing it."""
        rows = [
            (name, command.get_short_help_str(100))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands first, then the options."""
        self.format_commands(ctx, formatter)
        _write_groups(self, ctx, formatter)

    def get_help(self, ctx: Any) -> str:
        """Return the help page, in color on a terminal."""
        return _paint(super().get_help(ctx))


class _Placeholder(TyperCommand):
    """A stand-in for a command that is not imported."""

    def __init__(self, name: str, entry: Lazy) -> None:
        super().__init__(name, short_help=entry.summary)
        self.entry = entry


def load(name: str, entry: Lazy) -> Any:
    """Import a command and give it the look of the others."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, Typer):
        app = Typer(add_completion=False)
        app.command(name)(found)
        found = app
    _dress(found)
    command = get_command(found)
    command.name = name
    command.short_help = entry.summary
    return command


def _dress(app: Typer) -> None:
    """Give a Typer app and its subcommands this module's classes and plain help."""
    app.rich_markup_mode = None
    app.info.cls = NsrGroup
    for command in app.registered_commands:
        command.cls = NsrCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _dress(group.typer_instance)


def _names(params: list[Any]) -> set[str]:
    return {name for param in params for name in param.opts}


def _write_groups(command: Any, ctx: Any, formatter: Any) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        record = _called(param, record[0]), _in_words(record[1])
        fallback = "Arguments" if param.param_type_name == "argument" else "Options"
        if "--help" in param.opts:
            fallback = EVERYWHERE
        groups.setdefault(getattr(param, "rich_help_panel", None) or fallback, []).append(record)
    for title, rows in groups.items():
        with formatter.section(title):
            formatter.write_dl(rows)


def _called(param: Any, typer_says: str) -> str:
    """A parameter's name in the help, without Typer's Python type behind it and without its `--no-` form."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper()) + ("..." if param.nargs != 1 else "")
    return _CHOICES.sub(r" \1", _OFF.sub("", typer_says))


def _in_words(about: str) -> str:
    """The help text of a parameter, with ranges in words instead of formulas."""
    for formula, words in _RANGES:
        about = formula.sub(words, about)
    return about


def _paint(text: str) -> str:
    """Make headings bold and option names cyan if stdout shows colors."""
    if not colored(sys.stdout):
        return text
    text = _HEADING.sub("\\1\x1b[1m\\2\x1b[0m", text)
    return _NAMES.sub("\\1\x1b[36m\\2\x1b[0m", text)
