"""What is refused before any work: plans that would lose or mix up files."""

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from nsr_cli.errors import UsageError, WriteError
from nsr_cli.files import write_error
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import is_folder, is_special
from nsr_cli.planning.whereabouts import Whereabouts, nearest_existing
from nsr_cli.shown import safe_text


def distinct(jobs: Iterable[Job], where: Whereabouts) -> list[Job]:
    """The jobs without repetitions of the same picture and the same place.

    Raises:
        UsageError: the results of two pictures would be one file, even by way of links.
    """
    taken: dict[str, Job] = {}
    left = []
    for job in jobs:
        if job.target is not None:
            first = taken.setdefault(where.written(job.target), job)
            if first is not job and _is_same_input(first, job, where):
                continue
            if first is not job:
                raise UsageError(
                    f"{safe_text(first.label)} and {safe_text(job.label)} would both become "
                    f"{safe_text(job.target)}: tell them apart with --name, such as '{{stem}}_{{ext}}', "
                    "or restore them separately"
                )
        left.append(job)
    return left


def check_inputs_kept(jobs: Sequence[Job], if_exists: str | None) -> None:
    """UsageError if a result would replace an input, under any name or link, without `overwrite`."""
    sources: dict[tuple[int, int], Job] = {}
    for job in jobs:
        if job.source is not None and (identity := _identity(job.source)):
            sources.setdefault(identity, job)
    for job in jobs:
        if job.target is None or not (identity := _identity(job.target)):
            continue
        victim = sources.get(identity)
        if victim is None or (victim is job and if_exists == "overwrite"):
            continue
        remedy = "choose another place with -o or --name"
        if victim is job:
            remedy += ", or replace the input with --if-exists overwrite"
        raise UsageError(
            f"the result of {safe_text(job.label)} would replace the input "
            f"{safe_text(victim.label)}: {remedy}"
        )


def check_folders(jobs: Iterable[Job]) -> None:
    """WriteError unless every folder for results exists or can be made, and can be written."""
    # A device or a pipe is written to directly: nothing is made in its folder.
    targets = [job.target for job in jobs if job.target is not None and not is_special(job.target)]
    for folder in dict.fromkeys(target.parent for target in targets):
        check_folder(folder)
    for target in targets:
        if target.is_symlink():  # the folder is known to be searchable here
            _check_link(target)


def check_folder(folder: Path, option: str = "-o") -> None:
    """WriteError unless a folder exists or can be made, and can be written; it names the option for another one."""
    nearest = nearest_existing(folder)
    if not is_folder(nearest):
        raise WriteError(
            f"cannot write into {safe_text(folder)}: {safe_text(nearest)} is not a folder; "
            f"choose another folder with {option}"
        )
    _check_open(folder, nearest, option)


def _check_link(link: Path) -> None:
    """WriteError unless a file can be made where a link leads; folders are not made there."""
    real = Path(os.path.realpath(link))
    if os.path.islink(real):  # noqa: PTH114 (Path's may raise); realpath gives up on a loop
        raise write_error(link, OSError(errno.ELOOP, os.strerror(errno.ELOOP)))
    if not is_folder(real.parent):
        raise WriteError(
            f"cannot write {safe_text(link)}: it is a link into {safe_text(real.parent)}, which is not a folder; "
            "make that folder, or remove the link"
        )
    _check_open(real.parent, real.parent, "-o")


def _check_open(folder: Path, nearest: Path, option: str) -> None:
    """WriteError if nothing can be made in the folder, or in the nearest existing one above it."""
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise WriteError(
            f"cannot write into {safe_text(folder)}: permission denied; choose another folder with {option}"
        )


def _is_same_input(one: Job, other: Job, where: Whereabouts) -> bool:
    if one.source is None or other.source is None:
        return False
    return where.entry(one.source) == where.entry(other.source)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, which no other one has; None if there is none, or no longer."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
