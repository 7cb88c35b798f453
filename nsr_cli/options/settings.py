"""The settings: options that can also be set in a file or the environment, for which commands, and their defaults.

A setting applies to the commands whose option has the same meaning: `--batch` of `nsr train` is not that of the
others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.shown import safe_text

_NEARLY = 0.75  # how similar names must be, from 0 to 1

RESTORING = ("upscale", "denoise", "dejpeg", "auto")
SHOWING = ("compare", "explain")
_PICTURES = (*RESTORING, *SHOWING)
_NETWORKS = (*_PICTURES, "eval", "train")


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
    def parameter(self) -> str:
        """The name of its option's parameter in Typer."""
        return (self.option or self.name).replace("-", "_")

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that may hold it in files, besides the top level."""
        return tuple(dict.fromkeys(table_of(command) for command in self.commands))


def table_of(command: str) -> str:
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


def misspelled(environment: Mapping[str, str]) -> list[str]:
    """A warning for each variable that resembles a setting's, which would be ignored silently.

    Other variables with the prefix may be somebody's own.
    """
    ours = {setting.env for setting in SETTINGS}
    strange = sorted(name for name in environment if name.startswith("NSR_") and name not in ours)
    if not strange:
        return []
    import difflib  # only if there is such a name

    # Without the prefix, which all have; also by the setting's name, since NSR_MIRROR would be the regular variable.
    meant = {
        text.removeprefix("NSR_"): one.env
        for one in SETTINGS
        for text in (one.env, one.name.replace("-", "_").upper())
    }
    lines = []
    for name in strange:
        close = difflib.get_close_matches(name.removeprefix("NSR_"), meant, n=1, cutoff=_NEARLY)
        if close:
            lines.append(
                f"{safe_text(name)} in the environment is no setting; did you mean {meant[close[0]]}?"
            )
    return lines
