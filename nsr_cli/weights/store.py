"""From an entry of the manifest to verified bytes: the package, the cache, the network, in this order."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nsr_cli.errors import WeightsError, WriteError
from nsr_cli.fetch import (
    GO_ONLINE,
    Progress,
    Source,
    cache_root,
    fetch,
    is_offline,
    mirror_url,
    remove_leftovers,
)
from nsr_cli.files import write_error
from nsr_cli.reads import read_regular
from nsr_cli.shown import safe_text
from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.manifest import Manifest, load_manifest

_WEIGHT_FILE = re.compile(r"[a-z0-9][a-z0-9._-]*\.safetensors")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of `verify`; `path` is None if the file is absent."""

    entry: WeightEntry
    state: Literal["ok", "damaged", "absent"]
    path: Path | None


class WeightStore:
    """Finds, loads and checks the files that a manifest describes.

    Args:
        manifest: default: the one that belongs to this program.
        cache: folder for downloads; default: `weights` in `NSR_CACHE` or in the user's cache folder.
        mirror: address or folder that is asked before the manifest's own addresses; default:
            `NSR_WEIGHTS_MIRROR`.
        offline: never use the network; `NSR_OFFLINE` sets it too.
        bundled: folder of the weights that come with the package.
    """

    def __init__(
        self,
        manifest: Manifest | None = None,
        *,
        cache: Path | None = None,
        mirror: str | None = None,
        offline: bool = False,
        bundled: Path | None = None,
    ) -> None:
        self.manifest = manifest if manifest is not None else load_manifest()
        self.folder = cache if cache is not None else cache_root() / "weights"
        self.mirror = mirror or os.environ.get("NSR_WEIGHTS_MIRROR") or None
        self.offline = offline or is_offline()
        self._bundled = bundled if bundled is not None else Path(__file__).parents[1] / "pretrained"

    def locate(self, entry: WeightEntry) -> Path | None:
        """Return where the file lies on this machine, unchecked but for its length; None if it does not."""
        path = self._path(entry)
        try:
            return path if path.stat().st_size == entry.bytes else None
        except OSError:
            return None

    def read(self, weights: WeightEntry | str, progress: Progress | None = None) -> tuple[WeightEntry, bytes]:
        """Return an entry and the bytes of its file, loaded from the network where needed.

        The very bytes that are returned were hashed, whatever happens to the file.

        Args:
            weights: an entry, or the name of one.
            progress: called with the bytes done and in total while the network is used.

        Raises:
            UsageError: the manifest has no such name.
            WeightsError: the file is absent and may not or cannot be loaded, or it is damaged.
            FetchError: no address delivered it.
        """
        entry = self.manifest.get(weights) if isinstance(weights, str) else weights
        data = self._read_local(entry)
        if data is None:
            self._download(entry, progress)
            data = _read_checked(self.folder / entry.file, entry)
        if data is None:
            raise WeightsError(
                f"{entry.file} was changed in {safe_text(self.folder)} while it was loaded; try again"
            )
        return entry, data

    def pull(self, entry: WeightEntry, progress: Progress | None = None) -> Path:
        """Make sure that the file is on this machine and right; return where.

        Raises:
            WeightsError, FetchError, WriteError: as for `read`.
        """
        if self._read_local(entry) is None:
            self._download(entry, progress)
        path = self.locate(entry)
        if path is None:
            raise WeightsError(f"{entry.file} vanished from {safe_text(self.folder)}; try again")
        return path

    def verify(self, entry: WeightEntry) -> Finding:
        """Check the file on this machine without changing or loading anything."""
        path = self._path(entry)
        if not _is_there(path):
            return Finding(entry, "absent", None)
        return Finding(entry, "damaged" if _read_checked(path, entry) is None else "ok", path)

    def prune(self) -> list[Path]:
        """Remove from the cache what is of no use; return the paths removed.

        That is: weights that the manifest does not list, that come with the package or that are damaged, and
        what killed downloads left. Anything that the store cannot have made stays.

        Raises:
            WriteError: something cannot be removed.
        """
        wanted = {entry.file: entry for entry in self.manifest.entries}
        try:
            removed = remove_leftovers(self.folder)
            files = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        except OSError as error:
            reason = safe_text(error.strerror or "it cannot be read")
            raise WriteError(
                f"cannot look into {safe_text(self.folder)}: {reason}; check NSR_CACHE"
            ) from error
        for path in files:
            if not _WEIGHT_FILE.fullmatch(path.name) or not stat.S_ISREG(path.lstat().st_mode):
                continue
            entry = wanted.get(path.name)
            if entry is None or self._path(entry) != path or _read_checked(path, entry) is None:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise write_error(path, error) from error
                removed.append(path)
        return removed

    def _path(self, entry: WeightEntry) -> Path:
        """Where the file belongs: in the package if it has come with that, else in the cache."""
        packed = self._bundled / entry.file
        return packed if entry.bundled and packed.is_file() else self.folder / entry.file

    def _read_local(self, entry: WeightEntry) -> bytes | None:
        """Return the checked bytes from the package or the cache; None if the network has to help."""
        path = self._path(entry)
        data = _read_checked(path, entry)
        if data is None and path.parent == self._bundled:
            raise WeightsError(
                f"{safe_text(path)} is damaged: its sha256 is not that of the manifest; install nsr again"
            )
        if data is None and self.offline:
            state = "is not on this machine"
            if _is_there(path):
                damage = "is damaged" if os.access(path, os.R_OK) else "cannot be read"
                state = f"in {safe_text(self.folder)} {damage}"
            raise WeightsError(
                f"{entry.file} {state}, and the network is disabled; {GO_ONLINE}, then run "
                f"`nsr weights pull {entry.name}`"
            )
        return data

    def _download(self, entry: WeightEntry, progress: Progress | None) -> None:
        """Put the file into the cache; a damaged one there is replaced when the new one is complete."""
        mirror = (mirror_url(self.mirror, entry.file),) if self.mirror else ()
        urls = mirror + self.manifest.addresses(entry)
        if not urls:
            raise WeightsError(
                f"{entry.file} is not on this machine and the manifest has no address for it; "
                "give a --mirror or a file with --model"
            )
        try:
            fetch(Source(urls, entry.bytes, entry.sha256), self.folder / entry.file, progress=progress)
        except WriteError as error:
            raise WriteError(f"{error}, or set NSR_CACHE to another folder for downloads") from error


def _is_there(path: Path) -> bool:
    """Whether anything is there, even a broken link or something that may not be looked at."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _read_checked(path: Path, entry: WeightEntry) -> bytes | None:
    """Return the bytes of a regular file if they are what the entry says; None otherwise.

    Nothing beyond the announced length is read, and a pipe or a device in the file's place is not waited for.
    """
    try:
        data = read_regular(path, entry.bytes)
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == entry.sha256 else None
