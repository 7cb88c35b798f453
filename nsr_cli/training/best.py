"""The best weights of a run, by its validation, in RUN/best."""

import shutil
from pathlib import Path

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.files import sync_folder
from nsr_cli.shown import safe_text
from nsr_cli.training import storage
from nsr_cli.training.storage import Checkpoint


def save_best(run: Path, saved: Checkpoint) -> None:
    """Keep the best weights so far in RUN/best; the former ones are kept until these are safe.

    Raises:
        WriteError: they could not be written; the former ones are untouched.
    """
    target, partial, old = run / "best", run / ".best.part", run / ".best.old"
    try:
        _finish_best(target, partial, old)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        storage.write(partial, saved)
        if target.exists():
            target.rename(old)
        partial.rename(target)
        sync_folder(run)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if target.exists():  # else the new ones may be the only complete ones, see `_finish_best`
            shutil.rmtree(partial, ignore_errors=True)
        raise WriteError(f"{safe_text(target)}: {error.strerror or error}") from error


def _finish_best(target: Path, partial: Path, old: Path) -> None:
    """Finish for a process that was killed between the two renames of `save_best`."""
    if target.exists():
        return
    for left in (partial, old):
        if storage.read(left) is not None:
            left.rename(target)
            return


def load_best(run: Path) -> Checkpoint | None:
    """The best weights of a run, or None if there are none.

    Raises:
        TrainingError: they are damaged. Older ones must not take their place unnoticed.
    """
    if (run / "best").exists():
        best = storage.read(run / "best")
        if best is None:
            raise TrainingError(f"{safe_text(run)}: the best weights are damaged; give --which last")
        return best
    for name in (".best.part", ".best.old"):  # left by a process that was killed between the two renames
        loaded = storage.read(run / name)
        if loaded is not None:
            return loaded
    return None
