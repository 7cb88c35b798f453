"""Picture in, Picture out: which networks run in which order, and what happens around them.

picture ─ color spread under transparency ─> [0, 1] ─> native networks ─> bicubic to the exact size ─┐
        └ alpha ─────────────────────────────────────> bicubic ─────────────────────────────────────┴─> picture
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsr_cli.engine.arrays import Progress, Unit, Watch, run_array, run_ensemble
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.files import safe_text
from nsr_cli.imaging.alpha import bleed
from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resize import resize
from nsr_cli.model.checkpoint import load_network
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.levels import noise_level, quality_level
from nsr_cli.weights.store import WeightStore

MAX_SCALE = 16.0
TASKS = ("upscale", "denoise", "dejpeg")


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that a restorer has loaded: the name in the manifest or of the file, and the file's sha256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Stage:
    """One network, loaded."""

    weights: Weights
    config: NetworkConfig
    runner: Runner


class Restorer:
    """One task with its weights on one device. Make it with `Restorer.load`; calls are independent."""

    def __init__(self, task: str, scale: float, stages: Sequence[_Stage]) -> None:
        self.task, self.scale = task, scale
        self._stages = tuple(stages)
        distinct = dict.fromkeys(stage.weights for stage in self._stages)
        self.entries = tuple(distinct)
        self.device = str(self._stages[0].runner.device)

    @classmethod
    def load(
        cls,
        task: str,
        *,
        scale: float | None = None,
        color: str = "rgb",
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        limits: Limits | None = None,
        store: WeightStore | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> "Restorer":
        """Load the weights of a task.

        Args:
            task: `upscale`, `denoise` or `dejpeg`.
            scale: factor of `upscale`, above 1 and up to 16; it is composed of native factors and resized.
            color: `rgb` or `gray`: which pictures will come; the others work too.
            model: name in the manifest, tier (`base`, `lite`) or file; default: the best there is.
            device, precision, limits: as for `engine.runner.Runner`.
            store: where weights come from; default: the package, the cache, the network.
            notice: told what was changed to get a picture done.

        Raises:
            UsageError: a scale, model, device or precision that does not exist or fit.
            WeightsError, FetchError: the weights are absent, damaged or unreachable.
        """
        if task not in TASKS:
            raise UsageError(f"no such task: {task!r}; use {', '.join(TASKS)}")
        factor = _checked_scale(task, scale)
        store = store if store is not None else WeightStore()
        loaded: dict[int, _Stage] = {}
        for native in set(_native_steps(task, factor, model, store)):
            weights, data = _read(store, model, task, native, color)
            network = load_network(data, weights.name)
            _check_fits(network.config, task, weights.name)
            loaded[native] = _Stage(
                weights, network.config, Runner(network, device, precision, limits, notice)
            )
        steps = compose(factor, [stage.config.scale for stage in loaded.values()])
        by_scale = {stage.config.scale: stage for stage in loaded.values()}
        return cls(task, factor, [by_scale[step] for step in steps])

    @property
    def name(self) -> str:
        """Names of the weights, joined with `+`."""
        return "+".join(entry.name for entry in self.entries)

    @property
    def sha256(self) -> str:
        """Digests of the weights, joined with `+`."""
        return "+".join(entry.sha256 for entry in self.entries)

    @property
    def precision(self) -> str:
        """Number type of the arithmetic."""
        return self._stages[0].runner.precision

    def run(
        self,
        array: Unit,
        *,
        sigma: float | None = None,
        quality: float | None = None,
        tta: bool = False,
        progress: Progress | None = None,
    ) -> Unit:
        """Restore pixels.

        Args:
            array: (H, W, C) float32 with black 0 and white 1, C 1 or 3.
            sigma: noise level on the 0…255 scale; `denoise` needs it.
            quality: JPEG quality 1…100; `dejpeg` needs it.
            tta: average the results over the eight flips and turns (self-ensemble); eight times the work.
            progress: told parts done and parts in all.

        Returns:
            (round(scale·H), round(scale·W), C) float32, finite, not clipped.

        Raises:
            UsageError: the level that the task needs is missing.
            MemoryExhausted, PictureError: as for `Runner.run`.
        """
        level = self._level(sigma, quality)
        height, width = (round(side * self.scale) for side in array.shape[:2])
        count = len(self._stages) * (8 if tta else 1)
        watch = Watch(progress, count)
        out = array
        for stage in self._stages:
            out = (run_ensemble if tta else run_array)(stage.runner, out, level, watch)
        return out if out.shape[:2] == (height, width) else resize(out, height, width)

    def __call__(
        self,
        picture: Picture,
        *,
        sigma: float | None = None,
        quality: float | None = None,
        strength: float = 1.0,
        tta: bool = False,
        size: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Restore a picture; its metadata, depth, gray or color and transparency stay.

        Args:
            picture: the picture.
            strength: 1 the network's result, 0 the plain bicubic resize or the input, in between a blend.
            size: width and height of the result in place of the restorer's scale.
            sigma, quality, tta, progress: as for `run`.

        Raises:
            UsageError, MemoryExhausted, PictureError: as for `run`.
        """
        pixels = picture.pixels if picture.alpha is None else bleed(picture.pixels, picture.alpha)
        plain = to_unit(pixels)
        restored = self.run(plain, sigma=sigma, quality=quality, tta=tta, progress=progress)
        width, height = size or (restored.shape[1], restored.shape[0])
        if restored.shape[:2] != (height, width):
            restored = resize(restored, height, width)
        if strength != 1.0:
            base = plain if plain.shape == restored.shape else resize(plain, height, width)
            restored = base + np.float32(strength) * (restored - base)
        return picture.with_pixels(
            from_unit(restored, pixels.dtype), _resized_alpha(picture.alpha, height, width)
        )

    def _level(self, sigma: float | None, quality: float | None) -> torch.Tensor | None:
        """The level for the networks, (1,) in [0, 1], or None where they take none."""
        if self._stages[0].config.levels == 0:
            return None
        if self.task == "denoise":
            if sigma is None:
                raise UsageError("denoising needs a noise level; give --sigma N or --sigma auto")
            return torch.tensor([noise_level(sigma)])
        if quality is None:
            raise UsageError("removing JPEG artifacts needs a quality; give -q N or -q auto")
        return torch.tensor([quality_level(quality)])


