"""Which file a path means: one folder may have many names, through links and by `..`."""

import os
from pathlib import Path


def nearest_existing(folder: Path) -> Path:
    """The nearest path, from `folder` upwards, where anything exists, even a broken link; absolute."""
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    return nearest


class Whereabouts:
    """Tells whether paths mean the same file.

    Each folder is looked up once, however many of its files are asked for; later changes are not noticed.
    """

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def spelled(self, path: Path) -> str:
        """The path as given, but absolute: links stay in it, and `..` is resolved as the system does.

        Merely removing `link/..` would give another folder.
        """
        return self.entry(path) if ".." in path.parts else os.path.normpath(path.absolute())

    def entry(self, path: Path) -> str:
        """The path of the directory entry in its real folder; a link itself is not followed."""
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder or os.curdir).rstrip(os.sep)
        return f"{self._real[folder]}{os.sep}{name}"

    def written(self, path: Path) -> str:
        """The file that writing to `path` changes or makes: if it is a link, the link's target."""
        # `Path.is_symlink` raises in a folder that may not be searched; that is reported later.
        return os.path.realpath(path) if os.path.islink(path) else self.entry(path)  # noqa: PTH114
