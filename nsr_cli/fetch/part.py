"""Partial downloads: private files beside the target that a later run takes over.

A process writes only to a part that nobody else writes to: one that it created, or one whose owner is gone
and that it claimed by a rename, which only one process can win. So the bytes are right without any lock.

The name says it all: `.{target}.{sha256, 12 digits}.{host}-{process}-{random}.part`. Host and process are zeros
once the owner has released it.
"""

import contextlib
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from nsr_cli.files import part_name, publish, write_error

# A live download receives something far more often than this (see the limits in `answer`).
_IDLE_SECONDS = 120.0
_BLOCK = 1 << 20
_TOKEN = re.compile(r"\.([0-9a-f]{12})\.([0-9a-f]{6})-([0-9]{10})-[0-9a-f]{8}\.part")
_LOCK = re.compile(r"\.[0-9a-f]{16}\.lock")
_OLD_SECONDS = 86_400.0
_NOBODY = "0" * 6
_NO_HASH = "0" * 12


class Part:
    """The growing file of one download, its size and its hash.

    Args:
        target: the final path; the part lies in the same folder, which must exist.
        sha256: the hash of the complete file; parts of other content are not taken over.
        expected: the length of the complete file in bytes.

    Raises:
        WriteError: from every method that touches the disk.
    """

    def __init__(self, target: Path, sha256: str, expected: int) -> None:
        self.target = target
        self._sha256 = sha256
        self._expected = expected
        self._path, self._stream = self._claim() or self._create()

    def append(self, data: bytes) -> None:
        """Append `data`; the kernel has it when this returns."""
        with _named(self.target):
            view = memoryview(data)
            while view:
                view = view[self._stream.write(view) :]
        self._digest.update(data)
        self.size += len(data)

    def is_right(self) -> bool:
        """Tell whether the part is the complete file."""
        return self.size == self._expected and self._digest.hexdigest() == self._sha256

    def restart(self) -> None:
        """Discard the bytes and start again in a new file."""
        self._remove()
        self._path, self._stream = self._create()

    def publish(self) -> None:
        """Give the complete part its final name.

        Raises:
            FileNotFoundError: another process took the part away.
        """
        self._stream.close()
        try:
            publish(self._path, self.target)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise write_error(self.target, error) from error

    def release(self) -> None:
        """Leave an unfinished part to the next run, or remove it if it is empty."""
        if self._stream.closed:
            return
        if not self.size:
            self._remove()
            return
        self._stream.close()
        with contextlib.suppress(OSError):
            self._path.rename(self._path.with_name(_name(self.target, self._sha256, owned=False)))

    def _remove(self) -> None:
        self._stream.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _create(self) -> tuple[Path, FileIO]:
        self._begin(is_mixed=False)
        path = self.target.with_name(_name(self.target, self._sha256, owned=True))
        with _named(self.target):
            return path, FileIO(path, "xb")

    def _claim(self) -> tuple[Path, FileIO] | None:
        """Take over the largest part that nobody works on; None if there is none."""
        with _named(self.target):
            found = [path for path, sha256 in _abandoned(self.target) if self._sha256.startswith(sha256)]
        for path in sorted(found, key=_size, reverse=True):
            mine = self.target.with_name(_name(self.target, self._sha256, owned=True))
            try:
                if not stat.S_ISREG(path.lstat().st_mode):
                    path.unlink()  # it bears our name, but is nothing that we make
                    continue
                os.utime(path)  # else another process would take it for idle under its new name
                path.rename(mine)
                stream = FileIO(mine, "r+b")
            except OSError:
                continue  # another process was faster
            if self._take(stream):
                return mine, stream
            stream.close()
            mine.unlink(missing_ok=True)
        return None

    def _begin(self, *, is_mixed: bool) -> None:
        self._digest, self.size = hashlib.sha256(), 0
        self.is_mixed = is_mixed  # whether its bytes come from several answers, or from an earlier run

    def _take(self, stream: FileIO) -> bool:
        """Hash a claimed part and stay at its end; False if it cannot be the beginning of the file."""
        self._begin(is_mixed=True)
        if not 0 < os.fstat(stream.fileno()).st_size <= self._expected:
            return False
        while block := stream.read(_BLOCK):
            self._digest.update(block)
            self.size += len(block)
        return True


def part_folder(target: Path) -> Path:
    """Make an empty private folder beside `target`; if a killed process leaves it, it is removed like a part.

    Raises:
        OSError: it cannot be made.
    """
    path = target.with_name(_name(target, _NO_HASH, owned=True))
    path.mkdir(parents=True)
    return path


def remove_abandoned(target: Path) -> None:
    """Remove the abandoned parts of `target`, whatever their content."""
    with contextlib.suppress(OSError):
        for path, _ in _abandoned(target):
            _remove(path)


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove all abandoned parts in `folder`, and old locks; return what was removed."""
    removed = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _TOKEN.search(path.name)
        if match and match.end() == len(path.name):
            is_left = not _is_owned(path, match[2], int(match[3]))
        else:
            is_left = bool(_LOCK.fullmatch(path.name)) and time.time() - path.lstat().st_mtime > _OLD_SECONDS
        if is_left and _remove(path):
            removed.append(path)
    return removed


def _name(target: Path, sha256: str, *, owned: bool) -> str:
    host, process = (_host(), os.getpid()) if owned else (_NOBODY, 0)
    return part_name(target.name, f"{sha256[:12]}.{host}-{process:010d}-{secrets.token_hex(4)}")


def _abandoned(target: Path) -> list[tuple[Path, str]]:
    """Return the parts of `target` without a living owner, each with the digits of the hash in its name."""
    sample = _name(target, _NO_HASH, owned=False)
    beginning = sample[: -len(".000000000000.000000-0000000000-00000000.part")]
    found = []
    for path in target.parent.iterdir():
        if not path.name.startswith(beginning):
            continue
        match = _TOKEN.fullmatch(path.name, len(beginning))
        if match and not _is_owned(path, match[2], int(match[3])):
            found.append((path, match[1]))
    return found


def _is_owned(path: Path, host: str, process: int) -> bool:
    if host == _NOBODY or (host == _host() and not _is_running(process)):
        return False
    try:
        return time.time() - path.lstat().st_mtime < _IDLE_SECONDS
    except OSError:
        return True  # it has just vanished: somebody claimed it


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return True  # there is no harmless way to ask, so the time limit decides
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it belongs to another user
    return True


def _host() -> str:
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:6]


def _remove(path: Path) -> bool:
    """Remove a file, a link or a folder; tell whether it is gone."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    """Turn the system's errors about a part into one that names the target."""
    try:
        yield
    except OSError as error:
        raise write_error(target, error) from error
