"""Several restorers in a row that look like one: `dejpeg`, `denoise`, `upscale`, without rounding in between.

picture ─ color spread under transparency ─> float ─> step ─> step ─> ... ─> blend by strength ─┐
        └ alpha ─────────────────────────────────────> bicubic ─────────────────────────────────┴─> picture
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nsr_cli.cli.remedy import Step, level_of_noise
from nsr_cli.cli.restorers import RestorerLike, Weights
from nsr_cli.engine.arrays import blended
from nsr_cli.engine.clipping import is_clipped, spread_excess
from nsr_cli.imaging.alpha import bleed, resized_alpha
from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.imaging.noise import estimate_noise
from nsr_cli.imaging.picture import Picture

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Link:
    """A step and the restorer that does it."""

    step: Step
    restorer: RestorerLike


class Chain:
    """The steps of one picture; `taken` says afterwards which of them were done, and at which level.

    Noise is measured again after `dejpeg`, which may have removed it too: the lower level counts,
    and a step that has nothing left to do is left out.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self.taken: tuple[Link, ...] = ()

    @property
    def entries(self) -> Sequence[Weights]:
        """The weights of all steps, each once; those taken, once that is known."""
        found = [entry for link in self.taken or self.links for entry in link.restorer.entries]
        return list({entry.sha256: entry for entry in found}.values())

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.links[0].restorer.device

    @property
    def precision(self) -> str:
        """The number types it computes in, joined with `+`; those of the steps taken, once that is known."""
        found = [link.restorer.precision.split("+") for link in self.taken or self.links]
        return "+".join(sorted({name for names in found for name in names}))

    def on_one_core(self, picture: Picture, side_by_side: int) -> "Chain | None":
        """As for `Restorer`, if that holds for every step."""
        links: list[Link] = []
        for link in self.links:
            restorer = link.restorer.on_one_core(picture, side_by_side)
            if restorer is None:
                return None
            links.append(replace(link, restorer=restorer))
        return Chain(links)

    def __call__(
        self,
        picture: Picture,
        *,
        sigma: float | None = None,  # noqa: ARG002 (each step has its own)
        quality: float | None = None,  # noqa: ARG002
        strength: float = 1.0,
        tta: bool = False,
        size: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Restore one picture; `strength` blends the end of the chain with its beginning, resized.

        Raises:
            MemoryExhausted, PictureError: as for `Restorer.run`.
        """
        pixels = picture.pixels if picture.alpha is None else bleed(picture.pixels, picture.alpha)
        plain = Picture(to_unit(pixels))
        made = plain
        taken: list[Link] = []
        for number, link in enumerate(self.links):
            step = remeasured(link.step, made) if taken else link.step
            if step is None:
                continue
            made = link.restorer(
                made,
                sigma=step.sigma,
                quality=step.quality,
                strength=1.0,
                tta=tta,
                size=size if step.task == "upscale" else None,
                progress=_part(progress, number, len(self.links)),
            )
            taken.append(replace(link, step=step))
        self.taken = tuple(taken)
        if is_clipped(picture.pixels.dtype):
            spread_excess(made.pixels)
        out = blended(plain.pixels, made.pixels, strength)
        alpha = resized_alpha(picture.alpha, made.height, made.width)
        return picture.with_pixels(from_unit(out, picture.pixels.dtype), alpha).with_notes(*made.notes)


def remeasured(step: Step, picture: Picture) -> Step | None:
    """The step at the level that is left in a picture; None if there is nothing left to do."""
    if step.sigma is None:
        return step
    left = level_of_noise(estimate_noise(picture.pixels))
    return None if left is None else replace(step, sigma=min(step.sigma, left))


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    """A progress for one of `count` steps that tells that of all."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, count * total)
