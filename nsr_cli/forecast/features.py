"""How much memory the features of a run's networks take, computed without loading a network."""

import dataclasses
from contextlib import suppress
from math import prod

from nsr_cli.errors import NsrError, UsageError
from nsr_cli.forecast.networks import networks_of
from nsr_cli.machine import usable_threads
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.footprint import FLOAT_BYTES, bytes_at_work, bytes_per_pixel
from nsr_cli.planning.settings import Settings
from nsr_cli.weights.choice import compose

_NATIVE = (2, 3, 4)  # factors, if the available ones are unknown


def computing(settings: Settings, size: tuple[int, int], colors: int) -> int:
    """The most bytes that a picture takes while it goes through the networks in one piece, as float.

    `size` is its width and height, `colors` the number of its channels without alpha.
    """
    inside = not settings.device.startswith(("cuda", "mps"))
    most, begin = 0.0, float(prod(size))
    pixels = begin
    for task in _tasks(settings, size):
        pixels = begin
        for config in _networks(settings, task, size, colors):
            averaged = FLOAT_BYTES * config.channels * (1 + config.scale**2) if settings.tta else 0
            at_work = bytes_at_work(config, pixels, usable_threads()) if inside else 0
            each = bytes_per_pixel(config, colors, inside=inside) + averaged
            most = max(most, pixels * each + at_work)
            pixels *= config.scale**2
    made, wanted = FLOAT_BYTES * pixels * colors, FLOAT_BYTES * prod(settings.result_size(*size)) * colors
    finishing = max(made, wanted) + (wanted if made != wanted or settings.strength != 1.0 else 0)
    beside = 2 * FLOAT_BYTES * begin * colors if settings.task == "auto" else 0  # see `Chain`
    return int(max(most, finishing) + beside)


def least(settings: Settings, size: tuple[int, int], colors: int, depth: int) -> int:
    """The fewest bytes that rows and tiles of a picture take if it is restored in bands.

    Size and colors are as for `computing`, `depth` is the number of bytes of a sample of the result.
    """
    from nsr_cli.engine.device import choose_device  # imports torch: needed only if memory is short
    from nsr_cli.engine.stream import least_memory

    shares = not settings.device.startswith(("cuda", "mps"))
    with suppress(UsageError):  # which is said when the run starts
        shares = choose_device(settings.device).type == "cpu"
    finished = depth if settings.strength == 1.0 else FLOAT_BYTES
    tasks = _tasks(settings, size)
    steps = [
        (_networks(settings, task, size, colors), finished if task == tasks[-1] else FLOAT_BYTES)
        for task in tasks
    ]
    # Each step of `auto` gets an equal part.
    return len(steps) * max(
        least_memory(configs, size[0], colors, after, shares_memory=shares) for configs, after in steps
    )


def _tasks(settings: Settings, size: tuple[int, int]) -> list[str]:
    """The tasks that a picture may go through; for `auto` all of them."""
    if settings.task != "auto":
        return [settings.task]
    return ["dejpeg", "denoise", *(["upscale"] if settings.factor(*size) > 1 else [])]


def _networks(settings: Settings, task: str, size: tuple[int, int], colors: int) -> list[NetworkConfig]:
    """The networks that a picture goes through for a task, in order; small ones if they are unknown."""
    factor = settings.factor(*size) if task == "upscale" else 1.0
    with suppress(NsrError, OSError, ValueError):  # which is said when the run starts
        return networks_of(settings, task, factor, "gray" if colors == 1 and task != "upscale" else "rgb")
    return [dataclasses.replace(PRESETS["lite"], scale=step) for step in compose(factor, _NATIVE)]
