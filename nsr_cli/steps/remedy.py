"""What would help a picture: from the findings of `imaging.findings` to the steps of a chain.

Compression comes first, since a denoising network would take blocks for detail. Only reliable findings count: a
picture that is left alone loses nothing, but one that is smoothed without need does.
"""

from dataclasses import dataclass

from nsr_cli.imaging.findings.inspect import Findings
from nsr_cli.model.levels import MAX_SIGMA

# A JPEG from this quality on, and noise up to this level, hardly show, and are better left alone. In photographs
# without noise, compressed at 30 to 95 or not at all, no more than LITTLE_NOISE was ever found.
GOOD_QUALITY = 90
LITTLE_NOISE = 3.0
A_PICTURE = 4.0
"""The least value of `picture_over_noise` for which there is a picture beneath the noise."""


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a chain and the level for its network."""

    task: str
    sigma: float | None = None
    quality: float | None = None

    @property
    def text(self) -> str:
        """The step in messages, such as `dejpeg (quality 37)`."""
        if self.quality is not None:
            return f"{self.task} (quality {self.quality:g})"
        return self.task if self.sigma is None else f"{self.task} (noise level {self.sigma:g})"


def remedies(findings: Findings) -> tuple[Step, ...]:
    """The steps that would help, in their order; none if nothing is bad enough, or certain enough."""
    steps = []
    quality = findings.jpeg.quality if findings.jpeg else findings.earlier_quality
    if quality is not None and quality < GOOD_QUALITY:
        steps.append(Step("dejpeg", quality=quality))
    sigma = level_of_noise(findings.noise) if is_picture(findings) else None
    if sigma is not None:
        steps.append(Step("denoise", sigma=sigma))
    return tuple(steps)


def is_picture(findings: Findings) -> bool:
    """Whether there is more than noise: in random pixels there is nothing to restore."""
    return findings.over_noise >= A_PICTURE


def level_of_noise(noise: tuple[float, ...]) -> float | None:
    """The level for denoising, that of the noisiest channel; None if there is too little noise to matter."""
    sigma = round(min(max(noise), MAX_SIGMA), 1)
    return sigma if sigma > LITTLE_NOISE else None
