"""stdin, stdout and stderr as every command may expect them: there, and able to show any text.

Launchers and supervisors close what they do not need. The next file that is opened would then become stdin, stdout
or stderr, of this program and of those that it starts.
"""

import codecs
import errno
import os
import sys
from io import BufferedReader, FileIO, TextIOWrapper
from typing import NoReturn

_ANY = "nsr_any_text"
# What stdout does about text that its encoding lacks. Whoever sets another rule has chosen it.
_RULES = {"strict": "backslashreplace", "surrogateescape": _ANY}
# The wrong way for the first two, so that whoever needs them still meets an error, and not an empty file.
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
    """Put something in the place of those that are closed, and let stdout show what its encoding lacks.

    To be called before anything else is opened.
    """
    for number, access in enumerate(_ACCESS):
        if _is_closed(number):
            os.open(os.devnull, access)  # gets the lowest number that is free, which is this one
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
    """Give Python the stream that it did not make when it started."""
    if number == 0:
        sys.stdin = TextIOWrapper(BufferedReader(_Closed(0, closefd=False)), "utf-8")
    elif number == 1:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors=_RULES["strict"], closefd=False)
    else:
        sys.stderr = os.fdopen(
            2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1
        )


def _bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a name that is not in the encoding as they were; other characters as backslash escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1  # a run of characters may hold both kinds
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)
