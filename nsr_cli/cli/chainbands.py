"""A `Chain` for pictures that are never in memory as a whole: rows go through one step after the other.

rows ─> step ─> rows in float ─> step ─> ... ─> blend by strength with the rows of the beginning ─> finished rows
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nsr_cli.cli.chain import Chain, Link, Progress, remeasured
from nsr_cli.cli.remedy import Step
from nsr_cli.engine.bands import Bands, blended_bands
from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.imaging.picture import Picture

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer

_PARTS = 1000  # of a step, by which progress is told


def settle(chain: Chain, sample: Callable[[], NDArray[np.generic]]) -> None:
    """Find out which steps to take, and at which level, and note them in `chain.taken`.

    Args:
        chain: the steps that were found for the picture.
        sample: makes pixels (N, W, C) of parts of it; only asked for where a step's level depends on those before.

    Raises:
        MemoryExhausted, PictureError: as for `Restorer.run`.
    """
    taken: list[Link] = []
    for link in chain.links:
        step: Step | None = link.step
        if taken and link.step.sigma is not None:
            step = remeasured(link.step, _through(taken, Picture(to_unit(sample()))))
        if step is not None:
            taken.append(replace(link, step=step))
    chain.taken = tuple(taken)


def chain_bands(
    chain: Chain,
    source: Bands,
    dtype: DTypeLike,
    *,
    strength: float,
    size: tuple[int, int] | None,
    memory: int,
    clipped: bool,
    progress: Progress | None,
) -> Bands:
    """The picture after the steps of a chain that `settle` has settled.

    Args:
        chain: the steps, each with a `Restorer`.
        source: the picture's rows, in gray or RGB.
        dtype: of the result's rows.
        strength, size, progress: as for the call of a `Chain`.
        memory: bytes that all steps may take together.
        clipped: as for `Restorer.run`.

    Raises:
        MemoryExhausted: they need more.
    """
    links, bands = chain.taken, source
    total = _StepProgress(progress, len(links))
    for number, link in enumerate(links):
        final = number == len(links) - 1
        bands = _restorer(link).bands(
            bands,
            dtype if final and strength == 1 else np.float32,
            clipped=final and clipped,
            sigma=link.step.sigma,
            quality=link.step.quality,
            size=size if link.step.task == "upscale" else None,
            memory=memory // len(links),
            progress=total.of(number),
        )
    if strength == 1:
        return bands
    return blended_bands(source, bands, strength, lambda rows: from_unit(rows, dtype))


class _StepProgress:
    """Adds up the progress of steps that go on at the same time."""

    def __init__(self, progress: Progress | None, steps: int) -> None:
        self._progress = progress
        self._done = [0] * steps

    def of(self, number: int) -> Progress:
        """What one step is to call."""

        def watch(done: int, total: int) -> None:
            self._done[number] = done * _PARTS // total
            if self._progress is not None:
                self._progress(sum(self._done), len(self._done) * _PARTS)

        return watch


def _through(links: list[Link], picture: Picture) -> Picture:
    """A small picture after some steps."""
    for link in links:
        level = {"sigma": link.step.sigma, "quality": link.step.quality}
        picture = link.restorer(picture, **level, strength=1.0, tta=False, size=None, progress=None)
    return picture


def _restorer(link: Link) -> "Restorer":
    from nsr_cli.restore import Restorer

    if not isinstance(link.restorer, Restorer):
        raise TypeError(f"{type(link.restorer).__name__} works on whole pictures only")
    return link.restorer
