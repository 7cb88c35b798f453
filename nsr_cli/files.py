"""Writing files so that each one is complete or absent.

The bytes go to a temporary file in the target's own folder, are flushed to the disk, and only then take the
target's name. Where the kernel allows it (Linux), the temporary file has no name at all until it is complete, so
that even a killed process leaves nothing behind.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nsr_cli import modes
from nsr_cli.errors import WriteError
from nsr_cli.shown import safe_text

_PART_SUFFIX = ".part"
_NAME_MAX = 255  # bytes in one file name, where the file system does not say
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EFBIG: ("the file is too large for this file system", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EACCES: ("permission denied", "choose another folder"),
    errno.EPERM: ("permission denied", "choose another folder"),
    errno.ENOENT: ("the folder does not exist", "create it first"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("it is a folder", "give a file name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ELOOP: ("its symbolic links form a loop", "check the path"),
}


def part_name(name: str, token: str, limit: int = _NAME_MAX) -> str:
    """Return a hidden temporary name for `name`, at most `limit` bytes long; the token keeps it unique."""
    room = limit - len(os.fsencode(f"..{token}{_PART_SUFFIX}"))
    kept = name
    while len(os.fsencode(kept)) > room:
        kept = kept[:-1]
    return f".{kept}.{token}{_PART_SUFFIX}"


def write_atomic(
    path: Path, data: bytes | memoryview, *, devices: bool = True, like: Path | None = None
) -> None:
    """Make `data` the whole content of the file `path`, or leave what was there untouched.

    A new file gets the permissions that the umask allows, and of these only the ones that `like`, the file it is made
    from, has; an existing file keeps its own. No temporary file has more. A symbolic link is followed. A device or a
    pipe is written to directly, or refused without `devices`: if the user did not name it, nobody may be reading at
    its other end. The folder must exist.

    Raises:
        WriteError: one line with the path, the reason and what to do; no temporary file is left.
    """
    try:
        target = _final_target(path)
        if _is_special(target):
            if not devices:
                raise OSError(errno.EINVAL, "a pipe or a device is in its place")
            with target.open("wb") as stream:
                stream.write(data)
        else:
            with _complete(target, like) as stream:
                stream.write(data)
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def atomic_stream(path: Path, like: Path | None = None) -> Iterator[BinaryIO]:
    """Yield an empty file, open for reading and writing, that becomes `path` at the end; for regular files.

    Where the kernel allows it, it has no name until then. If the body raises, nothing is left. All else is as for
    `write_atomic`.

    Raises:
        WriteError: the file could not be written, or the body raised an OSError.
    """
    try:
        with _complete(_final_target(path), like) as stream:
            yield stream
    except OSError as error:
        raise write_error(path, error) from error


def publish(temporary: Path, target: Path) -> None:
    """Flush the complete file `temporary` and give it the name `target` in the same folder.

    Raises:
        OSError: as the system reports it; `target` is as before.
    """
    with temporary.open("rb+") as stream:
        modes.keep(stream.fileno(), target)
        _sync(stream.fileno())
    temporary.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can do that."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_error(path: Path, error: OSError) -> WriteError:
    """Return the one-line error for a failed write to `path`."""
    unknown = (safe_text(error.strerror or str(error)), "check the folder")
    why, remedy = _REASONS.get(error.errno or 0, unknown)
    return WriteError(f"cannot write {safe_text(path)}: {why}; {remedy}")


def _final_target(path: Path) -> Path:
    """Follow `path` if it is a symbolic link; refuse a folder."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():  # realpath gives up on a loop
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return path if _is_special(path) else target  # /dev/stdout leads to a name that cannot be opened


def _is_special(path: Path) -> bool:
    """Tell whether `path` is a device, a pipe or a socket, which a rename would destroy."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def _complete(target: Path, like: Path | None) -> Iterator[BinaryIO]:
    """Like `atomic_stream` for a regular `target`, with the system's own OSError."""
    mode = modes.for_new(target, like)
    descriptor = _open_nameless(target.parent, mode)
    if descriptor is None:
        with _named(target, mode) as stream:
            yield stream
        return
    with os.fdopen(descriptor, "wb+") as stream:
        yield stream
        stream.flush()
        modes.keep(descriptor, target)
        _sync(descriptor)
        if not _link_nameless(descriptor, target):  # no /proc, or no hard links on this file system
            import shutil

            with _named(target, mode) as copy:
                stream.seek(0)
                shutil.copyfileobj(stream, copy, 1 << 20)
    sync_folder(target.parent)


@contextmanager
def _named(target: Path, mode: int) -> Iterator[BinaryIO]:
    """Yield a file with a temporary name beside `target`, of which the umask removes bits of `mode`."""
    part = _part_of(target)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        with part.open("wb+") as stream:
            yield stream
        publish(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _open_nameless(folder: Path, mode: int) -> int | None:
    """Open a file in `folder` that vanishes with the process unless it is linked; None if impossible."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, mode)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTSUP, errno.EINVAL, errno.ENOENT):
            return None  # an old kernel or file system; a missing folder is reported by the next step
        raise


def _link_nameless(descriptor: int, target: Path) -> bool:
    """Give an open nameless file the name `target`, replacing what is there; False if the system cannot."""
    temporary = _part_of(target)
    folder = os.open(target.parent, getattr(os, "O_PATH", os.O_RDONLY))
    try:
        # The folder descriptor makes Python call linkat(), which follows /proc's link to the file itself.
        os.link(f"/proc/self/fd/{descriptor}", temporary.name, dst_dir_fd=folder, follow_symlinks=True)
        try:
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK):
            return False
        raise
    finally:
        os.close(folder)
    return True


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _part_of(target: Path) -> Path:
    """A new temporary name beside `target`."""
    try:
        limit = min(os.pathconf(target.parent, "PC_NAME_MAX"), _NAME_MAX)
    except (OSError, ValueError, AttributeError):
        limit = _NAME_MAX
    return target.parent / part_name(target.name, os.urandom(6).hex(), limit)
