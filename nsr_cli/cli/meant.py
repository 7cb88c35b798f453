"""What the user probably meant by a command or an option that nsr does not have.

Similar programs have other names for the same things; the usual ones are known here.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from shlex import quote

from nsr_cli.shown import did_you_mean, safe_text

_COMMANDS: Mapping[str, str] = {
    "enlarge": "upscale",
    "resize": "upscale",
    "enhance": "auto",
    "fix": "auto",
    "repair": "auto",
    "restore": "auto",
    "deblock": "dejpeg",
    "identify": "inspect",
    "benchmark": "bench",
    "devices": "info",
    "models": "weights",
}
"""Names of commands in other programs, and those here."""

_OPTIONS: Mapping[str, Sequence[str]] = {
    "--if-exists overwrite": ("--overwrite", "--force", "--replace", "--yes", "-y"),
    "--if-exists skip": ("--skip-existing", "--no-clobber"),
    "--device cuda": ("--gpu", "--gpu-id", "--cuda", "-g"),
    "--device cpu": ("--cpu", "--no-gpu"),
    "--precision fp16": ("--half", "--fp16"),
    "--precision fp32": ("--full", "--fp32"),
    "--sigma": ("--noise", "--noise-level", "--level"),
    "--jpeg-quality": ("--compression",),
    "--scale": ("--factor", "--outscale", "--ratio", "--upscale", "-x"),
    "--width": ("--size", "--resize"),
    "--format": ("--ext", "--extension", "-f"),
    "--name": ("--suffix", "--prefix", "--template"),
    "--output": ("--out", "--out-dir", "--outdir", "--dest", "-d"),
    "--quiet": ("--silent", "-q"),
    "--version": ("-V",),
    "--recursive": ("--recurse", "-R"),
    "--strip": ("--no-metadata", "--strip-metadata"),
    "--dry-run": ("--plan", "--simulate"),
}
"""Names of options here, and those in other programs."""

_INPUT = frozenset({"-i", "--in", "--input", "--input-path"})


def not_a_command(name: str, commands: Collection[str], options: Collection[str], called: str) -> str:
    """A message that `called` (such as `nsr weights`) has no such command, and what may have been meant."""
    if f"--{name}" in options or name == "help":
        return f"no such command {name!r}; did you mean {called} --{name}?"
    if name not in _COMMANDS and "upscale" in commands and _is_path(name):
        shown = safe_text(name)
        return f"{shown} is not a command; say what to do with it, as in: nsr upscale {quote(shown)}"
    meant = _COMMANDS.get(name, "")
    hint = f"; did you mean {meant}?" if meant in commands else did_you_mean(name, commands)
    return f"no such command {safe_text(name)!r}{hint}"


def _is_path(name: str) -> bool:
    return "/" in name or bool(re.search(r"\.\w{2,5}$", name)) or Path(name).exists()


def not_an_option(name: str, options: Collection[str]) -> str:
    """What may have been meant by an option that is not in `options`, as the end of a message; may be empty."""
    if name in _INPUT:
        return "; pictures and folders are given without an option"
    for ours, theirs in _OPTIONS.items():
        if name in theirs and ours.split()[0] in options:
            return f"; did you mean {ours}?"
    if not name.startswith("--"):  # a single letter resembles too many
        return ""
    # Without the dashes, which all have: --gpu is not --output.
    long = [option.removeprefix("--") for option in options if option.startswith("--")]
    return did_you_mean(name.removeprefix("--"), long).replace("mean ", "mean --")


def with_one_dash(args: Sequence[str], options: Collection[str]) -> str:
    """The first argument that is a long option with only one dash, such as `-scale`; else empty.

    It would be read as `-s cale`, and `-output x.png` would even write to a file `utput`.
    """
    for arg in args:
        if arg == "--":
            break
        name = arg.partition("=")[0]
        if re.match(r"-\w\w", name) and f"-{name}" in options:
            return name
    return ""
