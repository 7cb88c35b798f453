"""How a network trains fastest on a device: mixed kernels or mixed outputs, and in which order of memory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import torch

from nsr_cli.engine.device import is_out_of_memory, wait_for
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Form
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import Recipe

_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compute the same step."""

    form: Form = "grouped"
    layout: torch.memory_format = torch.contiguous_format

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a checkpoint."""
        return {"form": self.form, "channels_last": self.layout == torch.channels_last}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Way":
        """Inverse of `to_dict`. Raises `ValueError` for what it did not write."""
        for form in get_args(Form):
            if form == values.get("form"):
                return cls(
                    form, torch.channels_last if values.get("channels_last") else torch.contiguous_format
                )
        raise ValueError(f"no such form: {values.get('form')!r}")

    def prepare(self, network: Network) -> None:
        """Bring a network into this form and its kernels into this order."""
        network.use_form(self.form)
        network.to(memory_format=self.layout)  # type: ignore[call-overload]


# Kernels of every window joined into one grouped convolution have no use for channels in the last place.
WAYS = (Way(), Way("mixed"), Way("mixed", torch.channels_last))
PLAIN_WAYS = (Way(), Way(layout=torch.channels_last))
# A CPU convolves windows one after the other, or side by side, and reorders nothing that has its channels last.
CPU_WAYS = (Way("apart", torch.channels_last), Way("joined", torch.channels_last))


def cpu_way(windows: int, autocast: torch.dtype | None) -> Way:
    """How a CPU computes a step of patches of `windows` selection windows along each side.

    By rule: a run must not depend on what else the machine did when it started. Side by side is faster but for single
    windows in float32, as `tools/training_step.py --form` measured: those need no halo, and what one of them takes
    stays in the cache.
    """
    return CPU_WAYS[int(windows > 1 or autocast is not None)]


def fastest_way(
    network: Network,
    source: PatchSource,
    recipe: Recipe,
    share: int,
    device: torch.device,
    autocast: torch.dtype | None,
) -> Way:
    """Time a forward and backward pass of each way on `share` patches, as many as a step of this process has, and
    name the fastest; the network is left as it was.

    Mixing outputs costs k times the multiplications, but as one ordinary convolution; grouped convolution is
    slow on some GPUs. On a CPU nothing is measured, see `cpu_way`.

    Raises:
        RuntimeError: the device has not the memory for any of them.
    """
    if device.type == "cpu":
        return cpu_way(recipe.windows, autocast)
    network.to(device)
    times: dict[Way, float] = {}
    failed = None
    for way in PLAIN_WAYS if recipe.network.selection == "none" else WAYS:
        try:
            times[way] = seconds_of(way, network, source, share, autocast)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failed = error.with_traceback(None)  # which holds the tensors that were too many
    network.zero_grad(set_to_none=True)
    Way().prepare(network)
    if failed is not None and not times:
        raise failed
    return min(times, key=lambda way: times[way])


def seconds_of(
    way: Way, network: Network, source: PatchSource, share: int, autocast: torch.dtype | None
) -> float:
    """The fastest of a few steps of `share` patches, the first of which also warms up.

    The network stays prepared for the way.
    """
    way.prepare(network)
    batch, device = source.batch(0, share), source.device
    fastest = float("inf")
    for _ in range(_REPEATS):
        wait_for(device)
        start = time.perf_counter()
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            restored = network(batch.input.contiguous(memory_format=way.layout), batch.level)
        (restored.float() - batch.target).abs().mean().backward()
        wait_for(device)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
