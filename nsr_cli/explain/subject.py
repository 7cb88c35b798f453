"""The network to explain: the one that a task runs first on a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.beyond import limits_of, within
from nsr_cli.engine.finish import visible_color
from nsr_cli.engine.levels import network_level, runs_by_channel
from nsr_cli.engine.progress import Progress
from nsr_cli.engine.stages import load_fitting, read_weights
from nsr_cli.engine.trace import Trace, trace
from nsr_cli.errors import UsageError
from nsr_cli.imaging.color import rgb_to_ycc, to_unit
from nsr_cli.imaging.picture import Picture
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.weights.choice import native_steps
from nsr_cli.weights.store import WeightStore


@dataclass(frozen=True, slots=True)
class Subject:
    """A network that chooses kernels, and where it comes from."""

    task: str
    name: str
    sha256: str
    network: Network

    @property
    def cardinal_groups(self) -> list[int]:
        """How many cardinal groups each layer that chooses has."""
        own = [conv for block in self.network.blocks for conv in (block.first, block.second)]
        return [conv.cardinality for conv in own if isinstance(conv, SparseConvolution) and conv.selector]

    def runs_by_channel(self, picture: Picture) -> bool:
        """Whether restoring runs it over each channel by itself; then the choice for the first one is shown."""
        return runs_by_channel(self.task, self.network.config, picture.channels)


def load(
    task: str, store: WeightStore, scale: float | None = None, color: str = "rgb", model: str | None = None
) -> Subject:
    """Load the network that `nsr TASK` would run first.

    The arguments are those of `Restorer.load`, but without a scale it is the model's own, or the smallest available.

    Raises:
        UsageError: the model is for something else, or has no groups of kernels: its kernels are the same for every
            window, or only scaled, as by Squeeze-and-Excitation.
        WeightsError, FetchError: the weights are absent, damaged or unreachable.
    """
    native = native_steps(task, scale, model, store.manifest)[0]
    weights, data = read_weights(store, model, task, native, color)
    network = load_fitting(data, task, weights.name)
    config = network.config
    if config.selection == "none" or config.groups == 1:
        raise UsageError(
            f"{weights.name} has no groups of kernels to choose among in each window; give another --model"
        )
    return Subject(task, weights.name, weights.sha256, network)


def observe(
    subject: Subject,
    picture: Picture,
    *,
    sigma: float | None = None,
    quality: float | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Trace:
    """Run the network over a picture, as restoring does first, and record what it chooses.

    Levels are as for `Restorer.run`, `device` and `progress` as for `trace`.

    Raises:
        UsageError: the level that the network needs is missing, or there is no such device.
        MemoryExhausted: as for `trace`.
    """
    config = subject.network.config
    level = network_level(subject.task, config, sigma, quality, picture.channels)
    unit = within(to_unit(visible_color(picture), picture.white), limits_of(config.scale))
    seen = _first_seen(unit, config.channels, by_channel=subject.runs_by_channel(picture))
    return trace(subject.network, seen, level, device, progress)


def _first_seen(unit: NDArray[np.float32], channels: int, *, by_channel: bool) -> NDArray[np.float32]:
    """What a network with so many channels sees first of a picture (H, W, C) in `run_array`."""
    if unit.shape[2] == channels:
        return unit
    if channels == 3:
        return np.repeat(unit, 3, axis=2)
    if by_channel:
        return unit[..., :1]
    return rgb_to_ycc(unit)[..., :1].astype(np.float32)
