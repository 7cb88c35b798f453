"""Settings from files and the environment: flag > NSR_* > ./nsr.toml > the user's config.toml > default.

A file holds settings for all commands at its top and for one command in a table of its name:

    device = "cuda"
    if-exists = "overwrite"
    [upscale]
    scale = 2

If a command has subcommands, as `nsr weights` has, its table is for all of them.

Typer reads flags and the environment; values from files become its defaults.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsr_cli.errors import UsageError
from nsr_cli.options.settings import SETTINGS, TABLES, Setting, table_of
from nsr_cli.reads import read_regular
from nsr_cli.shown import safe_text, there_are

PROJECT_FILE = "nsr.toml"
_MOST = 1 << 20  # bytes of a file

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """An existing settings file: values for all commands, and for each command."""

    path: Path
    shared: Mapping[str, Value]
    tables: Mapping[str, Mapping[str, Value]]

    def find(self, name: str, command: str | None) -> Value | None:
        """What the file says about a setting, first in the command's own table."""
        own = self.tables.get(table_of(command), {}) if command is not None else {}
        return own.get(name, self.shared.get(name))


def user_file() -> Path | None:
    """The path of the user's own settings file; None for users without a home."""
    from platformdirs import user_config_path

    try:
        folder = user_config_path("nsr", appauthor=False)
    except RuntimeError:
        return None
    return folder / "config.toml" if folder.is_absolute() else None  # else `~` could not be expanded


def read_files() -> tuple[ConfigFile, ...]:
    """Read the project's file (in the working folder) and the user's, the one with precedence first.

    Raises:
        UsageError: a file cannot be read, or holds a key that no command has.
    """
    found = (_read(path) for path in (Path(PROJECT_FILE), user_file()) if path is not None)
    return tuple(file for file in found if file is not None)


def default_map(files: Sequence[ConfigFile], command: str) -> dict[str, dict[str, Any]]:
    """Typer's defaults for `command` and its subcommands, from the files.

    Values are text, except those of switches.
    """
    defaults: dict[str, Any] = {command: {}}
    for setting in SETTINGS:
        for path in setting.commands:
            found = _find(setting, files, path) if table_of(path) == command else None
            if found is None:
                continue
            place = defaults
            for name in path.split():
                place = place.setdefault(name, {})
            text = _text(found[0])
            place[setting.parameter] = (
                found[0] if setting.switch else text.split() if path in setting.lists else text
            )
    return defaults


def origin(context: Any, key: str) -> str:
    """' (from nsr.toml)' and the like for a value that was not given as a flag, else ''."""
    command = _command(context)
    ours = (setting for setting in SETTINGS if setting.parameter == key and command in setting.commands)
    setting, source = next(ours, None), context.get_parameter_source(key)
    if setting is None or source is None:
        return ""
    if source.name == "ENVIRONMENT":
        return f" (from {setting.env})"
    found = _find(setting, read_files(), command) if source.name == "DEFAULT_MAP" else None
    return f" (from {safe_text(found[1])})" if found is not None else ""


def is_typed(context: Any, key: str) -> bool:
    """Whether an option is on the command line, and not only in the environment or a settings file."""
    return getattr(context.get_parameter_source(key), "name", "") == "COMMANDLINE"


def _command(context: Any) -> str:
    """The command of a context as typed, without `nsr`."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)


def _find(setting: Setting, files: Sequence[ConfigFile], command: str | None) -> tuple[Value, Path] | None:
    """The value in the first file that has the setting, and that file's path."""
    for file in files if setting.in_files else ():
        value = file.find(setting.name, command)
        if value is not None:
            return value, file.path
    return None


def resolve(setting: Setting, files: Sequence[ConfigFile], command: str | None) -> tuple[str, str]:
    """The value of a setting without a flag, and where it comes from."""
    from_env = os.environ.get(setting.env)
    if from_env:
        return from_env, setting.env
    found = _find(setting, files, command)
    return (setting.default, "default") if found is None else (_text(found[0]), str(found[1]))


def _text(value: Value) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _read(path: Path) -> ConfigFile | None:
    import tomllib  # only if there may be a file to read

    try:
        content = tomllib.loads(read_regular(path, _MOST).decode("utf-8-sig"))  # with a byte order mark
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{safe_text(path)} cannot be read: {reason}; correct or remove it") from error
    tables = {name: table for name, table in content.items() if isinstance(table, dict)}
    for name in tables:
        if name not in TABLES:
            raise UsageError(f"{safe_text(path)}: no such table [{safe_text(name)}]{there_are(name, TABLES)}")
    shared = {name: value for name, value in content.items() if name not in tables}
    return ConfigFile(
        path,
        _checked(path, shared, TABLES),
        {name: _checked(path, table, (name,)) for name, table in tables.items()},
    )


def _checked(path: Path, table: Mapping[str, Any], tables: Sequence[str]) -> dict[str, Value]:
    known = {s.name: s for s in SETTINGS if s.in_files and set(tables) & set(s.tables)}
    checked: dict[str, Value] = {}
    for written, value in table.items():
        name = written.replace("_", "-")
        if name not in known:
            raise UsageError(
                f"{safe_text(path)}: no such setting {safe_text(written)!r}{there_are(name, known)}"
            )
        if name in checked:
            raise UsageError(
                f"{safe_text(path)}: {name} and {name.replace('-', '_')} are the same setting; remove one of them"
            )
        if isinstance(value, bool) != known[name].switch or not isinstance(value, str | int | float):
            wanted = "true or false" if known[name].switch else "a number or text"
            raise UsageError(f"{safe_text(path)}: {name} must be {wanted}, not {safe_text(repr(value))}")
        checked[name] = value
    return checked
