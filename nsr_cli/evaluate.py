"""Picture sets and models to scores: the measuring protocol, stated once.

    file -> original, 8 bit -> degraded, in [0, 1] -> model -> restored, 8 bit -> PSNR, SSIM
            crop, gray?        bicubic | noise | JPEG                            shave, Y?

| task    | degraded by                               | scored on                           | shaved        |
|---------|-------------------------------------------|-------------------------------------|---------------|
| upscale | MATLAB bicubic, rounded to 8 bit          | Y; DIV2K on RGB                     | scale; +6 RGB |
| denoise | noise in float, not clipped, seed by name | RGB; gray sets and Urban100 on gray | none          |
| dejpeg  | libjpeg's standard tables                 | gray, which is Y rounded to 8 bit   | none          |

Y is BT.601 studio range and not rounded after restoration; gray pictures are scored as they are stored. The
mean over a set is the mean of its pictures' figures.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nsr_cli.datasets.registry import PictureSet
from nsr_cli.errors import DataError, PictureError
from nsr_cli.files import safe_text
from nsr_cli.imaging.codec import decode
from nsr_cli.imaging.color import from_unit, luma, rgb_to_ycc, to_unit
from nsr_cli.imaging.degrade import add_noise, crop_to_multiple, jpeg
from nsr_cli.imaging.resize import downscale8, resize
from nsr_cli.metrics import WINDOW, psnr, shave, ssim

Task = Literal["upscale", "denoise", "dejpeg"]
Pixels = NDArray[np.uint8]
Unit = NDArray[np.float32]
Progress = Callable[[int, int], None]  # pictures done, of how many

# Color sets that the denoising papers score as gray pictures.
GRAY_DENOISING = frozenset({"Urban100"})
# The column of the paper's tables that a baseline is compared with.
PAPER_BASELINE: Mapping[Task, str] = {"upscale": "Bicubic", "dejpeg": "JPEG", "denoise": "none"}


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
class Case:
    """One line of a benchmark: which pictures, degraded how."""

    set: PictureSet
    task: Task
    scale: int = 1  # denoise and dejpeg keep it at 1
    sigma: float | None = None  # of the noise, in 8-bit levels
    quality: int | None = None  # of the JPEG, 1..100

    @property
    def level(self) -> float:
        """The number that tells the degradation's strength: scale, sigma or quality."""
        return {"upscale": self.scale, "denoise": self.sigma, "dejpeg": self.quality}[self.task] or 0

    @property
    def on_gray(self) -> bool:
        """Whether color pictures are made gray before they are degraded."""
        return self.task == "dejpeg" or (self.task == "denoise" and self.set.name in GRAY_DENOISING)

    @property
    def on_rgb(self) -> bool:
        """Whether color pictures are scored on their three channels rather than on Y."""
        return self.task == "denoise" or self.set.scored_on == "rgb"

    @property
    def border(self) -> int:
        """Pixels that are shaved from each side before scoring."""
        if self.task != "upscale":
            return 0
        return self.scale + 6 if self.on_rgb else self.scale


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one model in one case. `psnr` in dB; `paper` maps a column's name to its figures."""

    set: str
    task: Task
    scale: int | None
    sigma: float | None
    quality: int | None
    model: str
    model_sha256: str | None
    images: int
    psnr: float
    ssim: float
    seconds_per_image: float
    paper: Mapping[str, Mapping[str, float | None]] | None

    def as_json(self) -> dict[str, Any]:
        """The row with JSON's types only: an infinite PSNR becomes null."""
        return asdict(self) | {"psnr": self.psnr if math.isfinite(self.psnr) else None}


