"""Several restorers in a row that look like one: `dejpeg`, `denoise`, `upscale`, without rounding in between.

picture ─ color spread under transparency ─> float ─> step ─> step ─> ... ─> blend by strength ─┐
        └ alpha ─────────────────────────────────────> bicubic ─────────────────────────────────┴─> picture

rows ─> step ─> rows in float ─> step ─> ... ─> blend by strength with the original rows ─> finished rows
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from nsr_cli.engine.bands import Bands, blended_bands
from nsr_cli.engine.finish import finished, visible_color
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.engine.progress import Progress, of_part
from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.imaging.findings.noise import estimate_noise
from nsr_cli.imaging.picture import Picture, Pixels
from nsr_cli.steps.remedy import Step, level_of_noise
from nsr_cli.steps.restorers import Link, Weights

Sample = Callable[[], Pixels]
"""Returns pixels (N, W, C) of parts of a picture."""

_PARTS = 1000  # of a step, in which progress is counted


class Chain:
    """The steps of one picture; afterwards `taken` says which of them were done, and at which level.

    Noise is measured again after `dejpeg`, which may have removed some: the lower level counts, and a
    step with nothing left to do is skipped.

    Args:
        links: the steps that were found for the picture.
        sample: returns pixels of parts of the picture; `bands` needs it if a level depends on earlier steps.
    """

    def __init__(self, links: Sequence[Link], sample: Sample | None) -> None:
        self.links = tuple(links)
        self.taken: tuple[Link, ...] = ()
        self._sample = sample

    @property
    def entries(self) -> Sequence[Weights]:
        """The weights of all steps, each once; only of the steps taken, once these are known."""
        found = [entry for link in self.taken or self.links for entry in link.restorer.entries]
        return list({entry.sha256: entry for entry in found}.values())

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.links[0].restorer.device

    @property
    def precision(self) -> str:
        """The number types it computes in, joined with `+`; only of the steps taken, once these are known."""
        found = [link.restorer.precision.split("+") for link in self.taken or self.links]
        return "+".join(sorted({name for names in found for name in names}))

    def on_one_core(self, picture: Picture, side_by_side: int) -> "Chain | None":
        """As `Restorer.on_one_core`; None unless it works for every step."""
        links: list[Link] = []
        for link in self.links:
            restorer = link.restorer.on_one_core(picture, side_by_side)
            if restorer is None:
                return None
            links.append(replace(link, restorer=restorer))
        return Chain(links, self._sample)

    def restore(
        self, picture: Picture, options: RestoreOptions, *, progress: Progress | None = None
    ) -> Picture:
        """Restore one picture; `strength` blends the chain's result with its input, resized.

        Levels are those of the steps, whatever `options` says.

        Raises:
            MemoryExhausted, PictureError: as for `Restorer.run`.
        """
        plain = Picture(to_unit(visible_color(picture), picture.white))
        made = plain
        taken: list[Link] = []
        for number, link in enumerate(self.links):
            step = _remeasured(link.step, made) if taken else link.step
            if step is None:
                continue
            part = of_part(progress, number, len(self.links))
            made = link.restorer.restore(made, _told(step, options), progress=part)
            taken.append(replace(link, step=step))
        self.taken = tuple(taken)
        return finished(picture, plain.pixels, made.pixels, options.strength).with_notes(*made.notes)

    def bands(
        self,
        source: Bands,
        dtype: DTypeLike,
        options: RestoreOptions,
        *,
        memory: int,
        clipped: bool,
        progress: Progress | None,
    ) -> Bands:
        """Restore a picture that is never in memory as a whole, after deciding which steps to take.

        The arguments are those of `Restorer.bands`; all steps together may take `memory` bytes.

        Raises:
            UsageError, MemoryExhausted, PictureError: as for `Restorer.bands` and `Restorer.run`.
        """
        self._decide_steps()
        links, made = self.taken, source
        for number, (link, told) in enumerate(zip(links, _together(progress, len(links)), strict=True)):
            final = number == len(links) - 1
            made = link.restorer.bands(
                made,
                dtype if final and options.strength == 1 else np.float32,
                _told(link.step, options),
                memory=memory // len(links),
                clipped=final and clipped,
                progress=told,
            )
        if options.strength == 1:
            return made
        return blended_bands(
            source, made, options.strength, lambda rows: from_unit(rows, dtype, source.white)
        )

    def _decide_steps(self) -> None:
        """Decide from the sample which steps to take, and at which level."""
        taken: list[Link] = []
        for link in self.links:
            step: Step | None = link.step
            if taken and link.step.sigma is not None and self._sample is not None:
                step = _remeasured(link.step, _through(taken, Picture(to_unit(self._sample()))))
            if step is not None:
                taken.append(replace(link, step=step))
        self.taken = tuple(taken)


def _together(progress: Progress | None, steps: int) -> list[Progress]:
    """A callback for each of some steps that run at the same time: their progress is added up."""
    parts = [0] * steps

    def tell(number: int, done: int, total: int) -> None:
        parts[number] = done * _PARTS // total
        if progress is not None:
            progress(sum(parts), steps * _PARTS)

    return [partial(tell, number) for number in range(steps)]


def _told(step: Step, options: RestoreOptions) -> RestoreOptions:
    """The options for a step's restorer; only the one that enlarges gets the target size."""
    size = options.size if step.task == "upscale" else None
    return RestoreOptions(step.sigma, step.quality, tta=options.tta, size=size)


def _through(links: Iterable[Link], picture: Picture) -> Picture:
    """A small picture after these steps."""
    for link in links:
        picture = link.restorer.restore(picture, _told(link.step, RestoreOptions()))
    return picture


def _remeasured(step: Step, picture: Picture) -> Step | None:
    """The step at the level that remains in a picture; None if there is nothing left to do."""
    if step.sigma is None:
        return step
    left = level_of_noise(estimate_noise(picture.pixels))
    return None if left is None else replace(step, sigma=min(step.sigma, left))
