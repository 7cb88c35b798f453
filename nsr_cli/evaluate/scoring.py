"""Models over whole sets: every picture read once, degraded once in each case, restored by each model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nsr_cli.errors import DataError
from nsr_cli.evaluate.models import Model
from nsr_cli.evaluate.protocol import Case, Pixels, Score, Unit, degraded, prepared, read, score
from nsr_cli.evaluate.rows import Row, paper_scores
from nsr_cli.imaging.color import from_unit

Progress = Callable[[int, int], None]  # restorations done, of how many
Job = tuple[Case, Sequence[Model]]


def evaluate(
    case: Case,
    images: Sequence[Path],
    model: Model,
    *,
    progress: Progress | None = None,
) -> Row:
    """Degrade, restore and score every picture of a set with one model; errors as of `evaluate_set`."""
    return evaluate_set([(case, [model])], images, progress=progress)[0]


def evaluate_set(
    jobs: Sequence[Job],
    images: Sequence[Path],
    *,
    set_images: int | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Score models in several cases of one set. Each picture is read once, and degraded once in each case.

    Args:
        jobs: the cases and the models of each.
        images: the pictures.
        set_images: pictures of the whole set, where `images` are only the first of them.
        progress: told the pictures done, counted for each case and model, and how many there are.

    Returns:
        The rows, models within cases, in their order.

    Raises:
        DataError: there are no pictures, or one cannot be read or is too small to be scored.
        NsrError: what a model raises.
    """
    tallies = [[_Tally(case, model) for model in models] for case, models in jobs]
    flat = [tally for group in tallies for tally in group]
    if not images and jobs:
        raise DataError(f"{jobs[0][0].set.name}: no pictures; see `nsr data list`")
    done, total = 0, len(images) * len(flat)
    for path in images:
        whole = read(path)
        for group in filter(None, tallies):
            case = group[0].case
            target = prepared(whole, path, case)
            source = degraded(target, case, path.stem)
            for tally in group:
                _tell(progress, done, total)
                tally.add(source, target)
                done += 1
    _tell(progress, done, total)
    return [tally.row(max(len(images), set_images or 0)) for tally in flat]


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


@dataclass(slots=True)
class _Tally:
    """The figures of one model in one case, picture by picture."""

    case: Case
    model: Model
    scores: list[Score] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, source: Unit, target: Pixels) -> None:
        """Restore a degraded picture and score it."""
        start = time.perf_counter()
        output = self.model.run(source, sigma=self.case.sigma, quality=self.case.quality)
        self.seconds += time.perf_counter() - start
        self.scores.append(score(from_unit(output, np.uint8), target, self.case))

    def row(self, set_images: int) -> Row:
        """The means; the paper's figures stand only beside those of a whole set."""
        case, count = self.case, len(self.scores)
        on_y = [one.psnr_y for one in self.scores if one.psnr_y is not None]
        color = None if case.task == "upscale" else "gray" if case.on_gray else "rgb"
        whole = count == set_images
        return Row(
            set=case.set.name,
            task=case.task,
            scale=case.scale if case.task == "upscale" else None,
            sigma=case.sigma,
            quality=case.quality,
            model=self.model.name,
            model_sha256=self.model.sha256,
            images=count,
            psnr=float(np.mean([one.psnr for one in self.scores])),
            ssim=float(np.mean([one.ssim for one in self.scores])),
            seconds_per_image=self.seconds / count,
            paper=paper_scores(case, baseline=self.model.sha256 is None) if whole else None,
            color=color,  # type: ignore[arg-type]
            subsampling=case.subsampling if case.task == "dejpeg" and color == "rgb" else None,
            psnr_y=float(np.mean(on_y)) if on_y else None,
            set_images=set_images,
        )
