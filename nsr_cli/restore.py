"""Picture in, Picture out: which networks run in which order, and what happens around them.

picture ─ color spread under transparency ─> [0, 1] ─> native networks ─> bicubic to the exact size ─┐
        └ alpha ─────────────────────────────────────> bicubic ─────────────────────────────────────┴─> picture
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from math import ceil
from operator import mul
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike

from nsr_cli.engine.arrays import Unit, blended, run_array, run_ensemble
from nsr_cli.engine.bands import Bands, collect, picture_bands
from nsr_cli.engine.clipping import is_clipped, spread_excess
from nsr_cli.engine.levels import network_level, runs_by_channel
from nsr_cli.engine.progress import OverallProgress, Progress
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stages import Stage, bytes_in_one_piece, checked_scale, load_stages
from nsr_cli.engine.stream import Finish, plan, restored_bands
from nsr_cli.errors import UsageError
from nsr_cli.imaging.alpha import bleed, resized_alpha
from nsr_cli.imaging.color import from_unit, planar, to_unit
from nsr_cli.imaging.picture import Picture, Pixels
from nsr_cli.imaging.resize import resize
from nsr_cli.model.network import Network
from nsr_cli.weights.entry import TASKS
from nsr_cli.weights.store import WeightStore

# Windows for each core up to which small pictures are restored side by side. Of eight, one core more or less does
# not matter much, and a single picture is not kept waiting for long.
_FEW = 8


class Restorer:
    """One task with its weights on one device. Make it with `Restorer.load`; calls are independent."""

    def __init__(self, task: str, scale: float, stages: Sequence[Stage]) -> None:
        self.task, self.scale = task, scale
        self._stages = tuple(stages)
        self.factors = tuple(stage.config.scale for stage in self._stages)  # in the order in which they run
        distinct = dict.fromkeys(stage.weights for stage in self._stages)
        self.entries = tuple(distinct)

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
        factor = checked_scale(task, scale)

        def run(network: Network) -> Runner:
            return Runner(network, device, precision, limits, notice)

        store = store if store is not None else WeightStore()
        return cls(task, factor, load_stages(task, factor, color, model, store, run))

    @property
    def name(self) -> str:
        """Names of the weights, joined with `+`."""
        return "+".join(entry.name for entry in self.entries)

    @property
    def sha256(self) -> str:
        """Digests of the weights, joined with `+`."""
        return "+".join(entry.sha256 for entry in self.entries)

    @property
    def channels(self) -> int:
        """Channels of the pictures that the networks were made for: 3 RGB, 1 gray; others work too."""
        return self._stages[0].config.channels

    def on_one_core(self, picture: Picture, side_by_side: int) -> "Restorer | None":
        """The same on one core of the CPU, for a picture so small that it cannot be shared out well.

        Args:
            picture: the picture.
            side_by_side: how many such pictures would be restored at the same time.

        Returns:
            None if it computes elsewhere, or if a picture of this size is sooner done by all cores.
        """
        side = max(accumulate((stage.config.scale for stage in self._stages[:-1]), mul, initial=1))
        window = min(stage.config.window for stage in self._stages)
        windows = ceil(picture.height * side / window) * ceil(picture.width * side / window)
        memory = picture.pixels.nbytes + self.float_bytes(picture.pixels.shape)
        fits = windows <= _FEW * side_by_side and memory * side_by_side <= self.memory
        if not fits or not all(stage.runner.shares_memory for stage in self._stages):
            return None
        runners = {stage.runner: stage.runner.on_one_core() for stage in self._stages}
        return Restorer(
            self.task, self.scale, [replace(stage, runner=runners[stage.runner]) for stage in self._stages]
        )

    @property
    def device(self) -> str:
        """Where it computes now: out of memory elsewhere, it goes on with the CPU."""
        return str(self._stages[0].runner.device)

    @property
    def precision(self) -> str:
        """Number types of the last picture's arithmetic, joined with `+`: what overflowed was computed in fp32."""
        used = set[str]().union(*(stage.runner.used for stage in self._stages))
        return "+".join(sorted(used)) or self._stages[0].runner.precision

    def _forget_precision(self) -> None:
        for stage in self._stages:
            stage.runner.used.clear()

    def run(
        self,
        array: Unit,
        *,
        sigma: float | None = None,
        quality: float | None = None,
        tta: bool = False,
        clipped: bool = True,
        progress: Progress | None = None,
    ) -> Unit:
        """Restore pixels.

        Args:
            array: (H, W, C) float32 with black 0 and white 1, C 1 or 3.
            sigma: noise level on the 0…255 scale; `denoise` needs it.
            quality: JPEG quality 1…100; `dejpeg` needs it.
            tta: average the results over the eight flips and turns (self-ensemble); eight times the work.
            clipped: whether the result is going to be clipped, as integers are: what is cut off is made up for.
            progress: told parts done and parts in all.

        Returns:
            (round(scale·H), round(scale·W), C) float32, finite, not clipped.

        Raises:
            UsageError: the level that the task needs is missing.
            MemoryExhausted, PictureError: as for `Runner.run`.
        """
        level = self._level(sigma, quality, array.shape[2])
        height, width = (round(side * self.scale) for side in array.shape[:2])
        by_channel = self._by_channel(array.shape[2])
        count = len(self._stages) * (8 if tta else 1) * (array.shape[2] if by_channel else 1)
        watch = OverallProgress(progress, count)
        out = array
        for stage in self._stages:
            out = (run_ensemble if tta else run_array)(stage.runner, out, level, watch, by_channel=by_channel)
        if out.shape[:2] != (height, width):
            out = resize(out, height, width)
        if clipped:
            spread_excess(out)
        return out

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
        self._forget_precision()
        pixels = picture.pixels if picture.alpha is None else bleed(picture.pixels, picture.alpha)
        if not tta and picture.pixels.nbytes + self.float_bytes(pixels.shape) > self.memory:
            return self._by_bands(
                picture, pixels, sigma=sigma, quality=quality, strength=strength, size=size, progress=progress
            )
        # Plane by plane, as networks read it, there is no need for a copy.
        plain = to_unit(planar(pixels))
        restored = self.run(plain, sigma=sigma, quality=quality, tta=tta, clipped=False, progress=progress)
        if size is not None and restored.shape[1::-1] != size:
            restored = resize(restored, size[1], size[0])
        if is_clipped(pixels.dtype):
            spread_excess(restored)
        restored = blended(plain, restored, strength)
        alpha = resized_alpha(picture.alpha, *restored.shape[:2])
        return picture.with_pixels(from_unit(restored, pixels.dtype), alpha)

    def _by_bands(self, picture: Picture, pixels: Pixels, **options: Any) -> Picture:
        """A call for a picture that would take too much memory in float, with these pixels in place of its own."""
        samples = pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
        memory = max(self.memory - int(samples * (1 + self.scale**2)), self.memory // 16)
        bands = self.bands(picture_bands(pixels), pixels.dtype, memory=memory, strict=False, **options)
        alpha = resized_alpha(picture.alpha, bands.shape.height, bands.shape.width)
        return picture.with_pixels(collect(bands, pixels.dtype), alpha)

    def bands(
        self,
        source: Bands,
        dtype: DTypeLike,
        *,
        sigma: float | None = None,
        quality: float | None = None,
        strength: float = 1.0,
        size: tuple[int, int] | None = None,
        memory: int | None = None,
        strict: bool = True,
        clipped: bool | None = None,
        progress: Progress | None = None,
    ) -> Bands:
        """Restore a picture that is never in memory as a whole, nor is the result.

        Args:
            source: the picture's rows, in gray or RGB.
            dtype: of the result's rows, uint8, uint16 or float32.
            sigma, quality, strength, size, progress: as for a call.
            memory: bytes that it may take; default: what the limits say, else half of what is free.
            strict: rather fail than take more.
            clipped: as for `run`; None: if `dtype` is of integers.

        Raises:
            UsageError: the level that the task needs is missing.
            MemoryExhausted: it needs more memory. While rows are read: also PictureError, as for `Runner.run`.
        """
        self._forget_precision()
        shape, finished = source.shape, np.dtype(dtype).itemsize
        natural = (round(shape.height * self.scale), round(shape.width * self.scale))
        sizes = [natural] if size is None else [natural, (size[1], size[0])]
        runners = [stage.runner for stage in self._stages]
        tile_plans = plan(
            runners,
            shape,
            memory or self.memory,
            finished if strength == 1.0 else 4,
            strict=strict,
            by_channel=self._by_channel(shape.channels),
        )
        level = self._level(sigma, quality, shape.channels)
        clipped = is_clipped(dtype) if clipped is None else clipped
        finish = Finish(lambda rows: from_unit(rows, dtype), clipped)
        return restored_bands(source, tile_plans, level, sizes, strength, finish, progress)

    def float_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes that a picture (H, W, C) takes if it is computed in one piece, stored samples left out."""
        return bytes_in_one_piece(self._stages, self.scale, shape)

    @property
    def memory(self) -> int:
        """Bytes that one picture may take: what the limits say, else half of what is free."""
        return self._stages[0].runner.memory

    def _by_channel(self, channels: int) -> bool:
        return runs_by_channel(self.task, self._stages[0].config, channels)

    def _level(self, sigma: float | None, quality: float | None, channels: int) -> torch.Tensor | None:
        """The level for the networks, (1,) in [0, 1], or None where they take none; `channels` are the picture's."""
        level = network_level(self.task, self._stages[0].config, sigma, quality, channels)
        return None if level is None else torch.tensor([level], dtype=torch.float32)
