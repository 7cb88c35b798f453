"""How much memory the features of a run's networks take, found out without loading a network."""

import dataclasses
import json
import struct
from contextlib import suppress
from math import prod
from pathlib import Path

from nsr_cli.cli.settings import Settings
from nsr_cli.errors import NsrError, UsageError
from nsr_cli.machine import usable_threads
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.footprint import bytes_at_work, bytes_per_pixel
from nsr_cli.weights.manifest import load_manifest
from nsr_cli.weights.store import WeightStore

_LARGEST_NATIVE = 4
_LONGEST_HEADER = 1 << 20
_FLOAT = 4


def computing(settings: Settings, size: tuple[int, int], colors: int) -> int:
    """Bytes that a picture takes at the most while it goes through the networks in one piece, in float.

    Args:
        settings: of the run.
        size: width and height.
        colors: channels of the picture, without alpha.
    """
    inside = not settings.device.startswith(("cuda", "mps"))
    most, begin = 0.0, float(prod(size))
    pixels = begin
    for task in _tasks(settings, size):
        pixels = begin
        for config in _configs(settings, task, *size):
            averaged = _FLOAT * config.channels * (1 + config.scale**2) if settings.tta else 0
            at_work = bytes_at_work(config, pixels, usable_threads()) if inside else 0
            each = bytes_per_pixel(config, colors, inside=inside) + averaged
            most = max(most, pixels * each + at_work)
            pixels *= config.scale**2
    made, wanted = _FLOAT * pixels * colors, _FLOAT * prod(settings.result_size(*size)) * colors
    finishing = max(made, wanted) + (wanted if made != wanted or settings.strength != 1.0 else 0)
    beside = 2 * _FLOAT * begin * colors if settings.task == "auto" else 0  # see `Chain`
    return int(max(most, finishing) + beside)


def least(settings: Settings, size: tuple[int, int], colors: int, depth: int) -> int:
    """Bytes that rows and tiles of a picture take at the least, when it goes through in bands.

    Args:
        settings: of the run.
        size: width and height.
        colors: channels of the picture, without alpha.
        depth: bytes of a sample of the result.
    """
    from nsr_cli.engine.device import choose_device  # torch: asked only where memory is short
    from nsr_cli.engine.stream import least_memory

    shares = not settings.device.startswith(("cuda", "mps"))
    with suppress(UsageError):  # which is said when the run starts
        shares = choose_device(settings.device).type == "cpu"
    finished = depth if settings.strength == 1.0 else _FLOAT
    tasks = _tasks(settings, size)
    steps = [(_configs(settings, task, *size), finished if task == tasks[-1] else _FLOAT) for task in tasks]
    # Each step of `auto` gets an equal part.
    return len(steps) * max(
        least_memory(configs, size[0], colors, after, shares_memory=shares) for configs, after in steps
    )


def _tasks(settings: Settings, size: tuple[int, int]) -> list[str]:
    """The steps that a picture may go through: of `auto` all that there are."""
    if settings.task != "auto":
        return [settings.task]
    return ["dejpeg", "denoise", *(["upscale"] if settings.factor(*size) > 1 else [])]


def _configs(settings: Settings, task: str, width: int, height: int) -> list[NetworkConfig]:
    """The networks in a row that a picture of this size goes through for a task."""
    from nsr_cli.engine.stages import compose

    factor = settings.factor(width, height) if task == "upscale" else 1.0
    first = _config(settings, task, min(int(-(-factor // 1)), _LARGEST_NATIVE))
    if factor == 1:
        return [first]
    own = settings.model_for("upscale")
    chosen = [first.scale] if own and Path(own).is_file() else range(2, _LARGEST_NATIVE + 1)
    with suppress(UsageError):
        return [dataclasses.replace(first, scale=scale) for scale in compose(factor, chosen)]
    return [first]


def _config(settings: Settings, task: str, native: int) -> NetworkConfig:
    """What the network that will be used is made of; a small one where that cannot be known."""
    with suppress(NsrError, OSError, ValueError, KeyError, TypeError, struct.error):
        chosen = load_manifest().resolve(
            settings.model_for(task), task, max(native, 2) if task == "upscale" else None
        )
        if not isinstance(chosen, Path) and chosen.preset in PRESETS:
            return PRESETS[chosen.preset]
        place = chosen if isinstance(chosen, Path) else WeightStore().locate(chosen)
        if place is None:
            return PRESETS["lite"]
        with place.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(length, _LONGEST_HEADER)))
        return NetworkConfig.from_dict(json.loads(header["__metadata__"]["nsr"])["config"])
    return PRESETS["lite"]
