"""The sets of `nsr eval`, named ones or the user's folders, with all that is known of them before scoring."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nsr_cli.datasets import DataStore, PictureSet
from nsr_cli.datasets.pictures import set_in
from nsr_cli.errors import UsageError
from nsr_cli.evaluate import Case, Shape, check_size, decoded
from nsr_cli.scoreboard.asked import Plan
from nsr_cli.scoreboard.rownames import told_apart
from nsr_cli.shown import counted, safe_text
from nsr_cli.steps.colorless import is_colorless
from nsr_cli.terminal.console import Console


@dataclass(frozen=True, slots=True)
class FoundSet:
    """A set and those of its pictures that are to be scored."""

    set: PictureSet
    images: list[Path]
    complete: int  # pictures of the whole set
    shapes: Mapping[Path, Shape] = field(default_factory=dict)
    """(H, W, C) of each picture, if the set's files are not checked to be the published ones."""

    def check(self, case: Case) -> None:
        """Raise `DataError` if a picture is too small for a case; published sets have no such picture."""
        for path, (height, width, _) in self.shapes.items():
            check_size(height, width, path, case)


def is_folder(name: str | None) -> bool:
    """Whether a set or model is a folder: only if written as a path, so that Set5 is the set, not a folder."""
    return name is not None and (os.sep in name or "/" in name) and Path(name).is_dir()


def find_sets(plan: Plan, data: Path | None, offline: bool, console: Console) -> list[FoundSet]:
    """Each set once, in the order asked for, with its pictures, downloaded where that is needed and allowed.

    Raises:
        UsageError: there is no set of that name.
        DataError: a set is not here, or a picture cannot be used; as for `DataStore` and `decoded`.
        FetchError, WriteError: a download failed.
    """
    store = DataStore(data, offline=offline)
    # All names are checked before anything is downloaded or read.
    wanted = dict.fromkeys(
        Path(name).resolve() if is_folder(name) else _set(store, name) for name in plan.sets
    )
    folders = [one for one in wanted if isinstance(one, Path)]
    names = told_apart([f"{safe_text(folder.name)}/" for folder in folders], folders)
    shown = dict(zip(folders, names, strict=True))
    return [
        _own(one, shown[one], plan.limit, console)
        if isinstance(one, Path)
        else _named(store, one, plan.limit, console)
        for one in wanted
    ]


def _set(store: DataStore, name: str) -> PictureSet:
    """The set of that name; UsageError if there is none, which says how to write a folder of that name."""
    try:
        return store.registry.get(name)
    except UsageError as error:
        if Path(name).is_dir():
            raise UsageError(
                f"{error}; for the pictures in the folder write --set ./{safe_text(name)}/"
            ) from error
        if os.sep in name or "/" in name:
            raise UsageError(f"--set {safe_text(name)}: there is no such folder; check the path") from error
        raise


def _named(store: DataStore, one: PictureSet, limit: int | None, console: Console) -> FoundSet:
    """A set by name. If its files are known to differ, the user is warned, and no published scores are shown."""
    images, problem = published_pictures(store, one, console)
    complete = max(one.images, len(images))
    if problem is None:
        return FoundSet(one, images[:limit], complete)
    console.warning(f"{problem}, so the figures of the paper are left out; get them again")
    return FoundSet(
        replace(one, differs=True), images[:limit], complete, _shapes(images[:limit], one.name, console)
    )


def published_pictures(store: DataStore, one: PictureSet, console: Console) -> tuple[list[Path], str | None]:
    """The pictures of a set by name, and in words how its files differ from the published ones, if they do.

    Files under other names only get a note, since they may hold the same pictures. Raises as `find_images`.
    """
    with console.progress(1, one.name) as bar:
        images = store.find_images(one.name, bar.parts)
    finding = store.check_own(one.name)  # `find_images` has just checked those of the cache
    if finding is None or finding.state == "ok":
        return images, None
    where = f"{one.name}: the files in {safe_text(finding.folder or '')}"
    if finding.state == "unverified":
        console.note(f"{where} are not the published ones; whether they show the same pictures is not known")
        return images, None
    more = f" and {len(finding.problems) - 1} more" if len(finding.problems) > 1 else ""
    return images, f"{where} are not as published ({finding.problems[0]}{more})"


def _own(folder: Path, name: str, limit: int | None, console: Console) -> FoundSet:
    """A folder of the user's own, which is a gray set if all pictures to score are gray."""
    one, images = set_in(folder)
    below = sum(child.is_dir() and not child.name.startswith(".") for child in folder.iterdir())
    if below:
        console.note(f"{name}: {counted(below, 'subfolder')} not looked into; each can be a --set of its own")
    shapes = _shapes(images[:limit], name, console)
    if all(channels == 1 for _, _, channels in shapes.values()):
        one = replace(one, color="gray")
    return FoundSet(replace(one, name=name), images[:limit], len(images), shapes)


def _shapes(images: Sequence[Path], name: str, console: Console) -> Mapping[Path, Shape]:
    """Read each picture once, so that an unusable one is found before others are scored for hours."""
    shapes, colorless = {}, 0
    with console.progress(len(images), f"checking {name}") as bar:
        for image in images:
            picture = decoded(image)
            shapes[image] = (picture.height, picture.width, picture.channels)
            colorless += is_colorless(picture)
            bar.finished()
    if colorless:
        console.note(
            f"{name}: gray pictures in three equal channels, {colorless} of {len(images)}, are scored as color ones, "
            "as in the papers; the restoring commands take them for gray"
        )
    return shapes
