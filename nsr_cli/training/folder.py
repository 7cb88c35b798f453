"""The folder of a run: reserved for one run at a time, and cleared of the remains of a run that cannot go on."""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from nsr_cli.errors import NsrError, UsageError, WriteError
from nsr_cli.fetch.lock import one_at_a_time
from nsr_cli.shown import safe_text
from nsr_cli.training.distributed import Processes

_LOCK = ".lock"
_FILES = ("config.json", "metrics.csv", "curve.png")
_FOLDERS = ("best", ".best.part", ".best.old")


@contextlib.contextmanager
def reserved(run: Path, processes: Processes) -> Iterator[None]:
    """Make the folder of a run and keep others from training in it; folders still empty are removed at the end.

    The leading process holds a lock for all of them. The system releases it even if the process is killed.

    Raises:
        UsageError: another training uses the folder.
        WriteError: it cannot be made.
    """
    with ExitStack() as stack:
        problem = processes.by_leader(lambda: _reserve(run, stack))
        if problem is not None:
            raise problem
        yield


def _reserve(run: Path, stack: ExitStack) -> NsrError | None:
    """Make and lock a folder until `stack` is closed; returns an error instead of raising it, for all processes."""
    try:
        made = [folder for folder in (run, *run.parents) if not folder.exists()]
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        return WriteError(f"{safe_text(run)}: cannot be made: {why}; choose another --out")
    stack.callback(_remove_empty, made)
    busy = UsageError(
        f"{safe_text(run)}: another training is at work there; wait for its end or choose another --out"
    )
    try:
        stack.enter_context(one_at_a_time(run / _LOCK, 0.0, busy))
    except UsageError as taken:
        return taken
    return None


def leftovers(run: Path) -> list[Path]:
    """The files and folders that a run has written there, without its checkpoints; a pipe of such a name is ignored."""
    files = [run / name for name in _FILES if (run / name).is_file()]
    return files + [run / name for name in _FOLDERS if (run / name).is_dir()]


def clear(run: Path) -> None:
    """Remove what another run has left: its best weights and its log must not be taken for those of the next.

    Raises:
        WriteError: something cannot be removed.
    """
    for path in leftovers(run):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            why = error.strerror or error
            raise WriteError(f"{safe_text(path)}: cannot be removed: {why}; choose another --out") from error


def _remove_empty(folders: list[Path]) -> None:
    """Remove those of the folders that are empty, inner ones first."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()
