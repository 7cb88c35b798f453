"""One picture on its way from a file to its scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nsr_cli.datasets.registry import PictureSet
from nsr_cli.engine.finish import visible_color
from nsr_cli.errors import DataError, PictureError
from nsr_cli.imaging.codec import decode
from nsr_cli.imaging.color import from_unit, luma, rgb_to_ycc, to_unit
from nsr_cli.imaging.degrade import Subsampling, add_noise, crop_to_multiple, jpeg
from nsr_cli.imaging.limits import most_bytes, without_option
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import downscale8
from nsr_cli.metrics import WINDOW, psnr, shave, ssim
from nsr_cli.reads import read_regular
from nsr_cli.shown import safe_text

Task = Literal["upscale", "denoise", "dejpeg"]
Color = Literal["gray", "rgb"]
Pixels = NDArray[np.uint8]
Unit = NDArray[np.float32]
Shape = tuple[int, int, int]  # (H, W, C)

# How the errors of decoding end whose last words still say what is wrong, and not what to do.
_FINDINGS = ("cut off", "damaged", "given up")

# Color sets that the denoising papers score as gray pictures.
GRAY_DENOISING = frozenset({"Urban100"})


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a benchmark: a set of pictures and how they are degraded."""

    set: PictureSet
    task: Task
    scale: int = 1  # denoise and dejpeg keep it at 1
    sigma: float | None = None  # of the noise, in 8-bit levels
    quality: int | None = None  # of the JPEG, 1..100
    color: Color | None = None  # what denoise and dejpeg turn color pictures into; None: as in the papers
    subsampling: Subsampling = "4:2:0"  # of a color JPEG's chroma

    @property
    def level(self) -> float:
        """The strength of the degradation: scale, sigma or quality."""
        return {"upscale": self.scale, "denoise": self.sigma, "dejpeg": self.quality}[self.task] or 0

    @property
    def on_gray(self) -> bool:
        """Whether color pictures are converted to gray before they are degraded."""
        if self.task == "upscale":
            return False
        wanted = self.color or self._usual_color
        return self.set.color == "gray" or wanted == "gray"

    @property
    def on_rgb(self) -> bool:
        """Whether color pictures are scored on their three channels rather than on Y."""
        return self.set.scored_on == "rgb" if self.task == "upscale" else not self.on_gray

    @property
    def border(self) -> int:
        """Pixels that are shaved from each side before scoring."""
        if self.task != "upscale":
            return 0
        return self.scale + 6 if self.on_rgb else self.scale

    @property
    def is_usual(self) -> bool:
        """Whether the papers' scores were measured in this way, and on these pictures."""
        if self.set.differs:
            return False
        return self.task == "upscale" or self.on_gray == (
            self.set.color == "gray" or self._usual_color == "gray"
        )

    @property
    def _usual_color(self) -> Color:
        return "gray" if self.task == "dejpeg" or self.set.name in GRAY_DENOISING else "rgb"


class Score(NamedTuple):
    """The scores of one restored picture, or their means over several."""

    psnr: float  # dB
    ssim: float
    psnr_y: float | None = None  # dB on Y, where `psnr` is on RGB and `ssim` on Y: color JPEG


def original(path: Path, case: Case) -> Pixels:
    """Read the picture that restoration should give back: (H, W, C), C 1 or 3, cropped for set and scale."""
    return prepared(read(path), path, case)


def read(path: Path) -> Pixels:
    """The picture in a file, (H, W, C) uint8 with C 1 or 3, without transparency, as networks get it.

    Raises `DataError` that names the file if it holds no picture.
    """
    picture = decoded(path)
    pixels: Pixels = from_unit(to_unit(visible_color(picture), picture.white), np.uint8)
    return pixels


def decoded(path: Path, advice: str = "get the file again, or leave it out") -> Picture:
    """The picture in a file as it is stored. Raises as `read`, with `advice` where the error has none of its own."""
    try:
        return decode(read_regular(path, most_bytes()))
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{safe_text(path)}: cannot be read: {reason}; check the file") from error
    except PictureError as error:
        reason = _with_advice(without_option(str(error)), advice)
        raise DataError(f"{safe_text(path)}: cannot be scored: {reason}") from error


def _with_advice(reason: str, advice: str) -> str:
    """Why a picture cannot be decoded, with `advice` on what to do, unless it says so itself."""
    _, mark, last = reason.rpartition("; ")
    if mark and not last.endswith(_FINDINGS):
        return reason
    return f"{reason}; {advice}"


def prepared(pixels: Pixels, path: Path, case: Case) -> Pixels:
    """What restoration should give back, (H, W, C): cropped for set and scale, gray where the case is."""
    height, width = pixels.shape[:2]
    check_size(height, width, path, case)
    height, width = case.set.crop_size(height, width)
    pixels = pixels[:height, :width]
    if pixels.shape[2] == 3 and case.on_gray:
        pixels = _gray(pixels, case.task)
    return crop_to_multiple(pixels, case.scale)


def check_size(height: int, width: int, path: Path, case: Case) -> None:
    """Raise `DataError` if a picture of this size, in pixels, is too small to be scored in a case."""
    least = -(-(WINDOW + 2 * case.border) // case.scale) * case.scale
    if min(case.set.crop_size(height, width)) < least:
        raise DataError(
            f"{safe_text(path)}: {width}×{height} pixels are too few to be scored, which takes {least}×{least} here; "
            "leave it out"
        )


def degraded(pixels: Pixels, case: Case, stem: str) -> Unit:
    """(H, W, C) to the model's input, (H, W, C) float32; noise may leave [0, 1]."""
    if case.task == "upscale":
        return to_unit(downscale8(pixels, case.scale))
    if case.task == "dejpeg":
        return to_unit(jpeg(pixels, int(case.level), case.subsampling))
    return (add_noise(pixels, case.level, stem) / 255).astype(np.float32)


def score(restored: Pixels, target: Pixels, case: Case) -> Score:
    """Score two 8-bit pictures (H, W, C) of the same shape."""
    if restored.shape != target.shape:
        raise ValueError(f"the model returned {restored.shape}, the original is {target.shape}")
    pair, on_y = (restored, target), (luma(restored), luma(target))
    if case.task == "dejpeg" and case.on_rgb:
        return Score(psnr(*pair), ssim(*on_y), psnr(*on_y))
    first, second = (shave(pixels, case.border) for pixels in (pair if case.on_rgb else on_y))
    return Score(psnr(first, second), ssim(first, second))


def _gray(pixels: Pixels, task: Task) -> Pixels:
    """(H, W, 3) to (H, W, 1): studio-range Y for JPEG, full-range luma for noise, as their papers do."""
    plane = luma(pixels) if task == "dejpeg" else rgb_to_ycc(pixels.astype(np.float64), 255)[..., 0]
    return np.rint(plane).astype(np.uint8)[..., np.newaxis]
