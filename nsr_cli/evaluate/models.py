"""What can be scored: networks, and baselines without one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.resizing.resize import resize

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer

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
class Named:
    """A network under its name in a table; with `tta` its geometric self-ensemble (EDSR, 2017, Sec. 3.4)."""

    restorer: "Restorer"
    name: str
    tta: bool = False

    @property
    def sha256(self) -> str:
        """Digest of its weights."""
        return self.restorer.sha256

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:
        """(H, W, C) in [0, 1] to (sH, sW, C), about [0, 1]; eight times the work with `tta`."""
        return self.restorer.run(array, sigma=sigma, quality=quality, tta=self.tta)


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
