"""Finding the pictures in a folder."""

import os
from pathlib import Path

from nsr_cli.datasets.registry import PictureSet
from nsr_cli.errors import DataError
from nsr_cli.imaging import formats
from nsr_cli.shown import safe_text


def is_picture_name(name: str) -> bool:
    """Tell whether a file of this name is a picture of a set; hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in _suffixes()


def _suffixes() -> frozenset[str]:
    # A GIF has few colors, and is often animated: nothing to score, or to learn from.
    return formats.readable_suffixes() - {".gif"}


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures directly in `folder`, sorted by name.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if is_picture_name(path.name) and path.is_file())
    except OSError as error:
        reason = safe_text(error.strerror or "it cannot be read")
        raise DataError(f"cannot read the folder {safe_text(folder)}: {reason}; check the path") from error


def set_in(folder: Path) -> tuple[PictureSet, list[Path]]:
    """A folder of the user's own as a set to score, with the pictures directly in it.

    Its name ends in a slash, so that it is no known set's and no published scores are shown for it.

    Raises:
        DataError: the folder cannot be read, or has no picture.
    """
    pictures = pictures_in(folder)
    if not pictures:
        raise DataError(f"there is no picture in {safe_text(folder)}; give the folder that holds them")
    return PictureSet(f"{safe_text(folder.resolve().name)}/", "benchmark", "rgb", len(pictures)), pictures


def list_pictures(folder: Path) -> list[Path]:
    """Return all pictures in `folder` and below, sorted by path; links to folders are not followed.

    A broken link or a pipe with a picture's name is included, so that its reader can report it.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {safe_text(folder)}; check the path")
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if is_picture_name(name)]
    if not found:
        kinds = ", ".join(sorted(_suffixes()))
        raise DataError(f"there is no picture in {safe_text(folder)}; it may hold {kinds}")
    return sorted(found)
