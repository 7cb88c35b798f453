"""`--files-from`: paths from a file or a pipe, one a line or with NUL bytes between them."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from nsr_cli.errors import UsageError
from nsr_cli.planning.inputs import STDIN
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import is_terminal

MOST = 256 << 20  # bytes of a list
_BOM = b"\xef\xbb\xbf"  # Windows programs begin a text file with it


def listed_paths(inputs: Sequence[str], sources: Sequence[str] | None, null: bool) -> tuple[str, ...]:
    """The paths in the lists `sources` (files, pipes, and - for stdin; None: there are no lists), in their order.

    They are taken literally: none of them is a pattern, and `-` is a file of that name. Empty ones, and a carriage
    return at the end of a line, are dropped.

    Args:
        inputs: the other inputs, as typed.
        sources: the lists, as typed.
        null: whether NUL bytes separate the paths of each list, as from `find -print0`.

    Raises:
        UsageError: there are neither inputs nor a list, or a list is invalid or cannot be read; stdin is given twice.
    """
    if not sources:
        if null:
            raise UsageError("-0 is for a list of paths: name it with --files-from")
        if not inputs:
            raise UsageError("missing IN: give pictures or folders, or a list of them with --files-from")
        return ()
    if STDIN in sources and STDIN in inputs:
        raise UsageError("'-' is given twice: stdin can hold the list of --files-from or pictures, not both")
    if sources.count(STDIN) > 1:
        raise UsageError("--files-from: '-' is given twice: stdin can be read once")
    paths = tuple(path for source in sources for path in _listed(source, null))
    if not paths and not inputs:
        names = " ".join(map(_option, sources))
        raise UsageError(f"{names}: {'it is' if len(sources) == 1 else 'they are'} empty")
    return paths


def _option(source: str) -> str:
    """The name of a list in messages."""
    return f"--files-from {safe_text(source)}"


def _listed(source: str, null: bool) -> tuple[str, ...]:
    """The paths in one list. Raises as `listed_paths`."""
    if not source:
        raise UsageError("--files-from is empty: name a list")
    name = _option(source)
    data = _read(source, name)
    if not null and b"\0" in data:
        raise UsageError(f"{name}: it has NUL bytes: give -0 if they stand between the paths")
    if null and b"\0" not in data and b"\n" in data.rstrip(b"\n"):
        raise UsageError(f"{name}: it has lines, and no NUL bytes: leave out -0")
    return tuple(_paths(data, null, name))


def _read(source: str, name: str) -> bytes:
    try:
        if source != STDIN:
            with Path(source).open("rb") as file:
                return _bounded(file, name)
        if is_terminal(sys.stdin):
            raise UsageError(
                f"{name} reads paths from stdin, which is a terminal: pipe or redirect a list into it"
            )
        return _bounded(sys.stdin.buffer, name)
    except FileNotFoundError as error:
        raise UsageError(f"{name}: there is no such file") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{name}: cannot be read: {why}; give a file with one path a line") from error


def _bounded(file: BinaryIO, name: str) -> bytes:
    data = file.read(MOST + 1)
    if len(data) > MOST:
        raise UsageError(f"{name}: it is longer than {MOST >> 20} MiB: split it into several lists")
    return data


def _paths(data: bytes, null: bool, name: str) -> Iterator[str]:
    pattern = rb"[^\0]+" if null else rb"[^\n]+"
    for number, match in enumerate(re.finditer(pattern, data if null else data.removeprefix(_BOM)), 1):
        path = match[0] if null else match[0].removesuffix(b"\r")
        try:
            text = os.fsdecode(path)
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{name}: path {number}, {safe_text(ascii(path))}, is not written in {error.encoding}"
            ) from error
        if text:
            yield text
