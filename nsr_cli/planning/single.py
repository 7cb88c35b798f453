"""Where to write the single file that a command makes, such as a sheet or a page, and whether that is allowed."""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.files import write_atomic, write_error
from nsr_cli.planning.inputs import STDIN
from nsr_cli.planning.kinds import is_folder, mode_of
from nsr_cli.planning.places import STDOUT, checked_output
from nsr_cli.planning.refusals import check_folder
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import Console, is_terminal


@dataclass(frozen=True, slots=True)
class Target:
    """Where the result goes: a file, or stdout (None). `form` is the format by its name."""

    path: Path | None
    form: str
    there: bool = False
    """Whether the file already exists and stays."""
    like: Path | None = None
    """The file of the picture that it shows: the result is readable by no more people than that."""

    @property
    def label(self) -> str:
        """How messages call it."""
        return "stdout" if self.path is None else safe_text(self.path)


def place(
    image: str, output: str | None, tag: str, forms: Mapping[str, str], if_exists: str | None
) -> Target:
    """Decide where the result goes, before any work.

    output     result
    (none)     beside IMAGE as STEM + tag, with the first suffix of `forms`; stdout if IMAGE is -
    -          stdout
    FOLDER     in it, named as above
    FILE       FILE; its suffix decides the format

    Args:
        image, output: as typed.
        tag: what distinguishes the result's name from the picture's.
        forms: suffixes and the formats that they mean, the default first.
        if_exists: `skip`, `overwrite` or `error`; None for the default: `skip`, but `error` for -o FILE.

    Raises:
        UsageError: there is no such place, or it is taken.
        WriteError: its folder cannot be written.
    """
    checked_output(output)
    suffix, form = next(iter(forms.items()))
    if output == STDOUT or (output is None and image == STDIN):
        if output is None and is_terminal(sys.stdout):
            raise UsageError(
                "the result would go to the terminal: redirect stdout, or pass `-o -` to write it there anyway"
            )
        return Target(None, form)
    name = ("stdin" if image == STDIN else Path(image).stem) + tag + suffix
    named = False
    if output is None:
        path = Path(image).parent / name
    elif output.endswith(("/", os.sep)) or is_folder(Path(output)):
        path = Path(output) / name
    else:
        named, path = True, Path(output)
        if path.suffix.lower() not in forms:
            raise UsageError(f"-o {safe_text(output)}: the name must end in {' or '.join(forms)}")
        form = forms[path.suffix.lower()]
    made_from = None if image == STDIN else Path(image)
    return checked(Target(path, form, like=made_from), if_exists or ("error" if named else "skip"), image)


def checked(target: Target, rule: str, image: str = STDIN, option: str = "-o") -> Target:
    """Check that a file can be written, before any work; `there` is set if it exists and stays.

    Args:
        target: the file.
        rule: what to do if it already exists: `skip`, `overwrite` or `error`.
        image: the input, which must not be replaced.
        option: the option that gives another place, for messages.

    Raises:
        UsageError, WriteError: as for `place`.
    """
    path = target.path or Path()
    if is_folder(path):
        raise UsageError(f"{safe_text(path)} is a folder: choose another name")
    if image != STDIN and mode_of(path) and mode_of(Path(image)) and path.samefile(Path(image)):
        raise UsageError(f"{safe_text(path)} is the input itself: choose another name with {option}")
    if stat.S_ISREG(mode_of(path)):  # a device or a pipe is meant to be written to
        if rule == "error":
            raise UsageError(
                f"{safe_text(path)} already exists: --if-exists overwrite replaces it, "
                "--if-exists skip leaves it"
            )
        if rule == "skip":
            return replace(target, there=True)
    check_folder(path.parent, option)
    return target


def skips(target: Target, image: str, console: Console) -> bool:
    """Whether the result already exists and stays; then the user is told."""
    if target.there:
        console.note(f"{image}: skipped, {target.label} already exists (--if-exists overwrite replaces it)")
    return target.there


def skips_sheet(target: Target, image: str, console: Console) -> bool:
    """`skips` for a command whose JSON describes the result, which then says so too."""
    if target.there and console.json:
        path = str(target.path)
        reason = f"{path} already exists"
        console.json_line({"input": image, "output": path, "status": "skipped", "reason": reason})
    return skips(target, image, console)


def write(target: Target, data: bytes) -> None:
    """Write the result to its place. Raises `WriteError`."""
    if target.path is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target.path.parent, error) from error
    write_atomic(target.path, data, like=target.like)
