"""How much memory the features of a run's networks take, found out without loading a network."""

import dataclasses
import json
import struct
from contextlib import suppress
from pathlib import Path

from nsr_cli.cli.settings import Settings
from nsr_cli.errors import NsrError, UsageError
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.weights.manifest import load_manifest

_LARGEST_NATIVE = 4
_LONGEST_HEADER = 1 << 20
_FLOAT = 4
_OVERHEAD = 1.1


def features(settings: Settings, width: int, height: int) -> int:
    """Bytes of the features of a picture of this size, all of them in memory; 0 if a GPU holds them for sure."""
    if settings.device.startswith(("cuda", "mps")):
        return 0
    factor = settings.factor(width, height)
    config = _config(settings, min(int(-(-factor // 1)), _LARGEST_NATIVE))
    per_pixel = (1 + config.expansion) * config.width * _FLOAT * _OVERHEAD
    stages = 1.0
    while factor > max(config.scale, 2) ** stages and config.scale > 1:
        stages += 1
    return int(width * height * per_pixel * config.scale ** (2 * (stages - 1)))


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
    return least_memory(_configs(settings, *size), size[0], colors, finished, shares_memory=shares)


def _configs(settings: Settings, width: int, height: int) -> list[NetworkConfig]:
    """The networks in a row that a picture of this size goes through."""
    from nsr_cli.engine.stages import compose

    factor = settings.factor(width, height)
    first = _config(settings, min(int(-(-factor // 1)), _LARGEST_NATIVE))
    if factor == 1:
        return [first]
    own = settings.model_for("upscale")
    chosen = [first.scale] if own and Path(own).is_file() else range(2, _LARGEST_NATIVE + 1)
    with suppress(UsageError):
        return [dataclasses.replace(first, scale=scale) for scale in compose(factor, chosen)]
    return [first]


def _config(settings: Settings, native: int) -> NetworkConfig:
    """What the network that will be used is made of; a small one where that cannot be known."""
    task = settings.task if settings.task != "auto" else "upscale" if settings.enlarges else "denoise"
    with suppress(NsrError, OSError, ValueError, KeyError, TypeError, struct.error):
        chosen = load_manifest().resolve(
            settings.model_for(task), task, max(native, 2) if task == "upscale" else None
        )
        if not isinstance(chosen, Path):
            return PRESETS[chosen.preset]
        with chosen.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(length, _LONGEST_HEADER)))
        return NetworkConfig.from_dict(json.loads(header["__metadata__"]["nsr"])["config"])
    return PRESETS["lite"]
