"""Bytes to look into: those of a block, or of a file that is read only where it is looked at."""

import os
from typing import Protocol, Self

from nsr_cli.errors import DecodeError
from nsr_cli.reads import open_regular, state_of


class Readable(Protocol):
    """The bytes of a file or block: `bytes` themselves, or a file that is read where it is looked at."""

    def __len__(self) -> int:
        """Bytes in all."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of them."""


class FileBytes:
    """A file whose bytes are read only where they are looked at; a context manager."""

    def __init__(self, path: "os.PathLike[str]") -> None:
        self._file = open_regular(path)
        self._state = state_of(self._file)
        self._size = self._state[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        self._file.seek(start)
        found = []
        while start < stop and (block := self._file.read(stop - start)):
            found.append(block)
            start += len(block)
        return found[0] if len(found) == 1 else b"".join(found)

    def check(self) -> None:
        """DecodeError if somebody has written to the file since it was opened."""
        if state_of(self._file) != self._state:
            raise DecodeError("the file changed while it was read; try again")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
