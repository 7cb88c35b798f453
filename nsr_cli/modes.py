"""Who may read a file that is written: never more people than may read the one it was made from."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_NEW = 0o666  # less the umask
_OWNER = 0o600


def for_new(target: Path, like: Path | None) -> int:
    """The mode to create the file with that will become `target`, from which the system takes the umask.

    That of the file it will replace, if there is one; else what the umask leaves of the mode of `like`, the file it
    is made from. Its owner can always read and write it.
    """
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode) & _NEW | _OWNER
    if like is None:
        return _NEW
    try:
        found = like.stat()
    except OSError:  # deleted in the meantime: nobody knows who could read it
        return _OWNER
    if not stat.S_ISREG(found.st_mode):  # a pipe or a device, whose mode says nothing about a picture
        return _NEW
    mode = stat.S_IMODE(found.st_mode)
    if found.st_gid != _group_in(target.parent):  # another group: its members may have been among the others
        both = mode >> 3 & mode & 0o7
        mode = mode & 0o700 | both << 3 | both
    return mode & _NEW | _OWNER


def _group_in(folder: Path) -> int:
    """The group that a new file in a folder gets."""
    found = folder.stat()
    if sys.platform == "linux" and not found.st_mode & stat.S_ISGID:
        return os.getegid()
    return found.st_gid


def keep(descriptor: int, target: Path) -> None:
    """Give an open file the permissions of the file it will replace, if there is one."""
    with suppress(OSError, AttributeError):  # no fchmod on Windows; foreign file systems may refuse
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode) & 0o777)
