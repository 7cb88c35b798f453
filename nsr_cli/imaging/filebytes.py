"""Bytes with random access: `bytes` in memory, or a file of which only the accessed parts are read."""

import os
from typing import BinaryIO, Protocol, Self

from nsr_cli.errors import DecodeError
from nsr_cli.reads import open_regular, state_of


class Readable(Protocol):
    """What parsers need of a file's or block's bytes; `bytes` has it, and `FileBytes`."""

    def __len__(self) -> int:
        """Total number of bytes."""

    def __getitem__(self, part: slice, /) -> bytes:
        """The bytes of a slice."""


class OpenFile:
    """An open file of which only the accessed bytes are read; nothing is to be added to it meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

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


class FileBytes(OpenFile):
    """A file of which only the accessed bytes are read; a context manager."""

    def __init__(self, path: "os.PathLike[str]") -> None:
        file = open_regular(path)
        self._state = state_of(file)
        super().__init__(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def check(self) -> None:
        """DecodeError if somebody has written to the file since it was opened."""
        if state_of(self._file) != self._state:
            raise DecodeError("the file changed while it was read; try again")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
