"""From what the user typed to the pictures that are meant: files, folders, patterns and stdin.

Only folders are opened here. Every path is taken once, in a fixed order; pipes, devices, and links that lead back
into a folder being read are left out with a reason.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.imaging.formats import readable_suffixes
from nsr_cli.planning.kinds import is_folder, kind_of, unread, unreadable
from nsr_cli.planning.whereabouts import Whereabouts
from nsr_cli.shown import counted, safe_text

STDIN = "-"

_SHOWN = 6  # suffixes of other files to list, at most

_SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass(frozen=True, slots=True)
class Found:
    """One picture; `path` is None for stdin, `root` the given folder in which it was found."""

    path: Path | None
    root: Path | None = None
    typed: str = ""
    """The path as the user gave it; empty for files found in folders."""

    @property
    def relative_folder(self) -> Path:
        """The path from `root` to the file's folder."""
        return self.path.parent.relative_to(self.root) if self.path and self.root else Path()


@dataclass(frozen=True, slots=True)
class Remark:
    """A path that will not be restored, and the reason, in one line."""

    path: str
    reason: str


@dataclass(slots=True)
class Gathered:
    """What was found through the inputs."""

    found: list[Found] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    """The folders that were given."""
    skipped: list[Remark] = field(default_factory=list)
    """Entries of folders that are not files to read: reported, but not as failures."""
    failed: list[Remark] = field(default_factory=list)
    """Inputs that were named and cannot be read."""
    others: int = 0
    """Files in folders that are not named like pictures."""
    other_suffixes: set[str] = field(default_factory=set)
    """The suffixes of these files, lower case, with dot."""
    unvisited: int = 0
    """Subfolders that were not looked into."""

    @property
    def ignored(self) -> str:
        """What was not looked at, such as `3 other files ignored (.mp4, .txt)`; empty if nothing."""
        parts = []
        if self.others:
            more = ["..."] if len(self.other_suffixes) > _SHOWN else []
            shown = ", ".join([*sorted(self.other_suffixes)[:_SHOWN], *more])
            parts.append(f"{counted(self.others, 'other file')} ignored" + (f" ({shown})" if shown else ""))
        if self.unvisited:
            them = "it" if self.unvisited == 1 else "them"
            parts.append(f"{counted(self.unvisited, 'subfolder')} not looked into (-r takes {them})")
        return ", ".join(parts)


def gather(inputs: Sequence[str], recursive: bool, listed: Sequence[str] = ()) -> Gathered:
    """Resolve `inputs` in order, then `listed`. In folders only files with the suffix of a picture count.

    Args:
        inputs: paths, patterns, and `-` for stdin.
        recursive: whether to look into subfolders.
        listed: paths from a list, which are never patterns and never stdin.

    Raises:
        UsageError: stdin is given twice.
    """
    if list(inputs).count(STDIN) > 1:
        raise UsageError("'-' is given twice: stdin can be read once")
    gathered, where, taken = Gathered(), Whereabouts(), dict[str, Found]()
    for found in _pictures(inputs, recursive, listed, gathered):
        taken.setdefault(STDIN if found.path is None else where.spelled(found.path), found)
    gathered.found += taken.values()
    return gathered


def nothing_found(gathered: Gathered) -> str:
    """Why there is nothing to do, if no input led to a picture and none failed."""
    where = ", ".join(safe_text(folder) for folder in gathered.folders)
    hint = "; -r looks into its subfolders" if gathered.unvisited else ""
    return f"no pictures in {where}{hint}"


def _pictures(
    inputs: Sequence[str], recursive: bool, listed: Sequence[str], gathered: Gathered
) -> Iterator[Found]:
    """As `gather`, with what is found through several inputs several times; the rest goes to `gathered`."""
    for text in _expanded(inputs, gathered):
        if text == STDIN:
            yield Found(None)
        else:
            yield from _named(text, recursive, gathered)
    for text in listed:
        yield from _named(text, recursive, gathered)


def _expanded(inputs: Sequence[str], gathered: Gathered) -> Iterator[str]:
    """The inputs with patterns replaced by what matches; a path that exists is never taken for a pattern."""
    for text in inputs:
        if text == STDIN or os.path.lexists(text) or not glob.has_magic(text):
            yield text
            continue
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (a pattern may be absolute)
        if not matches:
            gathered.failed.append(Remark(text, "nothing matches this pattern"))
        yield from matches


def _named(text: str, recursive: bool, gathered: Gathered) -> Iterator[Found]:
    """The picture of that name, or those in the folder of that name."""
    if text and is_folder(Path(text)):
        gathered.folders.append(Path(text))
        yield from _walk(Path(text), recursive, gathered)
    elif reason := unreadable(text):
        gathered.failed.append(Remark(text or "''", reason))
    else:
        yield Found(Path(text), typed=text)


def _walk(root: Path, recursive: bool, gathered: Gathered) -> Iterator[Found]:
    visited: set[tuple[int, int]] = set()
    suffixes = readable_suffixes()
    waiting = _not_visited([root], visited, gathered)
    while waiting:
        folder = waiting.pop()
        below = []
        for entry in _entries(folder, gathered):
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_NAMES:
                continue
            path = folder / entry.name
            try:
                kind = kind_of(path)
            except OSError as error:  # a folder's names may be readable though its files are not
                gathered.failed.append(Remark(str(path), unread(error)))
                continue
            if kind == "folder":
                below.append(path)
            elif kind != "file":
                gathered.skipped.append(Remark(str(path), kind))
            elif path.suffix.lower() in suffixes:
                yield Found(path, root)
            else:
                gathered.others += 1
                gathered.other_suffixes |= {path.suffix.lower()} - {""}
        gathered.unvisited += 0 if recursive else len(below)
        waiting += reversed(_not_visited(below, visited, gathered) if recursive else [])


def _not_visited(folders: list[Path], visited: set[tuple[int, int]], gathered: Gathered) -> list[Path]:
    """Those of `folders` that no other name or link has led to before; all are marked as visited."""
    new = []
    for path in folders:
        try:
            identity = _identity(path)
        except OSError as error:
            gathered.failed.append(Remark(str(path), unread(error)))
            continue
        if identity in visited:
            gathered.skipped.append(Remark(str(path), "leads to a folder that is already being read"))
        else:
            visited.add(identity)
            new.append(path)
    return new


def _entries(folder: Path, gathered: Gathered) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        gathered.failed.append(Remark(str(folder), unread(error)))
        return []


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
