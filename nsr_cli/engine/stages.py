"""Which networks a task needs, in which order, and where their weights come from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.engine.device import one_core
from nsr_cli.engine.runner import Runner
from nsr_cli.errors import UsageError
from nsr_cli.model.checkpoint import load_network
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.description import read_config, read_file, trained_for
from nsr_cli.model.levels import MAX_SCALE
from nsr_cli.model.network import Network
from nsr_cli.shown import safe_text
from nsr_cli.weights.choice import compose, native_steps
from nsr_cli.weights.entry import MAX_BYTES, TASKS
from nsr_cli.weights.store import WeightStore


@dataclass(frozen=True, slots=True)
class Weights:
    """Loaded weights: their name in the manifest or that of their file, and the file's sha256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One network, loaded."""

    weights: Weights
    config: NetworkConfig
    runner: Runner


def load_stages(
    task: str,
    factor: float,
    color: str,
    model: str | None,
    store: WeightStore,
    run: Callable[[Network], Runner],
) -> list[Stage]:
    """The networks of a task in the order in which they run; one may appear several times.

    Args:
        task, color, model, store: as for `Restorer.load`.
        factor: of `upscale`, checked; 1 for the others.
        run: makes the runner of a network.

    Raises:
        UsageError, WeightsError, FetchError: as for `Restorer.load`.
    """
    loaded: dict[int, Stage] = {}
    for native in set(native_steps(task, factor, model, store.manifest)):
        weights, data = read_weights(store, model, task, native, color)
        with one_core():
            network = load_fitting(data, task, weights.name)
        loaded[network.config.scale] = Stage(weights, network.config, run(network))
    return [loaded[step] for step in compose(factor, list(loaded))]


def checked_scale(task: str, scale: float | None) -> float:
    """The factor of a task, 1 for those that have none; UsageError for an impossible one."""
    if task != "upscale":
        return 1.0
    if scale is None or not 1 < scale <= MAX_SCALE:
        raise UsageError(
            f"cannot upscale by {scale}; give a factor above 1 and up to {MAX_SCALE:g}, such as -s 2"
        )
    return float(scale)


def read_weights(
    store: WeightStore, model: str | None, task: str, native: int | None, color: str
) -> tuple[Weights, bytes]:
    """The weights file for a step; `native` as in `native_steps`. Raises as `load_stages`."""
    chosen = store.manifest.resolve(model, task, native if task == "upscale" else None, color)
    if isinstance(chosen, Path):
        try:
            data = read_file(chosen, MAX_BYTES)
        except OSError as error:
            raise UsageError(
                f"cannot read the model {safe_text(chosen)}: {error.strerror or error}; check --model"
            ) from error
        return Weights(safe_text(chosen.stem), hashlib.sha256(data).hexdigest()), data
    entry, data = store.read(chosen)
    return Weights(entry.name, entry.sha256), data


def load_fitting(data: bytes, task: str, name: str) -> Network:
    """The network in a weights file, checked to be for `task` as far as the file tells.

    Raises:
        UsageError: it enlarges and the task does not, or vice versa; it takes other channels than those of gray or RGB,
            or other levels than the task has; or the file names another task.
        WeightsError: as for `load_network`.
    """
    config = read_config(data, name)
    if (config.scale > 1) != (task == "upscale"):
        made_for = f"upscaling by {config.scale}" if config.scale > 1 else "denoising or JPEG artifacts"
        raise UsageError(f"{name} is a network for {made_for}, not for {task}; choose another --model")
    if config.channels not in (1, 3) or config.levels > (task != "upscale"):
        raise UsageError(
            f"{name} does not fit {task}: channels {config.channels}, degradation levels {config.levels}; "
            "choose another --model"
        )
    kind = (trained_for(data, name) or "").partition("-")[0]
    if kind in TASKS and kind != task:
        raise UsageError(f"{name} was trained for {kind}, not for {task}; choose another --model")
    return load_network(data, name)
