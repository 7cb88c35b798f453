"""What would help a picture: from the findings of `imaging.findings` to the steps of a chain.

Compression comes first: a network against noise would take blocks for detail. Only what was found for sure counts;
a picture that is left alone loses nothing, one that is smoothed without need does.
"""

from dataclasses import dataclass

from nsr_cli.imaging.findings.inspect import Findings
from nsr_cli.model.levels import MAX_SIGMA

# Up to these a picture is better left alone: a JPEG of this quality and noise of this level hardly show. Of
# photographs without noise, compressed at 30 to 95 or not at all, none was found to have more than LITTLE_NOISE.
GOOD_QUALITY = 90
LITTLE_NOISE = 3.0
A_PICTURE = 4.0
"""Parts that differ this many times more than noise makes them are a picture; see `picture_over_noise`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a chain and the level that its network is told."""

    task: str
    sigma: float | None = None
    quality: float | None = None

    @property
    def text(self) -> str:
        """As messages have it, such as `dejpeg (quality 37)`."""
        if self.quality is not None:
            return f"{self.task} (quality {self.quality:g})"
        return self.task if self.sigma is None else f"{self.task} (noise level {self.sigma:g})"


def remedies(findings: Findings) -> tuple[Step, ...]:
    """The steps that would help, in their order; none where nothing is bad enough, or sure."""
    steps = []
    quality = findings.jpeg.quality if findings.jpeg else findings.earlier_quality
    if quality is not None and quality < GOOD_QUALITY:
        steps.append(Step("dejpeg", quality=quality))
    sigma = level_of_noise(findings.noise) if is_picture(findings) else None
    if sigma is not None:
        steps.append(Step("denoise", sigma=sigma))
    return tuple(steps)


def is_picture(findings: Findings) -> bool:
    """Whether there is more than noise: random pixels have nothing beneath it to restore."""
    return findings.over_noise >= A_PICTURE


def level_of_noise(noise: tuple[float, ...]) -> float | None:
    """The level to denoise with, of the noisiest channel; None if the noise is too little to matter."""
    sigma = round(min(max(noise), MAX_SIGMA), 1)
    return sigma if sigma > LITTLE_NOISE else None
