"""Make stdin, stdout and stderr what every command expects: open, and able to show any text.

Launchers and supervisors close streams that they do not need. The next file that is opened would then become stdin,
stdout or stderr of this program and of those that it starts.
"""

import codecs
import errno
import os
import sys
from io import BufferedReader, FileIO, TextIOWrapper
from typing import NoReturn

_ANY = "nsr_any_text"
# What stdout does with characters that its encoding lacks. Any other rule was chosen by the user, and stays.
_RULES = {"strict": "backslashreplace", "surrogateescape": _ANY}
# The wrong direction for the first two, so that using them is still an error, and not like an empty file.
_ACCESS = (os.O_WRONLY, os.O_RDONLY, os.O_RDWR)


class _Closed(FileIO):
    """A stdin that cannot be read, and says why."""

    def readinto(self, buffer: object, /) -> NoReturn:  # noqa: ARG002 (as `FileIO` has it)
        """Raise OSError."""
        raise OSError(errno.EBADF, "it is closed")

    def readall(self) -> NoReturn:
        """Raise OSError."""
        raise OSError(errno.EBADF, "it is closed")


def prepare_streams() -> None:
    """Replace closed streams, and let stdout show characters that its encoding lacks.

    Call this before anything else is opened.
    """
    for number, access in enumerate(_ACCESS):
        if _is_closed(number):
            os.open(os.devnull, access)  # gets the lowest free number, which is this one
            os.set_inheritable(number, True)
            _take_place(number)
    if isinstance(sys.stdout, TextIOWrapper) and (rule := _RULES.get(sys.stdout.errors or "")):
        codecs.register_error(_ANY, _bytes_or_escapes)
        sys.stdout.reconfigure(errors=rule)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _take_place(number: int) -> None:
    """Make the stream that Python did not make when it started."""
    if number == 0:
        sys.stdin = TextIOWrapper(BufferedReader(_Closed(0, closefd=False)), "utf-8")
    elif number == 1:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors=_RULES["strict"], closefd=False)
    else:
        sys.stderr = os.fdopen(
            2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1
        )


def _bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    """The original bytes of a name that is not in the encoding; other characters as backslash escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1  # a run of characters may hold both kinds
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)
