"""Which file a path means: one folder is reached by many names, through links and by `..`."""

import os
from pathlib import Path


def nearest_existing(folder: Path) -> Path:
    """The folder itself, absolute, or the nearest above it in whose place there is something, even a broken link."""
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    return nearest


class Whereabouts:
    """Tells whether paths mean one file.

    A folder is looked up once, however many of its files are asked for; what changes meanwhile is not seen.
    """

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def spelled(self, path: Path) -> str:
        """The path as it was given, from the root on: links stay in it, but `..` is where the system goes.

        To cross out `link/..` would mean another folder.
        """
        return self.entry(path) if ".." in path.parts else os.path.normpath(path.absolute())

    def entry(self, path: Path) -> str:
        """The name of the file in the folder where it really is; of a link it is the link's own."""
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder or os.curdir).rstrip(os.sep)
        return f"{self._real[folder]}{os.sep}{name}"

    def written(self, path: Path) -> str:
        """The file that is there, or will be, once `path` has been written: a link stays, and its target changes."""
        # Path's own question fails in a folder that may not be searched; what is wrong there is said later.
        return os.path.realpath(path) if os.path.islink(path) else self.entry(path)  # noqa: PTH114
