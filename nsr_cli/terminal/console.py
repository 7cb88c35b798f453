"""What a command says: plain lines and a progress bar on stderr, requested data on stdout.

Every line passes through `shown.safe_text`, so a hostile file name cannot move the cursor or break a line;
Rich draws only the bar, and only on a terminal, and never sees the text of a line.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any

from nsr_cli.shown import safe_text
from nsr_cli.terminal.progress import Progress
from nsr_cli.terminal.texts import human_bytes

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


def colored(stream: IO[str]) -> bool:
    """Whether `stream` gets color: never with NO_COLOR, else with FORCE_COLOR or on a terminal that is not dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether `stream` is open and is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


class Console:
    """What a run says: `quiet` leaves warnings and errors, `verbose` adds timings, `debug` tracebacks."""

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.debug = False
        self.json = False
        self._none = self._progress = Progress()
        self._lock = threading.Lock()

    def error(self, text: str) -> None:
        """Say what failed, in one line, even if quiet."""
        self._say(f"nsr: {text}", _RED)

    def warning(self, text: str) -> None:
        """Say what the user should know about a result that was made."""
        self._say(text, _YELLOW)

    def note(self, text: str) -> None:
        """Say what happened, unless quiet."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """Say how it happened, if asked to be verbose."""
        if self.verbose and not self.quiet:
            self._say(text)

    def traceback(self, error: BaseException) -> None:
        """Show where `error` came from, in debug mode."""
        if self.debug:
            import traceback

            with self._lock, suppress(OSError, ValueError, AttributeError):
                traceback.print_exception(error, file=sys.stderr)

    def data(self, text: str) -> None:
        """Write a line of requested data to stdout."""
        sys.stdout.write(safe_text(text) + "\n")

    def json_line(self, record: Mapping[str, Any]) -> None:
        """Write one JSON object as a line of ASCII to stdout, at once, with the version of its fields in front."""
        import json

        sys.stdout.write(json.dumps({"schema": 1, **record}, allow_nan=False) + "\n")
        sys.stdout.flush()

    @contextmanager
    def progress(self, total: int | None, what: str) -> Iterator[Progress]:
        """Show a bar over `total` pictures (None: unknown) while the body runs, if stderr is a terminal."""
        if self.quiet or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            yield self._progress
            return
        from nsr_cli.terminal.bar import rich_progress  # Rich takes a tenth of a second to load

        with rich_progress(total, what, color=colored(sys.stderr)) as bar:
            self._progress = bar
            try:
                yield bar
            finally:
                self._progress = self._none

    @contextmanager
    def download(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Yield a callback for the bytes done and in total of a download, should there be one.

        On a terminal it shows a bar, below the one of `progress` if there is one; elsewhere it prints one line.
        """
        told = False

        def show(done: int, total: int) -> None:
            nonlocal told
            if not told and self._progress is self._none:
                stack.enter_context(self.progress(None, ""))
            if not self._progress.loaded(name, done, total) and not told:
                self.note(f"downloading {name} ({human_bytes(total)})")
            told = True

        with ExitStack() as stack:
            yield show

    def _say(self, text: str, color: str = "") -> None:
        line = safe_text(text)
        # A closed or full stderr must not make a good run fail.
        with self._lock, suppress(OSError, ValueError, AttributeError):
            if self._progress.line(line):
                return
            if color and colored(sys.stderr):
                line = f"{color}{line}{_PLAIN}"
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
