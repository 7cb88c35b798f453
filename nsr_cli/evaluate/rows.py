"""The lines of a benchmark, with the scores that the paper prints for them."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from nsr_cli.evaluate.protocol import Case, Color, Task

# The column of the paper's tables to which a baseline is compared.
PAPER_BASELINE: Mapping[Task, str] = {"upscale": "Bicubic", "dejpeg": "JPEG", "denoise": "none"}


@dataclass(frozen=True, slots=True)
class PictureScore:
    """The scores of one restored picture, in the units of `Row`."""

    name: str
    psnr: float
    ssim: float
    seconds: float | None  # None for pictures that were restored before
    psnr_y: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The scores with JSON's types only, as in `Row.as_json`."""
        return asdict(self) | _finite(psnr=self.psnr, psnr_y=self.psnr_y)


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one model in one case. `psnr` in dB; `paper` maps a column's name to its scores."""

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
    seconds_per_image: float | None  # None for pictures that were restored before
    paper: Mapping[str, Mapping[str, float | None]] | None
    color: Color | None = None  # of the pictures that were restored; None for upscale
    subsampling: str | None = None  # of a color JPEG
    psnr_y: float | None = None  # dB, of a color JPEG, whose `psnr` is on RGB
    set_images: int | None = None  # pictures of the set; more than `images` where only the first were scored
    pictures: tuple[PictureScore, ...] = ()  # the scores above are the means of theirs

    @property
    def is_partial(self) -> bool:
        """Whether only the first pictures of the set were scored."""
        return self.set_images is not None and self.set_images > self.images

    @property
    def figures(self) -> dict[str, float]:
        """The scores as the manifest of weights lists them."""
        found = {"psnr": round(self.psnr, 3), "ssim": round(self.ssim, 4)}
        return found if self.psnr_y is None else found | {"psnr_y": round(self.psnr_y, 3)}

    def as_json(self, *, per_image: bool = False) -> dict[str, Any]:
        """The row with JSON's types only: an infinite PSNR becomes null. Single pictures only with `per_image`."""
        record = asdict(self) | _finite(psnr=self.psnr, psnr_y=self.psnr_y)
        del record["pictures"]
        return record | ({"per_image": [one.as_json() for one in self.pictures]} if per_image else {})


def _finite(**figures: float | None) -> dict[str, float | None]:
    return {
        name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()
    }


def paper_scores(case: Case, *, baseline: bool = False) -> Mapping[str, Mapping[str, float | None]] | None:
    """The paper's scores for this case, by column: those of networks, or only the baseline's; None without any.

    An SSIM that the paper measured in another way is None.
    """
    if not case.is_usual:
        return None
    text = (resources.files("nsr_cli") / "paper_scores.json").read_text(encoding="utf-8")
    columns = json.loads(text)[case.task].get(case.set.name, {}).get(f"{case.level:g}", {})
    kept = {
        name: {"psnr": figures[0], "ssim": figures[1]}
        for name, figures in columns.items()
        if (name == PAPER_BASELINE[case.task]) == baseline
    }
    return kept or None
