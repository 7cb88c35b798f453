"""Pictures that were restored before, by any program, in place of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.datasets.pictures import pictures_in
from nsr_cli.errors import DataError, UsageError
from nsr_cli.evaluate.layout import level_folder
from nsr_cli.evaluate.protocol import Case, Pixels, decoded, original
from nsr_cli.shown import safe_text


@dataclass(frozen=True, slots=True)
class Results:
    """The pictures in a folder, under whose name they are in the table. `files` maps each original to its result."""

    name: str
    files: Mapping[Path, Path]
    sha256: None = None

    def picture(self, image: Path, target: Pixels) -> Pixels:
        """Read the result for `image`, (H, W, C) like `target`, the picture it is compared with.

        Raises:
            DataError: it cannot be read, has another size, or is not 8-bit gray or RGB as the target is.
        """
        path = self.files[image]
        found = decoded(path, "restore the picture again")
        channels = target.shape[2]
        if (found.bits, found.channels) != (8, channels) or found.alpha is not None:
            kind = _kind(found.bits, found.channels) + (
                " with transparency" if found.alpha is not None else ""
            )
            raise DataError(f"{safe_text(path)}: it is {kind}, not {_kind(8, channels)}; convert it")
        if found.pixels.shape != target.shape:
            wanted = f"{target.shape[1]}×{target.shape[0]}"
            raise DataError(
                f"{safe_text(path)}: it has {found.width}×{found.height} pixels, but {wanted} are compared "
                f"with {safe_text(image.name)}; check the level and how the original is cropped"
            )
        pixels: Pixels = found.pixels
        return pixels

    def check(self, case: Case, images: Sequence[Path]) -> None:
        """Read all results once, so that a mistake is found before other models take hours. Raises as `picture`."""
        for image in images:
            self.picture(image, original(image, case))


def find_results(folder: Path, case: Case, images: Sequence[Path], *, alone: bool) -> Results:
    """Find a result for each original: in the level's folder in `folder` if there is one, else in `folder`.

    It has the original's name, or its stem if only one picture has that.

    Args:
        folder: one model's folder as `nsr eval --save` writes it, or a folder of pictures only.
        case: its level names the folder.
        images: the originals.
        alone: whether the case is the only one, so that pictures right in `folder` can only belong to it.

    Raises:
        UsageError: there is no folder for the level, and pictures right in `folder` could be of several levels.
        DataError: the folder cannot be read, or lacks a result, or has several for one original.
    """
    level = folder / level_folder(case)
    if not level.is_dir() and not alone:
        raise UsageError(
            f"{safe_text(folder)} has no folder {level.name}, as it should for several levels: give the one "
            "level of its pictures"
        )
    # A link to a folder keeps its own name.
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    return Results(safe_text(name), _matched(level if level.is_dir() else folder, images))


def _matched(folder: Path, images: Sequence[Path]) -> dict[Path, Path]:
    there = {path.name: path for path in pictures_in(folder)}
    found = {image: there.pop(image.name) for image in images if image.name in there}
    for image in images:
        if image in found:
            continue
        same = [name for name in there if Path(name).stem == image.stem]
        if not same:
            raise DataError(
                f"{safe_text(folder)} has no result for {safe_text(image.name)}; give it the original's name"
            )
        if len(same) > 1:
            raise DataError(
                f"{safe_text(folder)} has {safe_text(' and '.join(same))} for {safe_text(image.name)}; keep one"
            )
        found[image] = there.pop(same[0])
    return found


def _kind(bits: int, channels: int) -> str:
    return f"{'float' if bits == 32 else f'{bits}-bit'} {'gray' if channels == 1 else 'RGB'}"
