"""How good a network is while it trains: fixed held-out patches, or a whole benchmark set."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nsr_cli.datasets.registry import PictureSet
from nsr_cli.engine.runner import Runner
from nsr_cli.engine.stages import Stage, Weights
from nsr_cli.evaluate import Case, evaluate
from nsr_cli.model.network import Network
from nsr_cli.restore import Restorer
from nsr_cli.training.patches import Batch, PatchSource, Pixels
from nsr_cli.training.recipe import Task

Between = Callable[[], None]
"""Called before each picture or batch of a validation; what it raises ends the validation."""

Validate = Callable[[Network, Between], float]
"""PSNR in dB of a network."""

# The level at which a network for all levels is validated.
SIGMA, QUALITY = 25.0, 20
_BATCHES, _BATCH, _SEED = 4, 16, 2026


def patch_psnr(task: Task, pictures: Sequence[Pixels], patch: int, device: torch.device) -> Validate:
    """A measure by `mean_psnr` on patches of `pictures`, the same in every run; the pictures are not kept.

    Args:
        task: what the network undoes.
        pictures: (H, W, C) uint8 of the task's channels, each large enough for a crop.
        patch: side of a patch in input pixels.
        device: where the network will be.
    """
    source = PatchSource(task, pictures, patch, _SEED, device)
    batches = [source.batch(step, _BATCH) for step in range(_BATCHES)]
    return lambda network, between: mean_psnr(network, batches, between)


def mean_psnr(network: Network, batches: Sequence[Batch], between: Between) -> float:
    """Mean PSNR in dB of fixed patches over all channels, clipped and not rounded: a yardstick, not a benchmark."""
    scores = []
    with torch.inference_mode():
        for batch in batches:
            between()
            error = network(batch.input, batch.level).clamp(0, 1) - batch.target
            scores.append(-10 * torch.log10(error.square().mean(dim=(1, 2, 3)).clamp_min(1e-10)))
    return float(torch.cat(scores).mean())


def restorer_of(network: Network, task: Task, device: str) -> Restorer:
    """A network in training as a model for `evaluate`, in float32: it restores as it will for users."""
    stage = Stage(Weights("training", ""), network.config, Runner(network, device, "fp32"))
    return Restorer(task.kind, task.scale, [stage])


def case_of(task: Task, pictures: PictureSet, level: float | None = None) -> Case:
    """How a network of the task is scored on a set: in color if it restores color. `level` is sigma or quality."""
    if task.kind == "upscale":
        return Case(pictures, task.kind, scale=task.scale)
    if task.kind == "denoise":
        return Case(pictures, task.kind, sigma=SIGMA if level is None else level, color=task.color)
    return Case(pictures, task.kind, quality=QUALITY if level is None else int(level), color=task.color)


def set_psnr(task: Task, pictures: PictureSet, files: Sequence[Path], device: str) -> Validate:
    """A measure by the mean PSNR in dB on a benchmark set, by the protocol of `evaluate`.

    It raises `DataError` if a picture of the set cannot be read or does not fit the task.
    """
    case = case_of(task, pictures)

    def measure(network: Network, between: Between) -> float:
        def progress(done: int, total: int) -> None:
            if done < total:  # after the last picture, stopping would save nothing
                between()

        return evaluate(case, files, restorer_of(network, task, device), progress=progress).psnr

    return measure
