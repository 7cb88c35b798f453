"""The file through which a picture's bytes go to the decoding process, and its samples come back.

Both processes have it open, and take turns. On Linux it is anonymous memory; elsewhere it is a temporary file. It
is read and written, never mapped, so that nothing the other process does to it can do harm here. It is kept for
the next picture, because fresh memory costs more than copying.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, cast

from numpy.typing import NDArray

_KEPT = 1 << 26  # bytes that stay allocated between pictures
_STREAMS = range(3)
_INHERITED = os.name == "posix"  # else a new process cannot have an open file, and needs the file's name


class SharedFile:
    """An open file, read and written from its start; `path` is its name if it has one."""

    def __init__(self, descriptor: int, path: str | None = None) -> None:
        self.descriptor = descriptor
        self.path = path

    @classmethod
    def new(cls) -> Self:
        """Make an empty one. OSError if the system has no room."""
        if not _INHERITED:
            return cls(*tempfile.mkstemp(prefix="nsr-"))
        if hasattr(os, "memfd_create"):
            with suppress(OSError):  # some containers forbid it
                return cls(_beside_streams(os.memfd_create("nsr")))
        with tempfile.TemporaryFile(prefix="nsr-") as file:
            return cls(_beside_streams(os.dup(file.fileno())))

    @classmethod
    def of_parent(cls, descriptor: int | None, path: str | None) -> Self:
        """The file that the parent process has made."""
        if descriptor is None:
            descriptor = os.open(path or "", os.O_RDWR | getattr(os, "O_BINARY", 0))
        return cls(descriptor)

    def write(self, *parts: bytes | NDArray[Any]) -> None:
        """Write `parts` one after the other, from the start."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        for part in parts:
            rest = memoryview(cast(Any, part)).cast("B")
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]

    def read(self, size: int) -> bytes:
        """The first `size` bytes, or as many as there are."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        parts = []
        while size and (part := os.read(self.descriptor, size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_samples(self, *arrays: NDArray[Any]) -> None:
        """Fill `arrays`, one after the other. EOFError if the file is shorter."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        with open(self.descriptor, "rb", buffering=0, closefd=False) as file:
            for array in arrays:
                rest = memoryview(cast(Any, array)).cast("B")
                while rest:
                    if not (count := file.readinto(rest)):
                        raise EOFError
                    rest = rest[count:]

    def shrink(self) -> None:
        """Free its memory if it has grown large."""
        if os.fstat(self.descriptor).st_size > _KEPT:
            os.ftruncate(self.descriptor, 0)

    def close(self) -> None:
        """Close it, and remove its name if it has one."""
        os.close(self.descriptor)
        if self.path is not None:
            with suppress(OSError):
                Path(self.path).unlink()


def _beside_streams(descriptor: int) -> int:
    """The same file under a descriptor that is not stdin, stdout or stderr, which a new process replaces."""
    low = []
    try:
        while descriptor in _STREAMS:
            low.append(descriptor)
            descriptor = os.dup(descriptor)
    finally:
        for number in low:
            os.close(number)
    return descriptor
