"""Folders of training runs, which people give where a file of weights is needed."""

from contextlib import suppress
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.reads import why_no_file
from nsr_cli.shown import safe_text


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a training run, or one of the folders in it that hold its weights."""
    with suppress(OSError, ValueError):
        return (path / "state.json").is_file() or any((path / "checkpoints").glob("step-*"))
    return False


def refuse_run(path: Path) -> None:
    """UsageError that says how to make weights of it if `is_run`."""
    if is_run(path):
        raise UsageError(
            f"{safe_text(path)}: it is a training run; give the file that `nsr weights publish RUN --name NAME` makes"
        )


def check_file(path: Path, advice: str) -> None:
    """UsageError if there is no regular file; it ends with `advice`, or is that of `refuse_run`."""
    why = why_no_file(path)
    if why is not None:
        refuse_run(path)
        raise UsageError(f"{safe_text(path)}: {why}; {advice}")
