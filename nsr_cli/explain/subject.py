"""The network to explain: the one that a task would run first on a picture."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.executor import Progress
from nsr_cli.engine.trace import Trace, trace
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.files import safe_text
from nsr_cli.imaging.alpha import bleed
from nsr_cli.imaging.color import rgb_to_ycc, to_unit
from nsr_cli.imaging.picture import Picture
from nsr_cli.model.checkpoint import load_network
from nsr_cli.model.levels import noise_level, quality_level
from nsr_cli.model.network import Network
from nsr_cli.restore import compose
from nsr_cli.weights.store import WeightStore


@dataclass(frozen=True, slots=True)
class Subject:
    """A network that chooses kernels, and where it comes from."""

    name: str
    sha256: str
    network: Network


def load(
    task: str, store: WeightStore, scale: float | None = None, color: str = "rgb", model: str | None = None
) -> Subject:
    """Load the network that `nsr TASK` would run first.

    Args:
        task: `upscale`, `denoise` or `dejpeg`.
        store: where weights come from.
        scale: factor of `upscale`; None for the model's own, or the smallest that there is.
        color: `rgb` or `gray`: which network of two.
        model: name in the manifest, tier or file; None for the best there is.

    Raises:
        UsageError: the model is for something else, or its kernels are the same for every window.
        WeightsError, FetchError: the weights are absent, damaged or unreachable.
    """
    native = _native(task, store, scale, model) if task == "upscale" else None
    chosen = store.manifest.resolve(model, task, native, color)
    if isinstance(chosen, Path):
        try:
            name, data = safe_text(chosen.stem), chosen.read_bytes()
        except OSError as error:
            raise UsageError(
                f"cannot read the model {safe_text(chosen)}: {error.strerror or error}"
            ) from error
    else:
        entry, data = store.read(chosen)
        name = entry.name
    network = load_network(data, name)
    config = network.config
    if (config.scale > 1) != (task == "upscale"):
        made_for = f"upscaling by {config.scale}" if config.scale > 1 else "denoising or JPEG artifacts"
        raise UsageError(f"{name} is a network for {made_for}, not for {task}; choose another --model")
    if config.selection == "none" or config.groups == 1:
        raise UsageError(
            f"{name} has the same kernels for every window: it chooses nothing; give another --model"
        )
    return Subject(name, hashlib.sha256(data).hexdigest(), network)


def _native(task: str, store: WeightStore, scale: float | None, model: str | None) -> int | None:
    """The native factor that runs first for `scale`; None where the model decides."""
    if model is not None and model not in ("base", "lite"):
        return None
    natives = sorted({entry.scale for entry in store.manifest.entries if entry.task == task and entry.scale})
    if not natives:
        raise WeightsError("there are no weights for upscaling yet; give a file with --model")
    return natives[0] if scale is None else compose(scale, natives)[0]


def observe(
    subject: Subject,
    picture: Picture,
    *,
    sigma: float | None = None,
    quality: float | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Trace:
    """Run the network over a picture and record what it chooses; levels as for `Restorer.run`.

    Raises:
        UsageError: the level that the network needs is missing, or there is no such device.
    """
    config = subject.network.config
    level = None
    if config.levels:
        if sigma is None and quality is None:
            raise UsageError(f"{subject.name} needs a level: give --sigma or -q")
        level = noise_level(sigma) if sigma is not None else quality_level(quality or 0)
    pixels = picture.pixels if picture.alpha is None else bleed(picture.pixels, picture.alpha)
    return trace(subject.network, _fitting(to_unit(pixels), config.channels), level, device, progress)


def _fitting(unit: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """(H, W, C) with the network's channels, as restoring makes them: gray repeated, or luma alone."""
    if unit.shape[2] == channels:
        return unit
    if channels == 3:
        return np.repeat(unit, 3, axis=2)
    return rgb_to_ycc(unit)[..., :1].astype(np.float32)
