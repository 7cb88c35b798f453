"""Settings from files and the environment: flag > NSR_* > ./nsr.toml > the user's config.toml > default.

A file holds settings for all commands at its top and for one command in a table of its name:

    device = "cuda"
    if-exists = "overwrite"
    [upscale]
    scale = 2

A setting applies to the commands whose option has the same meaning: `--batch` of `nsr train` is not that of the
others. If a command has subcommands, as `nsr weights` has, its table is for all of them.

Typer reads flags and the environment; values from files become its defaults.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsr_cli.errors import UsageError
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.reads import read_regular
from nsr_cli.shown import did_you_mean, safe_text

PROJECT_FILE = "nsr.toml"
_MOST = 1 << 20  # bytes of a file
_NEARLY = 0.75  # how similar names must be, from 0 to 1
RESTORING = ("upscale", "denoise", "dejpeg", "auto")
SHOWING = ("compare", "explain")
_PICTURES = (*RESTORING, *SHOWING)
_NETWORKS = (*_PICTURES, "eval", "train")

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One option that can also be set in a file or the environment; `name` is without dashes."""

    name: str
    default: str
    switch: bool = False  # on or off, rather than a value
    commands: tuple[str, ...] = RESTORING  # as typed: "weights pull"
    variable: str = ""  # the environment variable, if it is not NSR_NAME
    option: str = ""  # the option's name without dashes, if it is not the setting's
    in_files: bool = True
    lists: tuple[str, ...] = ()  # commands that take several values, which settings separate by spaces

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return self.variable or "NSR_" + self.name.replace("-", "_").upper()

    @property
    def key(self) -> str:
        """Its name in files after reading: with underscores."""
        return self.name.replace("-", "_")

    @property
    def parameter(self) -> str:
        """The name of its option's parameter in Typer."""
        return (self.option or self.name).replace("-", "_")

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that may hold it in files, besides the top level."""
        return tuple(dict.fromkeys(_table(command) for command in self.commands))


def _table(command: str) -> str:
    """The name of the table for a command."""
    return command.partition(" ")[0]


SETTINGS: tuple[Setting, ...] = (
    Setting("scale", "4", commands=("upscale", *SHOWING)),
    Setting("fit", "contain", commands=("upscale", "auto")),
    Setting("sigma", "auto", commands=("denoise", *SHOWING)),
    Setting("jpeg-quality", "auto", commands=("dejpeg", *SHOWING)),
    Setting("model", "the best for the task", commands=(*RESTORING, "explain"), lists=("auto",)),
    Setting("device", "auto", commands=(*_NETWORKS, "weights publish", "bench", "demo")),
    Setting("precision", "auto", commands=(*RESTORING, "compare", "bench", "demo")),
    Setting("batch", "auto", commands=(*RESTORING, "compare", "eval")),
    Setting("tile", "auto"),
    Setting("max-memory", "half of what is free"),
    Setting("max-pixels", str(DEFAULT_MAX_PIXELS), commands=(*_PICTURES, "inspect")),
    Setting("strength", "1"),
    Setting("tta", "no", switch=True),
    Setting("recursive", "no", switch=True, commands=(*RESTORING, "inspect")),
    Setting("all-frames", "no", switch=True),
    Setting("format", "as the input"),
    Setting("quality", "95 for JPEG; WebP is lossless"),
    Setting("name", "{stem}_x4, {stem}_denoised and so on"),
    Setting(
        "if-exists",
        "skip; error for -o FILE, --plot",
        commands=(*_PICTURES, "eval", "bench", "demo", "weights import", "weights publish"),
    ),
    Setting("strip", "no", switch=True),
    Setting(
        "offline", "no", switch=True, commands=(*_NETWORKS, "weights pull", "weights publish", "data pull")
    ),
    Setting("mirror", "none", variable="NSR_WEIGHTS_MIRROR", commands=(*_NETWORKS, "weights pull")),
    # These three are read wherever sets or weights are looked for, even by commands without such an option.
    Setting("data-mirror", "none", commands=("data pull",), option="mirror", in_files=False),
    Setting("cache", "the user's cache folder", commands=(), in_files=False),
    Setting("data", "the cache", commands=(), in_files=False),
)
TABLES = tuple(dict.fromkeys(table for setting in SETTINGS if setting.in_files for table in setting.tables))


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """An existing settings file: values for all commands, and for each command."""

    path: Path
    shared: Mapping[str, Value]
    tables: Mapping[str, Mapping[str, Value]]

    def find(self, key: str, command: str | None) -> Value | None:
        """What the file says about `key`, first in the command's own table."""
        own = self.tables.get(_table(command), {}) if command is not None else {}
        return own.get(key, self.shared.get(key))


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
            found = _find(setting, files, path) if _table(path) == command else None
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


def misspelled(environment: Mapping[str, str]) -> list[str]:
    """A warning for each variable that resembles a setting's, which would be ignored silently.

    Other variables with the prefix may be somebody's own.
    """
    ours = {setting.env for setting in SETTINGS}
    strange = sorted(name for name in environment if name.startswith("NSR_") and name not in ours)
    if not strange:
        return []
    import difflib  # only if there is such a name

    # Without the prefix, which all have; also by the key, since NSR_MIRROR would be the regular name.
    meant = {name.removeprefix("NSR_"): one.env for one in SETTINGS for name in (one.env, one.key.upper())}
    lines = []
    for name in strange:
        close = difflib.get_close_matches(name.removeprefix("NSR_"), meant, n=1, cutoff=_NEARLY)
        if close:
            lines.append(
                f"{safe_text(name)} in the environment is no setting; did you mean {meant[close[0]]}?"
            )
    return lines


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
        value = file.find(setting.key, command)
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
            raise UsageError(f"{safe_text(path)}: no such table [{safe_text(name)}]{_closest(name, TABLES)}")
    shared = {name: value for name, value in content.items() if name not in tables}
    return ConfigFile(
        path,
        _checked(path, shared, TABLES),
        {name: _checked(path, table, (name,)) for name, table in tables.items()},
    )


def _checked(path: Path, table: Mapping[str, Any], tables: Sequence[str]) -> dict[str, Value]:
    known = {s.key: s for s in SETTINGS if s.in_files and set(tables) & set(s.tables)}
    checked: dict[str, Value] = {}
    for name, value in table.items():
        setting = known.get(name.replace("-", "_"))
        if setting is None:
            raise UsageError(
                f"{safe_text(path)}: no such setting {safe_text(name)!r}"
                f"{_closest(name.replace('_', '-'), [s.name for s in known.values()])}"
            )
        if not isinstance(value, bool if setting.switch else (str, int, float)) or (
            isinstance(value, bool) and not setting.switch
        ):
            wanted = "true or false" if setting.switch else "a number or text"
            raise UsageError(
                f"{safe_text(path)}: {setting.name} must be {wanted}, not {safe_text(repr(value))}"
            )
        checked[setting.key] = value
    return checked


def _closest(name: str, possible: Sequence[str]) -> str:
    return did_you_mean(name, possible) or f"; there are {', '.join(possible)}"