def evaluate(
    case: Case,
    images: Sequence[Path],
    model: Model,
    *,
    progress: Progress | None = None,
) -> Row:
    """Degrade, restore and score every picture of a set.

    Raises:
        DataError: there are no pictures, or one cannot be read or is too small to be scored.
        NsrError: what the model raises.
    """
    if not images:
        raise DataError(f"{case.set.name}: no pictures; see `nsr data list`")
    scores: list[tuple[float, float]] = []
    seconds = 0.0
    for done, path in enumerate(images):
        if progress is not None:
            progress(done, len(images))
        target = original(path, case)
        source = degraded(target, case, path.stem)
        start = time.perf_counter()
        output = model.run(source, sigma=case.sigma, quality=case.quality)
        seconds += time.perf_counter() - start
        scores.append(score(from_unit(output, np.uint8), target, case))
    if progress is not None:
        progress(len(images), len(images))
    mean_psnr, mean_ssim = (float(np.mean(column)) for column in zip(*scores, strict=True))
    return Row(
        set=case.set.name,
        task=case.task,
        scale=case.scale if case.task == "upscale" else None,
        sigma=case.sigma,
        quality=case.quality,
        model=model.name,
        model_sha256=model.sha256,
        images=len(images),
        psnr=mean_psnr,
        ssim=mean_ssim,
        seconds_per_image=seconds / len(images),
        paper=paper_scores(case, baseline=model.sha256 is None),
    )


def original(path: Path, case: Case) -> Pixels:
    """Read the picture that restoration should give back: (H, W, C), C 1 or 3, cropped for set and scale."""
    try:
        picture = decode(path.read_bytes())
    except (OSError, PictureError) as error:
        raise DataError(f"{safe_text(path)}: cannot be scored: {error}") from error
    pixels = from_unit(to_unit(picture.pixels), np.uint8)
    height, width = case.set.crop_size(*pixels.shape[:2])
    pixels = pixels[:height, :width]
    if pixels.shape[2] == 3 and case.on_gray:
        pixels = _gray(pixels, case.task)
    pixels = crop_to_multiple(pixels, case.scale)
    if min(pixels.shape[:2]) < WINDOW + 2 * case.border:
        raise DataError(
            f"{safe_text(path)}: {pixels.shape[1]}×{pixels.shape[0]} pixels are too few to be scored"
        )
    return pixels


def degraded(pixels: Pixels, case: Case, stem: str) -> Unit:
    """(H, W, C) to the model's input, (H, W, C) float32; noise may leave [0, 1]."""
    if case.task == "upscale":
        return to_unit(downscale8(pixels, case.scale))
    if case.task == "dejpeg":
        return to_unit(jpeg(pixels, int(case.level)))
    return (add_noise(pixels, case.level, stem) / 255).astype(np.float32)


def score(restored: Pixels, target: Pixels, case: Case) -> tuple[float, float]:
    """PSNR in dB and SSIM of two 8-bit pictures (H, W, C) of the same shape."""
    if restored.shape != target.shape:
        raise ValueError(f"the model returned {restored.shape}, the original is {target.shape}")
    pair = (restored, target) if case.on_rgb else (luma(restored), luma(target))
    first, second = (shave(pixels, case.border) for pixels in pair)
    return psnr(first, second), ssim(first, second)


def paper_scores(case: Case, *, baseline: bool = False) -> Mapping[str, Mapping[str, float | None]] | None:
    """What the paper prints for this case, by column: networks, or only the baseline; None if nothing.

    An SSIM that the paper measured in another way is None.
    """
    text = (resources.files("nsr_cli") / "paper_scores.json").read_text(encoding="utf-8")
    columns = json.loads(text)[case.task].get(case.set.name, {}).get(f"{case.level:g}", {})
    kept = {
        name: {"psnr": figures[0], "ssim": figures[1]}
        for name, figures in columns.items()
        if (name == PAPER_BASELINE[case.task]) == baseline
    }
    return kept or None


def _gray(pixels: Pixels, task: Task) -> Pixels:
    """(H, W, 3) to (H, W, 1): studio-range Y for JPEG, full-range luma for noise, as their papers do."""
    plane = luma(pixels) if task == "dejpeg" else rgb_to_ycc(pixels.astype(np.float64), 255)[..., 0]
    return np.rint(plane).astype(np.uint8)[..., np.newaxis]
