"""Whether the disks have room for the results of a run, checked before any work."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nsr_cli.errors import MemoryExhausted, PictureError, WriteError
from nsr_cli.forecast.files import forecast, surely_enough
from nsr_cli.planning.job import Job
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.settings import Settings
from nsr_cli.planning.whereabouts import nearest_existing
from nsr_cli.shown import safe_text
from nsr_cli.terminal.texts import human_bytes


def check_space(plan: Plan, settings: Settings) -> None:
    """WriteError if a disk surely cannot take the results.

    A file that vanishes in the meantime, or cannot be looked at, fails by itself later.
    """
    for folder, jobs in _by_disk(plan.jobs).items():
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            if free > sum(_at_most(jobs, settings)):  # usually, and no file has to be opened for it
                continue
            needed = sum(_least_bytes(jobs, settings))
            if needed > free:
                raise WriteError(
                    f"too little disk: the results take at least {human_bytes(needed)}, but {safe_text(folder)} has "
                    f"{human_bytes(free)} free; free some space or choose another place with -o"
                )


def _by_disk(jobs: Iterable[Job]) -> dict[Path, list[Job]]:
    """The jobs that write files, grouped by disk; the key is a folder on it."""
    folders: dict[int, Path] = {}
    found: dict[Path, list[Job]] = {}
    for job in jobs:
        if job.target is None or job.source is None:
            continue
        with suppress(OSError):
            folder = nearest_existing(job.target.parent)
            found.setdefault(folders.setdefault(folder.stat().st_dev, folder), []).append(job)
    return found


def _at_most(jobs: Iterable[Job], settings: Settings) -> Iterator[float]:
    """What `_least_bytes` cannot exceed for each file that can be looked at, from its length alone."""
    for job in jobs:
        with suppress(OSError):
            yield 0 if job.source is None else surely_enough(job, job.source.stat().st_size, settings)


def _least_bytes(jobs: Iterable[Job], settings: Settings) -> Iterator[int]:
    """The fewest bytes that each result takes; 0 if unknown."""
    for job in jobs:
        with suppress(PictureError, MemoryExhausted):
            found = forecast(job, settings)
            yield 0 if found is None else found.least
