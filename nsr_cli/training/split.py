"""The pictures of a run: those to train on, and those held out for validation."""

from collections.abc import Sequence
from pathlib import Path

from nsr_cli.datasets import load_registry
from nsr_cli.datasets.benchmarks import benchmark_pictures
from nsr_cli.shown import counted
from nsr_cli.training.patches import Pixels, mirrored, require_size
from nsr_cli.training.pictures import find_pictures, load_pictures
from nsr_cli.training.recipe import Recipe, find_task
from nsr_cli.training.status import Listeners, Notify


def load_and_split(
    recipe: Recipe, folders: Sequence[Path], run: Path, notify: Notify
) -> tuple[list[Pixels], list[Pixels]]:
    """Training and held-out pictures. Every n-th is held out, so that all folders are represented.

    At most half of them are held out, and none of a single one. Pictures smaller than a crop are continued by their
    mirror image; those smaller than half a crop are left out, as is the run's own curve.

    Args:
        recipe: names the task, the size of crops and how many pictures to hold out.
        folders: searched with their subfolders.
        run: folder of the run.
        notify: gets a line about pictures that are left out, continued, or those of a benchmark set.

    Raises:
        DataError: a folder is missing or empty.
        TrainingError: no picture in them can be used.
        NotReady: no process for decoding could be started in time.
    """
    task = find_task(recipe.task)
    side = recipe.patch * task.scale
    files = find_pictures(folders, run)
    for name, count in benchmark_pictures(files, load_registry()).items():
        notify(
            f"{count} of {len(files)} pictures are those of {name}: its scores will tell nothing of this network"
        )
    loaded = load_pictures(files, task.color, notify)
    kept = require_size(loaded, side)
    if small := len(loaded) - len(kept):
        notify(f"{small} of {len(loaded)} pictures are left out: less than half of a {side}×{side} crop")
    if short := sum(min(picture.shape[:2]) < side for picture in kept):
        notify(
            f"{short} of {len(loaded)} pictures are continued by their mirror image: less than a {side}×{side} crop"
        )
    pictures = [mirrored(picture, side) for picture in kept]
    aside = min(recipe.holdout, len(pictures) // 2)
    chosen = {round((i + 0.5) * len(pictures) / aside) for i in range(aside)}
    training = [picture for i, picture in enumerate(pictures) if i not in chosen]
    held_out = [picture for i, picture in enumerate(pictures) if i in chosen]
    return training, held_out


def report_split(training: int, held_out: int, benchmark: str | None, listeners: Listeners) -> None:
    """Say on which pictures the run validates, so that nobody takes training pictures for held-out ones.

    Args:
        training: number of pictures to train on.
        held_out: number of pictures held out.
        benchmark: name of the set to validate on; None for these pictures.
        listeners: told of the split, and warned if no picture is held out.
    """
    if held_out:
        use = "for validation" if benchmark is None else f"and unused: validation is on {benchmark}"
        pictures = counted(training, "picture")
        listeners.notify(f"{pictures} to train on, {held_out} held out {use}")
    elif benchmark is None:
        listeners.warn(
            "no picture is held out, so validation is on the training pictures themselves; give more pictures, a "
            "--holdout above 0 or --validate"
        )


def describe(folders: Sequence[Path], pictures: int) -> list[str]:
    """The training pictures in words, for `config.json` and the manifest."""
    names = " + ".join(folder.name or str(folder) for folder in folders)
    return [f"{counted(pictures, 'picture')} of {names}"]
