"""Permissions of new files and folders: nobody may read them who may not read what they were made from."""

import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NEW = 0o666  # less the umask
_OWNER = 0o600
_FOLDER = 0o777  # less the umask
_FOLDER_OWNER = 0o700


def for_new(target: Path, like: Path | None) -> int:
    """The mode with which to create the file that will become `target`; the system removes the umask's bits.

    It is that of the file to be replaced, if there is one, else that of `like`, the file it is made from. The owner
    can always read and write it.
    """
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode) & _NEW | _OWNER
    return _for_copy(target, like, _NEW, _OWNER)


def make_folder(folder: Path, mirrored: Sequence[Path] = ()) -> None:
    """Make a folder and those above it that are missing.

    Args:
        folder: if it exists, it stays as it is.
        mirrored: the folders that it and those above it mirror, in this order. A new one can be entered only by
            those who may enter the mirrored one; further ones get what the umask allows. The owner can always use them.

    Raises:
        OSError: as the system reports it.
    """
    missing = []
    for number, place in enumerate((folder, *folder.parents)):
        if place.is_dir():
            break
        missing.append((place, mirrored[number] if number < len(mirrored) else None))
    for place, like in reversed(missing):
        try:
            place.mkdir(_for_copy(place, like, _FOLDER, _FOLDER_OWNER))
        except FileExistsError:  # another run has just made it
            if not place.is_dir():
                raise


def _for_copy(place: Path, like: Path | None, most: int, owner: int) -> int:
    """The mode with which to create `place`, a copy of `like`: within `most`, and always with `owner`."""
    if like is None:
        return most
    try:
        found = like.stat()
    except OSError:  # deleted in the meantime: who could read it is unknown
        return owner
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return most  # a pipe or a device, whose mode says nothing about a picture
    return _as_narrow(found, place.parent) & most | owner


def _as_narrow(found: os.stat_result, place: Path) -> int:
    """The mode of `found`, made no wider for something new in the folder `place`."""
    mode = stat.S_IMODE(found.st_mode)
    if found.st_gid != _group_in(place):  # another group: its members may have been among the others
        both = mode >> 3 & mode & 0o7
        mode = mode & 0o700 | both << 3 | both
    return mode


def _group_in(folder: Path) -> int:
    """The group of new files in a folder."""
    found = folder.stat()
    if sys.platform == "linux" and not found.st_mode & stat.S_ISGID:
        return os.getegid()
    return found.st_gid


def keep(descriptor: int, target: Path) -> None:
    """Give an open file the permissions of the file it will replace, if there is one."""
    with suppress(OSError, AttributeError):  # no fchmod on Windows; foreign file systems may refuse
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode) & 0o777)
