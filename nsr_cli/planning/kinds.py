"""What a path leads to, and why it is not a readable file, without opening anything."""

import errno
import os
import stat
from pathlib import Path

_LEADS_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def mode_of(path: Path) -> int:
    """The mode of what `path` leads to, as in `os.stat`; 0 if that cannot be found out."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def is_folder(path: Path) -> bool:
    """Whether `path` leads to a folder."""
    return stat.S_ISDIR(mode_of(path))


def is_special(path: Path) -> bool:
    """Whether `path` leads to a device, a pipe or a socket."""
    mode = mode_of(path)
    return bool(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def unreadable(text: str) -> str:
    """Why a named path is not a readable file; empty if it is one."""
    try:
        os.lstat(text)  # tells a missing file from a folder on the way that may not be entered
        kind = kind_of(Path(text))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        if text.startswith(("http://", "https://")):
            return "an address, not a file; save it first, or pipe it in: curl -s URL | nsr ... -"
        return "no such file"
    except OSError as error:
        return unread(error)
    return {"file": "", "folder": "a folder, not a file"}.get(kind, kind)


def kind_of(path: Path) -> str:
    """'file', 'folder', or why it is neither. OSError if that cannot be found out."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in _LEADS_NOWHERE and os.path.islink(path):  # noqa: PTH114 (Path's may raise)
            return "a broken link"
        raise
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else _special(mode)


def unread(error: OSError) -> str:
    """Why something cannot be read, in the system's words."""
    return f"cannot be read: {error.strerror or error}"


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe, not a file; feed it to stdin and give -"
    return "a socket, not a file" if stat.S_ISSOCK(mode) else "a device, not a file"
