"""What a download must deliver, and whether a file already is that."""

import hashlib
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.errors import UsageError

Progress = Callable[[int, int], None]  # called with the bytes done and the bytes in total

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """A file on the network: where it is, how long it is and what it must contain.

    Args:
        urls: http(s) addresses, or file: for a local mirror, in the order in which they are tried.
        bytes: the exact length of the file.
        sha256: 64 lower-case hexadecimal digits.
    """

    urls: tuple[str, ...]
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            UsageError: the size or the hash makes no sense.
        """
        if self.bytes < 0 or not _SHA256.fullmatch(self.sha256):
            raise UsageError("a download needs its size in bytes and its sha256 of 64 lower-case digits")


def is_intact(path: Path, size: int, sha256: str) -> bool:
    """Tell whether `path` is a regular file of this size, in bytes, and hash; links do not count."""
    try:
        information = path.lstat()
        if not stat.S_ISREG(information.st_mode) or information.st_size != size:
            return False
        return hash_file(path) == sha256
    except OSError:
        return False


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's content in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
