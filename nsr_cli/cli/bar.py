"""The progress bar on a terminal: finished pictures, and the parts of the one in work.

This module loads Rich, so it is imported only where there is a bar to draw.
"""

# ruff: noqa: TID253

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichBar
from rich.text import Text

from nsr_cli.cli.console import Progress
from nsr_cli.files import safe_text

_NAME_LENGTH = 32


class _Bar(Progress):
    """Draws through Rich; the methods may be called from any thread."""

    def __init__(self, bar: RichBar, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._done = 0

    def picture(self, name: str) -> None:
        shown = safe_text(name)
        if len(shown) > _NAME_LENGTH:
            shown = "…" + shown[1 - _NAME_LENGTH :]
        self._bar.update(self._task, description=shown)

    def parts(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=self._done + min(done / max(total, 1), 1.0) * 0.99)

    def finished(self) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done)

    def line(self, text: str) -> bool:
        self._bar.console.print(Text(text), soft_wrap=True)
        return True


@contextmanager
def rich_progress(total: int | None, what: str, color: bool) -> Iterator[Progress]:
    """Show a bar on stderr while the body runs; it vanishes afterwards."""
    console = RichConsole(file=sys.stderr, no_color=not color, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichBar(*columns, console=console, transient=True) as bar:
        yield _Bar(bar, bar.add_task(what, total=total))
