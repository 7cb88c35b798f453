"""The program `nsr`: the one place where a failure becomes a line and an exit code.

    0 done   1 failed   2 wrong usage   3 one or more of several inputs failed   4 weights or data not available
    5 out of memory   129, 130, 143 stopped by a signal   141 nobody reads stdout any more

Typer and the commands are loaded inside `main`, so that an early Ctrl-C ends as quietly as a late one.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from nsr_cli.errors import MemoryExhausted, NsrError
from nsr_cli.machine import NO_THREADS, lacks_threads
from nsr_cli.signals import first_signal
from nsr_cli.terminal.console import Console
from nsr_cli.terminal.standard import prepare_streams

_BROKEN_PIPE, _SIGNALED = 141, 128
_STDOUT = "cannot write to stdout"
# The errors of stdout if its disk is full, or if it is closed.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_DEBUG = "; run with --debug for the traceback"
_HEAD_START = 20.0  # seconds in which the first process of a torchrun may find out what another one has


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end; not an `Exception`, so that no other code takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `args` (without the program's name; default sys.argv) and exit with its code."""
    prepare_streams()
    console = Console()
    code = _flushed(_guarded(list(sys.argv[1:] if args is None else args), console), console)
    if threading.active_count() > 1 or code > _SIGNALED or "torch" in sys.modules:
        # A thread may still be in a computation or a read that nobody waits for, and Python takes most of a second
        # to clean up torch. Everything that must survive is already renamed into place.
        os._exit(code)
    raise SystemExit(code)


def _guarded(args: list[str], console: Console) -> int:
    """Run the command and return its exit code; whatever it raises is reported in one line."""
    try:
        with first_signal(_stop, is_final=True):
            return _run(args, console)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (the one place where everything ends)
        return _explained(error, console)


def _explained(error: BaseException, console: Console) -> int:
    """Say in one line what went wrong, and return the exit code for it."""
    if isinstance(error, BrokenPipeError):
        return _silence_stdout(_BROKEN_PIPE)
    if isinstance(error, KeyboardInterrupt):
        if _is_first():
            console.error(": ".join(["interrupted", *getattr(error, "__notes__", [])]))
        return _SIGNALED + (error.number if isinstance(error, Stopped) else signal.SIGINT)
    console.traceback(error)
    line, code = _line_and_code(error)
    if not _is_first():  # wrong input is found by all; torchrun ends the others once the first has said it
        time.sleep(_HEAD_START)
    console.error(line)
    return _silence_stdout(code) if isinstance(error, OSError) or line.startswith(_STDOUT) else code


def _is_first() -> bool:
    """Whether this is the first process of a torchrun, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _line_and_code(error: BaseException) -> tuple[str, int]:
    from typer.exceptions import TyperException

    from nsr_cli.cli.root import usage_line

    match error:
        case TyperException():
            return usage_line(error), error.exit_code
        case NsrError():
            return str(error), error.exit_code
        case MemoryError():
            return "out of memory; close other programs, or give a smaller picture", MemoryExhausted.exit_code
        case OSError():
            if error.filename is None and error.errno in _UNWRITABLE:  # for files there is WriteError
                return f"{_STDOUT}: {error.strerror}; finished results are complete", 1
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}{_DEBUG}", 1
    internal = f"internal error: {type(error).__name__}: {error}{_DEBUG}"
    return NO_THREADS if lacks_threads(error) else internal, 1


def _run(args: list[str], console: Console) -> int:
    import typer

    from nsr_cli.cli.root import app

    command: Any = typer.main.get_command(app)
    if "_NSR_COMPLETE" in os.environ:
        command.main(args, prog_name="nsr")
    if "--debug" in args:  # for errors before the options are read, too
        console.debug = True
    try:
        with command.make_context("nsr", args, obj=console) as context:
            result = command.invoke(context)
    except typer.Exit as done:
        result = done.exit_code
    return result if isinstance(result, int) else 0


def _stop(number: int) -> NoReturn:
    raise Stopped(number)


def _silence_stdout(code: int) -> int:
    """Redirect stdout to nowhere, so that the interpreter's last flush cannot fail again."""
    with suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    return code


def _flushed(code: int, console: Console) -> int:
    """Flush stdout and stderr, so that nothing is lost however the process ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _silence_stdout(_BROKEN_PIPE)
    except OSError as error:
        console.error(f"{_STDOUT}: {error.strerror or error}")
        code = _silence_stdout(code or 1)
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    return code
