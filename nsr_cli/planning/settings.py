"""What the command line asks for every picture of a run, and the sizes that follow from it."""

import math
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.errors import PictureError
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS

NATIVE = (2.0, 3.0, 4.0, 8.0, 16.0)
"""Factors from which a target size is reached by shrinking: the networks' own ones and their compositions."""
LOSSY = frozenset({"JPEG", "WEBP"})
"""Formats whose results depend on a quality, if one was asked for."""

_TAGS = {"denoise": "_denoised", "dejpeg": "_dejpeg", "auto": "_auto"}
_BYTES_IN_FLIGHT = 1 << 30  # bytes of results waiting to be written, unless something else is asked for


class LargeEnough(PictureError):
    """A picture that already has at least the target size; `size` is its width and height."""

    def __init__(self, text: str, size: tuple[int, int]) -> None:
        super().__init__(text)
        self.size = size


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one run of `upscale`, `denoise`, `dejpeg` or `auto`; None is "auto" or "not asked for"."""

    task: str
    scale: float | None = None
    width: int | None = None
    height: int | None = None
    fit: str = "contain"
    sigma: float | None = None
    jpeg_quality: float | None = None
    model: str | None = None
    models: tuple[tuple[str, str], ...] = ()
    """For `auto`: task and model of steps that do not use `model`."""
    strength: float = 1.0
    tta: bool = False
    write_quality: int | None = None
    strip: bool = False
    all_frames: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS
    device: str = "auto"
    precision: str = "auto"
    batch: int | None = None
    tile: int | None = None
    max_memory: int | None = None

    @property
    def enlarges(self) -> bool:
        """Whether results are larger than their inputs."""
        return self.task == "upscale" or bool(
            self.task == "auto" and (self.scale or self.width or self.height)
        )

    def model_for(self, task: str) -> str | None:
        """The weights chosen for a task; None for the best there are."""
        return dict(self.models).get(task, self.model)

    @property
    def tag(self) -> str:
        """What distinguishes a result's name from its input's: `_x4`, `_1920x1080`, `_1920w`, `_denoised`, `_auto`."""
        if self.task != "upscale":
            return _TAGS[self.task]
        if self.width and self.height:
            return f"_{self.width}x{self.height}"
        if self.width or self.height:
            return f"_{self.width}w" if self.width else f"_{self.height}h"
        return f"_x{self.scale:g}"

    def name_fields(self) -> dict[str, str]:
        """The fields of a name template that are the same for every picture."""
        levels = {"sigma": self.sigma, "quality": self.jpeg_quality}
        shown = {name: "auto" if value is None else f"{value:g}" for name, value in levels.items()}
        model = Path(self.model).name.removesuffix(".safetensors") if self.model else "auto"
        scale = f"{self.scale:g}" if self.scale else self.tag.removeprefix("_")
        return {"task": self.task, "scale": scale, "model": model, **shown}

    @property
    def largest_factor(self) -> float:
        """The most that any picture grows in each direction."""
        if not self.enlarges:
            return 1.0
        return self.scale or NATIVE[-1]

    @property
    def bytes_in_flight(self) -> int:
        """Memory for results that wait to be written."""
        return self.max_memory // 4 if self.max_memory else _BYTES_IN_FLIGHT

    def target_size(self, width: int, height: int) -> tuple[int, int] | None:
        """Width and height to reach from a picture of this size; None if a factor decides.

        Also None for pictures that have the size already and that `auto` therefore only repairs.

        Raises:
            LargeEnough: the picture has the size already.
            PictureError: it would have to grow more than 16 times.
        """
        if not self.enlarges or not (self.width or self.height):
            return None
        size = self._fitted(width, height)
        factor = max(size[0] / width, size[1] / height)
        if factor <= 1 and self.task == "auto":
            return None
        if factor <= 1:
            there = f"it has {width}x{height} pixels already; {size[0]}x{size[1]} would not enlarge it"
            raise LargeEnough(f"{there}: give a larger size, or a factor with -s", (width, height))
        if factor > NATIVE[-1]:
            raise PictureError(
                f"from {width}x{height} to {size[0]}x{size[1]} is more than {NATIVE[-1]:g} times; give at "
                f"most {NATIVE[-1] * width:.0f}x{NATIVE[-1] * height:.0f}"
            )
        return size

    def factor(self, width: int, height: int) -> float:
        """The factor to compute with: the one asked for, or the next that reaches the target size."""
        size = self.target_size(width, height)
        if size is None:
            return self.scale if self.scale and self.enlarges else 1.0
        needed = max(size[0] / width, size[1] / height)
        return next(factor for factor in NATIVE if factor >= needed)

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the result; PictureError as for `target_size`."""
        factor = self.factor(width, height)
        return self.target_size(width, height) or (round(width * factor), round(height * factor))

    def ratio(self, width: int, height: int) -> float | None:
        """How many times as wide the result is, for messages; None if nothing is enlarged.

        PictureError as for `target_size`.
        """
        if not self.enlarges:
            return None
        return self.scale or round(self.result_size(width, height)[0] / width, 4)

    def arguments(self, form: str | None = None, *, animated: bool = False) -> list[str]:
        """The command's arguments that decide the pixels of a result, without `nsr` and the inputs.

        `form` is its format; `animated` says whether the input was an animation.
        """
        parts: list[str] = [self.task]
        numbers = (
            ("--scale", self.scale),
            ("--width", self.width),
            ("--height", self.height),
            ("--sigma", self.sigma),
            ("--jpeg-quality", self.jpeg_quality),
        )
        for name, value in numbers:
            if value is not None:
                parts += [name, _exact(value)]
        if self.width and self.height:
            parts += ["--fit", self.fit]
        if self.strength != 1:
            parts += ["--strength", _exact(self.strength)]
        # Without folders: they are private.
        if self.model:
            parts += ["--model", Path(self.model).name]
        for task, model in self.models:
            parts += ["--model", f"{task}={Path(model).name}"]
        parts += ["--tta"] if self.tta else []
        if form in LOSSY and self.write_quality is not None:
            parts += ["--quality", str(self.write_quality)]
        return parts + (["--all-frames"] if animated and self.all_frames else [])

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        across = self.width / width if self.width else math.nan
        down = self.height / height if self.height else math.nan
        if self.width and self.height:
            if self.fit == "stretch":
                return self.width, self.height
            factor = min(across, down) if self.fit == "contain" else max(across, down)
        else:
            factor = across if self.width else down
        return max(1, round(width * factor)), max(1, round(height * factor))


def _exact(value: float) -> str:
    """A number in the fewest digits that give exactly that number again."""
    return repr(value).removesuffix(".0")
