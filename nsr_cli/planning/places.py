"""Where results go: beside their inputs, into a folder that mirrors theirs, into one file, or to stdout."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.imaging.formats import SUFFIXES, readable_suffixes
from nsr_cli.planning.inputs import Found, Gathered
from nsr_cli.planning.kinds import is_folder, mode_of
from nsr_cli.planning.naming import Namer, format_of
from nsr_cli.planning.redo import Earlier
from nsr_cli.shown import safe_text

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says about inputs and outputs."""

    inputs: tuple[str, ...]
    namer: Namer
    output: str | None = None
    if_exists: str | None = None
    recursive: bool = False
    earlier: Earlier | None = None
    """Tells which existing results were made with other settings; None: do not look for those."""
    name_is_typed: bool = False
    """Whether the name template is on the command line, and not only in the settings."""
    listed: tuple[str, ...] = ()
    """Paths from a list: inputs that are never patterns or stdin."""


class TargetChooser:
    """Chooses where each result goes; see the table in `__call__`.

    Raises:
        UsageError: the results would lie among the inputs, or `-o` cannot take them.
    """

    def __init__(self, request: Request, gathered: Gathered) -> None:
        self.namer = request.namer
        """Names the results, in the format that `-o FILE` asks for, if any."""
        self._output = checked_output(request.output)
        self._several = len(gathered.folders) > 1 or (
            gathered.folders and any(f.root is None for f in gathered.found)
        )
        many = len(gathered.found) > 1 or bool(gathered.folders)
        self.names_result = bool(request.output) and request.output != STDOUT and not self._is_folder(many)
        """Whether `-o` names the one result itself."""
        if request.name_is_typed and (self.names_result or request.output == STDOUT):
            raise UsageError(
                f"-o {safe_text(request.output or '')} and --name exclude each other: leave out --name, or give a "
                "folder with -o"
            )
        if request.name_is_typed and request.output is None and any(f.path is None for f in gathered.found):
            raise UsageError(
                "the picture from standard input goes to standard output, which has no name: leave out --name, or "
                "give a folder with -o"
            )
        if self.names_result:
            self.namer = _named_by_file(request.namer, Path(request.output or ""))
        for folder in gathered.folders:
            self._check_outside(folder, request.recursive)

    def __call__(self, found: Found, index: int) -> Path | None:
        """The target of one picture.

        output      a file input                 a picture in the folder IN
        (none)      beside it, with the tag      IN_tag/, mirrored, same name
        -           stdout                       stdout
        FILE        FILE                         (refused: FILE must be a folder)
        FOLDER      FOLDER/, same name           FOLDER/, mirrored (FOLDER/IN/ among several inputs)
        """
        if self._output == STDOUT or (found.path is None and self._output is None):
            return None
        if self.names_result:
            return Path(self._output or "")
        folder = self._folder(found.root)
        name = self.namer.name(found.path, index, keep=found.root is not None or self._output is not None)
        if folder is None:
            return (found.path.parent if found.path else Path()) / name
        return folder / found.relative_folder / name

    def _folder(self, root: Path | None) -> Path | None:
        """The folder that mirrors `root`, or None for "beside the input"."""
        if self._output is None:
            return root and _sibling(root, self.namer.tag)
        folder = Path(self._output)
        return folder / _own_name(root) if root and self._several else folder

    def _is_folder(self, many: bool) -> bool:
        output = self._output or ""
        path = Path(output)
        if is_folder(path) or output.endswith(("/", os.sep)):
            return True
        suffix = path.suffix.lower()
        if many:
            if mode_of(path) or suffix in SUFFIXES:
                raise UsageError(
                    f"-o {safe_text(output)} names a file, but there are several inputs: give a folder"
                )
            return True
        if mode_of(path) or suffix in SUFFIXES:
            return False
        if suffix and self.namer.format is None:
            known = " ".join(sorted(SUFFIXES))
            is_read = suffix in readable_suffixes()
            why = f"{suffix} is read but not written" if is_read else f"no such format {safe_text(suffix)}"
            raise UsageError(
                f"-o {safe_text(output)}: {why}; there are {known}; end the name of a folder with /"
            )
        return not suffix

    def _check_outside(self, root: Path, recursive: bool) -> None:
        """UsageError if results would be where the pictures of `root` are looked for."""
        if self._output == STDOUT:
            return
        place, inside = (self._folder(root) or root).resolve(), root.resolve()
        if place == inside or (recursive and inside in place.parents):
            raise UsageError(
                f"the results would go to {safe_text(place)}, inside the input {safe_text(root)}: "
                "choose a folder beside it with -o"
            )


def checked_output(output: str | None) -> str | None:
    """The value of `-o`. UsageError if it is empty, for example from an unset shell variable.

    An empty path would be the working folder, and results could replace the inputs there.
    """
    if output == "":
        raise UsageError("-o is empty: name a file or a folder")
    return output


def _named_by_file(namer: Namer, output: Path) -> Namer:
    """The namer for `-o FILE`, which takes the format from FILE's suffix."""
    named = format_of(output.suffix)
    if named and namer.format and named != namer.format:
        raise UsageError(
            f"-o ends in {output.suffix}, but --format says {namer.format.lower()}: give one of them"
        )
    return replace(namer, format=named or namer.format)


def _own_name(folder: Path) -> str:
    """The folder's own name, even if it is given as `.` or `..`."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _sibling(folder: Path, tag: str) -> Path:
    name = _own_name(folder)
    if not name:
        raise UsageError(f"nothing can be written beside {safe_text(folder)}: choose a folder with -o")
    parent = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    return parent / (name + tag)
