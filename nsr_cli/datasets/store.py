"""Where the pictures of a set are: in a folder of the user's, in the cache, or on the network."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nsr_cli.datasets.archive import damaged_pictures, extract, read_sums
from nsr_cli.datasets.pictures import pictures_in
from nsr_cli.datasets.registry import Archive, PictureSet, Registry, RemoteFile, load_registry
from nsr_cli.errors import DataError, FetchError
from nsr_cli.fetch import (
    GO_ONLINE,
    Progress,
    Source,
    cache_root,
    expanded,
    fetch,
    is_intact,
    is_offline,
    mirror_url,
    patience,
)
from nsr_cli.files import write_error
from nsr_cli.shown import counted, safe_text


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of `verify` for one set.

    Args:
        set: which one.
        state: `unverified` is a complete folder whose files are not the published ones, for example in another
            format.
        folder: where it lies, if anywhere.
        problems: one line for each file that is damaged or missing.
    """

    set: PictureSet
    state: Literal["ok", "unverified", "damaged", "incomplete", "absent"]
    folder: Path | None = None
    problems: tuple[str, ...] = ()


class DataStore:
    """Finds, loads and checks picture sets.

    Args:
        data: a folder that holds a folder for every set; asked first, then `NSR_DATA`, then the cache.
        cache: folder for downloads; default: `datasets` in `NSR_CACHE` or in the user's cache folder.
        mirror: address or folder that is asked before the published addresses; default: `NSR_DATA_MIRROR`.
            It holds the files as `SET/FILE`, or in the layout of the original servers.
        offline: never use the network; `NSR_OFFLINE` sets it too.
        registry: the sets; default: those that this program knows.
        option: the option by which the user gives `data`, for messages.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        cache: Path | None = None,
        mirror: str | None = None,
        offline: bool = False,
        registry: Registry | None = None,
        option: str = "--data",
    ) -> None:
        self.registry = registry if registry is not None else load_registry()
        self.folder = cache if cache is not None else cache_root() / "datasets"
        self.mirror = mirror or os.environ.get("NSR_DATA_MIRROR") or None
        self.offline = offline or is_offline()
        self._data, self._option = data, option
        elsewhere = os.environ.get("NSR_DATA")
        self._roots = [
            root for root in (data, expanded(elsewhere, "NSR_DATA") if elsewhere else None) if root
        ]

    def find_images(self, name: str, progress: Progress | None = None) -> list[Path]:
        """Return the pictures of a set, sorted by name; download them if they are not on this machine.

        Files in the cache are checked against their hashes; a folder of the user's must hold the right number.

        Raises:
            UsageError: there is no set of that name.
            DataError: the set is not here and cannot be downloaded, or a folder holds another number of pictures.
            FetchError, WriteError: the download failed, or could not be stored.
        """
        one = self.registry.get(name)
        own = self._own_folder(one)
        if own is not None:
            pictures = pictures_in(own)
            if len(pictures) != one.images:
                raise DataError(
                    f"{safe_text(own)} holds {counted(len(pictures), 'picture')}, {one.name} has "
                    f"{one.images}; complete the folder or rename it"
                )
            return pictures
        try:
            folder = self.pull(one.name, progress)
        except (DataError, FetchError) as error:
            looked = " or ".join(safe_text(root) for root in self._roots)
            start = f"there is no {one.name} in {looked}, and " if looked else ""
            # The other errors say it themselves, or are about a folder that was given.
            end = (
                f", or point {self._option} at a folder with {one.name}"
                if isinstance(error, FetchError)
                else ""
            )
            raise type(error)(f"{start}{error}{end}") from error
        names = read_sums(folder) if one.archive else [file.name for file in one.files]
        return sorted(folder / name for name in names)

    def path(self, name: str) -> Path | None:
        """Return the folder in which a set lies, complete or not; None if it is not on this machine."""
        one = self.registry.get(name)
        return self._own_folder(one) or self._cached_folder(one)

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Make sure that the cache holds a set and that it is right; return its folder there.

        Intact files are kept, so the next call continues an interrupted one.

        Args:
            name: of the set.
            progress: called with the bytes done and the bytes of the whole set.

        Raises:
            UsageError, DataError, FetchError, WriteError: as for `find_images`.
        """
        one = self.registry.get(name)
        if one.is_manual:
            raise DataError(f"{one.name} cannot be downloaded: {one.note}")
        folder = self.folder / one.name
        if one.archive is not None:
            if not self._is_unpacked(one):
                self._pull_archive(one, one.archive, progress)
            return folder
        missing = [file for file in one.files if not _is_right(folder, file)]
        if missing:
            self._refuse_if_offline(one)
            self._pull_files(one, missing, progress)
        return folder

    def verify(self, name: str) -> Finding:
        """Check the set where `find_images` would look for it, without changing or loading anything."""
        one = self.registry.get(name)
        own = self.check_own(name)
        if own is not None:
            return own
        folder = self._cached_folder(one)
        if folder is None:
            return Finding(one, "absent")
        if one.archive is not None:
            problems = [f"{name} is damaged" for name in damaged_pictures(folder)]
            if len(read_sums(folder)) != one.images:
                return Finding(one, "incomplete", folder, ("it was not unpacked completely",))
        else:
            problems = _problems(one, folder)
        return _checked(one, folder, problems)

    def check_own(self, name: str) -> Finding | None:
        """`verify` for a folder of the user's; None if `find_images` uses the cache, which it checks itself.

        The folder may hold the same pictures in other files.
        """
        one = self.registry.get(name)
        folder = self._own_folder(one)
        if folder is None:
            return None
        pictures = pictures_in(folder)
        if len(pictures) != one.images:
            return Finding(one, "incomplete", folder, (f"it holds {len(pictures)} of {one.images} pictures",))
        if {path.name for path in pictures} != {file.name for file in one.files}:
            return Finding(one, "unverified", folder, ("its files are not the published ones",))
        return _checked(one, folder, _problems(one, folder))

    def _cached_folder(self, one: PictureSet) -> Path | None:
        """The folder of a set in the cache; None if there is none, or only what a failed download left."""
        folder = self.folder / one.name
        try:
            is_begun = any(not path.name.startswith(".") for path in folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            reason = safe_text(error.strerror or "it cannot be read")
            raise DataError(
                f"cannot read the folder {safe_text(folder)}: {reason}; check NSR_CACHE"
            ) from error
        return folder if is_begun else None

    def _own_folder(self, one: PictureSet) -> Path | None:
        """Return the folder of a set below --data or NSR_DATA."""
        for root in self._roots:
            if not root.is_dir():
                what = self._option if root is self._data else "NSR_DATA"
                raise DataError(f"there is no folder {safe_text(root)}; check {what}")
            exact = root / one.name
            if exact.is_dir():
                return exact
            for child in sorted(root.iterdir()):
                if one.is_called(child.name) and child.is_dir():
                    return child
            if one.is_called(root.resolve().name) and pictures_in(root):  # it is the folder of the set itself
                return root
        return None

    def _pull_files(self, one: PictureSet, missing: list[RemoteFile], progress: Progress | None) -> None:
        from nsr_cli.fetch.answer import Client  # only now: the network libraries load slowly

        done = one.bytes - sum(file.bytes for file in missing)
        with Client() as client:
            for file in missing:
                step = _shifted(progress, done, one.bytes)
                urls = self._addresses(f"{one.name}/{file.name}", file.path, file.url)
                source = Source(urls, file.bytes, file.sha256)
                fetch(source, self.folder / one.name / file.name, progress=step, client=client)
                done += file.bytes

    def _pull_archive(self, one: PictureSet, archive: Archive, progress: Progress | None) -> None:
        """Download and unpack an archive, one process at a time; the ones that waited find the set unpacked."""
        from nsr_cli.fetch.lock import one_at_a_time  # only now, as in `_pull_files`

        zipped = self.folder / archive.name
        if not is_intact(zipped, archive.bytes, archive.sha256):
            self._refuse_if_offline(one)
        # Another name than the lock of `fetch`, which is called below and uses the first digits.
        lock = self.folder / f".{archive.sha256[16:32]}.lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error
        busy = DataError(f"cannot unpack {one.name}: another process is still at it; wait for it or end it")
        with one_at_a_time(lock, patience(archive.bytes), busy):
            if self._is_unpacked(one):
                return
            path = archive.url.partition("://")[2].partition("/")[2]
            urls = self._addresses(archive.name, path, archive.url)
            fetch(Source(urls, archive.bytes, archive.sha256), zipped, progress=progress)
            extract(zipped, self.folder / one.name, one.images)
            zipped.unlink(missing_ok=True)

    def _is_unpacked(self, one: PictureSet) -> bool:
        folder = self.folder / one.name
        return len(read_sums(folder)) == one.images and not damaged_pictures(folder)

    def _addresses(self, short: str, path: str, url: str) -> tuple[str, ...]:
        if self.mirror is None:
            return (url,)
        return mirror_url(self.mirror, short), mirror_url(self.mirror, path), url

    def _refuse_if_offline(self, one: PictureSet) -> None:
        if self.offline:
            raise DataError(
                f"{one.name} is not complete on this machine, and the network is disabled; {GO_ONLINE}, then run "
                f"`nsr data pull {one.name}`, or point {self._option} at a folder with it"
            )


def _is_right(folder: Path, file: RemoteFile) -> bool:
    return is_intact(folder / file.name, file.bytes, file.sha256)


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _problems(one: PictureSet, folder: Path) -> list[str]:
    """Return what is wrong with the published files of a set in `folder`."""
    problems = []
    for file in one.files:
        if not (folder / file.name).exists():
            problems.append(f"{file.name} is missing")
        elif not _is_right(folder, file):
            problems.append(f"{file.name} is damaged")
    return problems


def _checked(one: PictureSet, folder: Path, problems: list[str]) -> Finding:
    damaged = any(line.endswith("damaged") for line in problems)
    state: Literal["ok", "damaged", "incomplete"] = (
        "damaged" if damaged else "incomplete" if problems else "ok"
    )
    return Finding(one, state, folder, tuple(problems))
