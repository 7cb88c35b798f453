"""What can be scored: networks, and baselines without one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.resize import resize

Unit = NDArray[np.float32]


class Model(Protocol):
    """What can be scored; `nsr_cli.restore.Restorer` is one."""

    @property
    def name(self) -> str:
        """Name for the table."""

    @property
    def sha256(self) -> str | None:
        """Digest of its weights, None where it has none."""

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:
        """(H, W, C) in [0, 1] to (sH, sW, C), about [0, 1]."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """No network: bicubic interpolation for `upscale`, else the degraded input as it is."""

    name: str
    scale: int = 1
    sha256: None = None

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:  # noqa: ARG002
        """(H, W, C) in [0, 1] to (sH, sW, C), not clipped."""
        if self.scale == 1:
            return array
        return resize(array, array.shape[0] * self.scale, array.shape[1] * self.scale)


@dataclass(frozen=True, slots=True)
class PerChannel:
    """A gray network on a color picture, each channel by itself: how papers denoise color without a color network."""

    model: Model

    @property
    def name(self) -> str:
        """Name for the table, which says so."""
        return f"{self.model.name}, each channel"

    @property
    def sha256(self) -> str | None:
        """Digest of the network's weights."""
        return self.model.sha256

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:
        """(H, W, C) in [0, 1] to (sH, sW, C), about [0, 1]."""
        planes = np.split(array, array.shape[2], axis=2)
        return np.concatenate(
            [self.model.run(plane, sigma=sigma, quality=quality) for plane in planes], axis=2
        )
