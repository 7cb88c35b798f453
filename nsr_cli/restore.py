"""Picture in, Picture out: which networks run in which order, and what happens around them.

picture ─ color spread under transparency ─> [0, 1] ─> native networks ─> bicubic to the exact size ─┐
        └ alpha ─────────────────────────────────────> bicubic ─────────────────────────────────────┴─> picture
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import DTypeLike

from nsr_cli.engine.arrays import Unit
from nsr_cli.engine.bands import Bands, collect, picture_bands
from nsr_cli.engine.cascade import Cascade
from nsr_cli.engine.clipping import is_clipped, spread_excess
from nsr_cli.engine.finish import finished, visible_color
from nsr_cli.engine.levels import Asked, found_levels, network_level, runs_by_channel, strongest_noise
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.engine.progress import Progress
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stages import Stage, checked_scale, load_stages
from nsr_cli.engine.stream import Finish, plan, restored_bands
from nsr_cli.errors import UsageError
from nsr_cli.imaging.alpha import resized_alpha
from nsr_cli.imaging.color import planar, to_unit
from nsr_cli.imaging.picture import Picture, Pixels
from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.model.network import Network
from nsr_cli.weights.entry import TASKS
from nsr_cli.weights.store import WeightStore


class Restorer:
    """One task with its weights on one device. Make it with `Restorer.load`.

    Calls are independent, also in several threads, except that `precision` covers everything computed since the last
    call began. To know it for each picture, read it before the next call begins, as `nsr` does.
    """

    taken: tuple[()] = ()
    """The steps that were taken, as for a `Chain`: always empty, since a restorer is a single step."""

    def __init__(self, task: str, scale: float, stages: Sequence[Stage]) -> None:
        self.task, self.scale = task, scale
        self._stages = tuple(stages)
        self._cascade = Cascade(self._stages, scale)
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
            scale: factor of `upscale`, above 1 and up to 16; native factors reach it, and the result is resized to it.
            color: `rgb` or `gray`, the kind of pictures to expect; the other kind works too.
            model: name in the manifest, tier (`base`, `lite`) or file; default: the best there is.
            device, precision, limits: as for `engine.runner.Runner`.
            store: where weights come from; default: the package, the cache, the network.
            notice: called with a line about each change that was needed to finish a picture.

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
        """Channels of the pictures that the networks were made for: 3 for RGB, 1 for gray; the others work too."""
        return self._stages[0].config.channels

    def on_one_core(self, picture: Picture, side_by_side: int) -> "Restorer | None":
        """The same restorer on one CPU core, for a picture too small to use all cores well.

        None if it does not compute on the CPU, or if all cores together finish such pictures sooner, one by one, than
        `side_by_side` of them with a core each.
        """
        cascade = self._cascade.on_one_core(picture, side_by_side)
        return None if cascade is None else Restorer(self.task, self.scale, cascade.stages)

    @property
    def device(self) -> str:
        """Where it computes now: it moves to the CPU when another device runs out of memory."""
        return str(self._stages[0].runner.device)

    @property
    def precision(self) -> str:
        """Number types of the last picture's arithmetic, joined with `+`; with fp32 if some overflowed in fp16."""
        return self._cascade.precision

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
            clipped: whether the result will be clipped, as integers are; then the loss is compensated.
            progress: called with parts done and parts in total.

        Returns:
            (round(scale·H), round(scale·W), C) float32, finite, not clipped.

        Raises:
            ValueError: the array is another one.
            UsageError: the level that the task needs is missing.
            MemoryExhausted, PictureError: as for `Runner.run`.
        """
        if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype.kind != "f":
            raise ValueError(f"pixels are (H, W, 1 or 3) floats in 0..1, not {array.shape} of {array.dtype}")
        level = self._level(sigma, quality, array.shape[2])
        by_channel = self._by_channel(array.shape[2])
        out = self._cascade.run(array, level, progress, tta=tta, by_channel=by_channel)
        if clipped:
            spread_excess(out)
        return out

    def __call__(
        self,
        picture: Picture,
        *,
        sigma: Asked = None,
        quality: Asked = None,
        strength: float = 1.0,
        tta: bool = False,
        size: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """`restore` with the fields of `RestoreOptions`, where each is explained, as keywords.

        A level can be "auto": it is measured. A picture without traces of JPEG is then returned as it is.
        """
        levels = found_levels(self.task, picture, sigma, quality)
        if levels is None:
            return picture
        return self.restore(picture, RestoreOptions(*levels, strength, tta, size), progress=progress)

    def restore(
        self, picture: Picture, options: RestoreOptions, *, progress: Progress | None = None
    ) -> Picture:
        """Restore a picture; the result has its metadata, depth, channels and transparency.

        `denoise` and `dejpeg` need a level in the options; `progress` is called with parts done and parts in total.

        Raises:
            UsageError, MemoryExhausted, PictureError: as for `run`.
        """
        self._cascade.forget_precision()
        pixels = visible_color(picture)
        if not options.tta and picture.pixels.nbytes + self.float_bytes(pixels.shape) > self.memory:
            return self._by_bands(picture, pixels, options, progress)
        # Networks read plane by plane, so this order saves a copy.
        plain = to_unit(planar(pixels), picture.white)
        restored = self.run(
            plain,
            sigma=options.sigma,
            quality=options.quality,
            tta=options.tta,
            clipped=False,
            progress=progress,
        )
        if options.size is not None and restored.shape[1::-1] != options.size:
            restored = resize(restored, *options.size[::-1])
        return finished(picture, plain, restored, options.strength)

    def _by_bands(
        self, picture: Picture, pixels: Pixels, options: RestoreOptions, progress: Progress | None
    ) -> Picture:
        """`restore` for a picture that would take too much memory as float; `pixels` replace its own."""
        samples = pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
        memory = max(self.memory - int(samples * (1 + self.scale**2)), self.memory // 16)
        source = picture_bands(pixels, picture.white)
        bands = self.bands(source, pixels.dtype, options, memory=memory, strict=False, progress=progress)
        alpha = resized_alpha(picture.alpha, *bands.shape.size)
        return picture.with_pixels(collect(bands, pixels.dtype), alpha)

    def bands(
        self,
        source: Bands,
        dtype: DTypeLike,
        options: RestoreOptions,
        *,
        memory: int | None = None,
        strict: bool = True,
        clipped: bool | None = None,
        progress: Progress | None = None,
    ) -> Bands:
        """Restore a picture without ever holding the whole of it, or of the result, in memory.

        Args:
            source: the picture's rows, in gray or RGB; the result has the same white.
            dtype: type of the result's rows, uint8, uint16 or float32.
            options: as for `restore`, but without `tta`, which needs the whole picture at once.
            memory: bytes that it may take; default: those of the limits, else half of what is free.
            strict: fail rather than take more.
            clipped: as for `run`; default: whether `dtype` is an integer type.
            progress: as for `restore`.

        Raises:
            UsageError: the level that the task needs is missing, or `tta` is asked for.
            MemoryExhausted: it needs more memory. While rows are read: also PictureError, as for `Runner.run`.
        """
        if options.tta:
            raise UsageError("the self-ensemble needs the whole picture in memory; leave out --tta")
        self._cascade.forget_precision()
        shape, natural = source.shape, self._cascade.size(*source.shape.size)
        sizes = [natural] if options.size is None else [natural, options.size[::-1]]
        stored = np.dtype(dtype if options.strength == 1.0 else np.float32).itemsize
        runners = [stage.runner for stage in self._stages]
        by_channel = self._by_channel(shape.channels)
        tile_plans = plan(runners, shape, memory or self.memory, stored, strict=strict, by_channel=by_channel)
        level = self._level(options.sigma, options.quality, shape.channels)
        clipped = is_clipped(dtype) if clipped is None else clipped
        limit = (1.0 if source.white is None else source.white.limit) if clipped else None
        finish = Finish(np.dtype(dtype), source.white, limit)
        return restored_bands(source, tile_plans, level, sizes, options.strength, finish, progress)

    def float_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes that a picture (H, W, C) takes if it is restored in one piece, without its stored samples."""
        return self._cascade.float_bytes(shape)

    @property
    def memory(self) -> int:
        """Bytes that one picture may take: those of the limits, else half of what is free."""
        return self._cascade.memory

    def _by_channel(self, channels: int) -> bool:
        return runs_by_channel(self.task, self._stages[0].config, channels)

    def _warn_of_strong_noise(self, sigma: float | None, channels: int) -> None:
        """Say, once, that a gray picture has more noise than a color network accepts as its level."""
        config = self._stages[0].config
        if self.task != "denoise" or sigma is None or channels >= config.channels or not config.levels:
            return
        most = strongest_noise(config, channels)
        if sigma > most:
            self._stages[0].runner.say(
                f"sigma {sigma:g} in a gray picture: {self.name} is for color ones, and is told {most:.0f}, the most "
                "that it knows in gray; use a gray network, such as denoise-gray"
            )

    def _level(self, sigma: float | None, quality: float | None, channels: int) -> torch.Tensor | None:
        """The level for the networks, (1,) in [0, 1], or None if they take none; `channels` are the picture's."""
        self._warn_of_strong_noise(sigma, channels)
        level = network_level(self.task, self._stages[0].config, sigma, quality, channels)
        return None if level is None else torch.tensor([level], dtype=torch.float32)
