"""Opening files that must be regular ones, whatever is in their place.

A name may lead to a pipe, on which the program would wait, to a device, which may have no end, or to a folder; and a
file may change while it is read. None of that may block the program, or give it a mixture of two files.
"""

import errno
import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 30  # bytes asked for at once; systems return up to twice as many
_UNKNOWN = 1 << 30  # the most bytes of a file whose size the system does not know: it may have no end
State = tuple[int, int]


def open_regular(path: "str | os.PathLike[str]") -> FileIO:
    """Open a regular file for reading, without a buffer.

    Raises:
        OSError: there is none, or something else is there; `strerror` says what.
    """
    _refuse_others(os.stat(path))  # noqa: PTH116 (opening a device can do things already)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = FileIO(os.open(path, flags))
    try:
        _refuse_others(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path: "str | os.PathLike[str]", most: int = 1 << 62) -> bytes:
    """All bytes of a regular file, as they were at one moment.

    Raises:
        OSError: there is no regular file, it changed while it was read, or it has more than `most` bytes (1 GiB
            where the system does not know its size).
    """
    with open_regular(path) as file:
        before = state_of(file)
        size = before[0]
        if size > most:
            raise OSError(errno.EFBIG, f"its {size} bytes are too many")
        # Some network file systems do not know the size: then read to the end.
        limit = size or min(most, _UNKNOWN)
        data = _read(file, limit + 1)
        if state_of(file) != before or (size and len(data) != size):
            raise OSError(errno.EAGAIN, "it changed while it was read; try again")
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes, which are too many")
    return data


def state_of(file: "FileIO | BinaryIO") -> State:
    """An open file's size and the time of its last change: they differ once somebody has written to it."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def refuse_others(path: Path) -> None:
    """OSError, as for `open_regular`, if something is there that is not a regular file."""
    with suppress(FileNotFoundError):
        _refuse_others(path.stat())


def why_no_file(path: "str | os.PathLike[str]") -> str | None:
    """Why there is no regular file, as words to follow the path and a colon; None if there is one."""
    try:
        _refuse_others(os.stat(path))  # noqa: PTH116 (as above)
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "no file can have such a name"
    return None


def _refuse_others(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file")


def _read(file: FileIO, most: int) -> bytes:
    """Up to `most` bytes."""
    parts = []
    while most and (part := file.read(min(most, _BLOCK))):
        parts.append(part)
        most -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
