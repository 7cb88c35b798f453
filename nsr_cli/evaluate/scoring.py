"""Models over whole sets: every picture is read once, degraded once for each case, and restored by each model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nsr_cli.errors import DataError
from nsr_cli.evaluate.models import Baseline, Model
from nsr_cli.evaluate.protocol import Case, Color, Pixels, Unit, degraded, prepared, read, score
from nsr_cli.evaluate.results import Results
from nsr_cli.evaluate.rows import PictureScore, Row, paper_scores
from nsr_cli.imaging.color import from_unit
from nsr_cli.shown import safe_text

Progress = Callable[[int, int], None]  # called with restorations done and in total
Scored = Model | Results
Job = tuple[Case, Sequence[Scored]]
# Takes the result for a picture, as it was scored.
Keep = Callable[[Case, Scored, Path, Pixels], None]


def evaluate(
    case: Case,
    images: Sequence[Path],
    model: Scored,
    *,
    progress: Progress | None = None,
) -> Row:
    """Degrade, restore and score every picture of a set with one model. Raises as `evaluate_set`."""
    return evaluate_set([(case, [model])], images, progress=progress)[0]


def evaluate_set(
    jobs: Sequence[Job],
    images: Sequence[Path],
    *,
    set_images: int | None = None,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> list[Row]:
    """Score models in several cases of one set. Each picture is read once, and degraded once in each case.

    Args:
        jobs: the cases and the models of each.
        images: the pictures.
        set_images: how many pictures the whole set has, if `images` are only the first of them.
        progress: called with the restorations done and in total.
        keep: called with every restored picture, 8-bit and whole, after it is scored.

    Returns:
        One row for each model of each case, in their order.

    Raises:
        DataError: there are no pictures, or one cannot be read or is too small to be scored.
        NsrError: what a model or `keep` raises.
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
                restored = tally.add(path, source, target)
                if keep is not None:
                    keep(case, tally.model, path, restored)
                done += 1
    _tell(progress, done, total)
    return [tally.row(max(len(images), set_images or 0)) for tally in flat]


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


@dataclass(slots=True)
class _Tally:
    """The scores of one model in one case, picture by picture."""

    case: Case
    model: Scored
    pictures: list[PictureScore] = field(default_factory=list)

    def add(self, image: Path, source: Unit, target: Pixels) -> Pixels:
        """Restore a degraded picture, or read its result, and score that; returns what was scored."""
        seconds = None
        if isinstance(self.model, Results):
            restored = self.model.picture(image, target)
        else:
            start = time.perf_counter()
            output = self.model.run(source, sigma=self.case.sigma, quality=self.case.quality)
            seconds = time.perf_counter() - start
            restored = from_unit(output, np.uint8)
        psnr, ssim, psnr_y = score(restored, target, self.case)
        self.pictures.append(PictureScore(safe_text(image.name), psnr, ssim, seconds, psnr_y))
        return restored

    def row(self, set_images: int) -> Row:
        """The means, with the paper's scores if the whole set was scored."""
        case, count = self.case, len(self.pictures)
        on_y = [one.psnr_y for one in self.pictures if one.psnr_y is not None]
        seconds = [one.seconds for one in self.pictures if one.seconds is not None]
        color: Color | None = None if case.task == "upscale" else "gray" if case.on_gray else "rgb"
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
            psnr=float(np.mean([one.psnr for one in self.pictures])),
            ssim=float(np.mean([one.ssim for one in self.pictures])),
            seconds_per_image=float(np.mean(seconds)) if seconds else None,
            paper=paper_scores(case, baseline=isinstance(self.model, Baseline)) if whole else None,
            color=color,
            subsampling=case.subsampling if case.task == "dejpeg" and color == "rgb" else None,
            psnr_y=float(np.mean(on_y)) if on_y else None,
            set_images=set_images,
            pictures=tuple(self.pictures),
        )