def compose(factor: float, natives: Sequence[int]) -> list[int]:
    """The native factors whose product reaches `factor` in the fewest steps, and then exceeds it least.

    ×8 of 2, 3, 4 is 4·2, ×2.5 is 3, ×16 is 4·4. The larger steps come first: they see the original pixels.
    """
    if factor == 1:
        return [1]
    for length in range(1, 5):
        fitting = [
            c for c in combinations_with_replacement(sorted(natives), length) if prod(c) >= factor - 1e-9
        ]
        if fitting:
            return sorted(min(fitting, key=prod), reverse=True)
    raise UsageError(
        f"×{factor:g} cannot be composed of ×{', ×'.join(map(str, natives))}; choose another --model"
    )


def _checked_scale(task: str, scale: float | None) -> float:
    if task != "upscale":
        return 1.0
    if scale is None or not 1 < scale <= MAX_SCALE:
        raise UsageError(
            f"cannot upscale by {scale}; give a factor above 1 and up to {MAX_SCALE:g}, such as -s 2"
        )
    return float(scale)


def _native_steps(task: str, factor: float, model: str | None, store: WeightStore) -> list[int]:
    """Native factors that must be loaded: those of the manifest, or the one that a chosen model has."""
    if task != "upscale":
        return [1]
    if model is not None:
        chosen = None if model in ("base", "lite") else store.manifest.resolve(model, task)
        if isinstance(chosen, Path):
            return [0]  # known once the file is read
        if chosen is not None and chosen.scale is not None:
            return [chosen.scale]
    natives = sorted({entry.scale for entry in store.manifest.entries if entry.task == task and entry.scale})
    if not natives:
        raise WeightsError("there are no weights for upscaling yet; give a file with --model")
    return compose(factor, natives)


def _read(store: WeightStore, model: str | None, task: str, native: int, color: str) -> tuple[Weights, bytes]:
    chosen = store.manifest.resolve(model, task, native if task == "upscale" and native else None, color)
    if isinstance(chosen, Path):
        try:
            data = chosen.read_bytes()
        except OSError as error:
            raise UsageError(
                f"cannot read the model {safe_text(chosen)}: {error.strerror or error}"
            ) from error
        return Weights(safe_text(chosen.stem), hashlib.sha256(data).hexdigest()), data
    entry, data = store.read(chosen)
    return Weights(entry.name, entry.sha256), data


def _check_fits(config: NetworkConfig, task: str, name: str) -> None:
    if (config.scale > 1) != (task == "upscale"):
        made_for = f"upscaling by {config.scale}" if config.scale > 1 else "denoising or JPEG artifacts"
        raise UsageError(f"{name} is a network for {made_for}, not for {task}; choose another --model")


def _resized_alpha(alpha: NDArray[Any] | None, height: int, width: int) -> NDArray[Any] | None:
    """Alpha on its own path: bicubic, and exactly opaque where it was."""
    if alpha is None or alpha.shape == (height, width):
        return alpha
    return from_unit(resize(to_unit(alpha[..., None]), height, width).clip(0, 1), alpha.dtype)[..., 0]
