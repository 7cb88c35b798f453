"""The progress bar on a terminal: finished pictures, the parts of the current one, and downloads below it.

This module loads Rich, so it is imported only when there is a bar to draw.
"""

# ruff: noqa: TID253

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichBar
from rich.text import Text

from nsr_cli.shown import safe_text
from nsr_cli.terminal.progress import Progress
from nsr_cli.terminal.texts import human_bytes

_NAME_LENGTH = 32


class _Bar(Progress):
    """Draws through Rich; the methods may be called from any thread."""

    def __init__(self, bar: RichBar, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._done = 0
        self._downloads: dict[str, TaskID] = {}

    def picture(self, name: str) -> None:
        self._bar.update(self._task, description=_short(name))

    def parts(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=self._done + min(done / max(total, 1), 1.0) * 0.99)

    def finished(self) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done)

    def loaded(self, name: str, done: int, total: int) -> bool:
        if name not in self._downloads:
            self._downloads[name] = self._bar.add_task(_short(name), total=total, bytes=True)
        task = self._downloads[name]
        self._bar.update(task, completed=done, visible=done < total)
        return True

    def line(self, text: str) -> bool:
        self._bar.console.print(Text(text), soft_wrap=True)
        return True


class _Patient:
    """The stream for Rich: a terminal that closes during the run must not make a good run fail."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Steady(RichConsole):
    """Leaves the cursor visible: a run stopped by Ctrl-Z or killed by a second Ctrl-C could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 (Rich's signature)
        return False


class _Amount(ProgressColumn):
    """How many pictures are done, or bytes downloaded, and how many there are."""

    def render(self, task: Task) -> Text:
        if task.fields.get("bytes"):
            return Text(f"{human_bytes(int(task.completed))} of {human_bytes(int(task.total or 0))}")
        return Text(f"{int(task.completed)}/{'?' if task.total is None else int(task.total)}")


def _short(name: str) -> str:
    """The name, safe to print; a long one is shortened to its end."""
    shown = safe_text(name)
    return shown if len(shown) <= _NAME_LENGTH else "…" + shown[1 - _NAME_LENGTH :]


@contextmanager
def rich_progress(total: int | None, what: str, color: bool) -> Iterator[Progress]:
    """Show a bar on stderr while the body runs, without one for pictures if `what` is empty; it vanishes afterwards."""
    console = _Steady(file=cast(IO[str], _Patient(sys.stderr)), no_color=not color, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Amount(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichBar(*columns, console=console, transient=True) as bar:
        yield _Bar(bar, bar.add_task(what, total=total, visible=bool(what)))
