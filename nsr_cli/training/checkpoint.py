"""Checkpoints of a run: folders such as RUN/checkpoints/step-00001000/, each complete and verified, or absent.

A folder gets its final name by a rename once everything is on disk, and only then is the one before it removed.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.files import sync_folder
from nsr_cli.shown import safe_text
from nsr_cli.training import storage
from nsr_cli.training.status import Notify, ignore
from nsr_cli.training.storage import Checkpoint

_KEPT = 2
_PREFIX = "step-"
_NAME = re.compile(_PREFIX + "[0-9]{8,}")


def save(run: Path, step: int, checkpoint: Checkpoint) -> Path:
    """Write one checkpoint completely or not at all.

    Raises:
        WriteError: it could not be written; earlier checkpoints are untouched.
    """
    root = run / "checkpoints"
    target = root / f"{_PREFIX}{step:08d}"
    partial = root / f".{target.name}.{os.getpid()}.part"
    try:
        # Saved before: the tensors of a step are always the same, and writing them again would only risk them.
        if (there := storage.read(target)) is not None:
            if there.state != checkpoint.state:
                storage.restate(target, checkpoint.state)
            return target
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(f".{_PREFIX}*.part"):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir()
        storage.write(partial, checkpoint)
        if target.exists():  # damaged
            shutil.rmtree(target)
        partial.rename(target)
        sync_folder(root)
    except OSError as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial)
        why = error.strerror or error
        raise WriteError(f"checkpoint {safe_text(target)}: {why}; {_kept_before(root)}") from error
    for old in _folders(root)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_latest(run: Path, notify: Notify = ignore) -> tuple[int, Checkpoint] | None:
    """The newest intact checkpoint, with its step; None if a run has none yet.

    Args:
        run: the folder of the run.
        notify: gets a line for each damaged one that is skipped.

    Raises:
        TrainingError: there are checkpoints and every one of them is damaged.
    """
    folders = _folders(run / "checkpoints")
    damaged: list[str] = []
    for folder in reversed(folders):
        loaded = storage.read(folder)
        if loaded is None:
            damaged.append(folder.name)
            continue
        step = _step_of(folder)
        for name in damaged:
            notify(f"{safe_text(run)}: checkpoint {name} is damaged; the one of step {step} is used")
        return step, loaded
    if folders:
        raise TrainingError(f"{safe_text(run)}: every checkpoint is damaged; start again with another --out")
    return None


def _kept_before(root: Path) -> str:
    """Which checkpoint is safe after one could not be written, in words."""
    whole = next((folder for folder in reversed(_folders(root)) if storage.read(folder) is not None), None)
    if whole is None:
        return "there is none before it"
    return f"the one before it is kept (step {_step_of(whole)})"


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    # Other folders, such as somebody's copy under a longer name, are not this program's to read or remove.
    return sorted(p for p in root.iterdir() if _NAME.fullmatch(p.name) and p.is_dir())
