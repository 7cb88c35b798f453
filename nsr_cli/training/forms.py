"""In which form a training step is computed: how windows are convolved, and the memory format of tensors.

Every form gives the same gradients, up to rounding; which one is fastest depends on the device and its drivers.
"""

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
class TrainingForm:
    """How windows are convolved, and whether tensors have their channels first or last in memory."""

    convolution: Form = "grouped"
    layout: torch.memory_format = torch.contiguous_format

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a checkpoint."""
        return {"convolution": self.convolution, "channels_last": self.layout == torch.channels_last}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingForm":
        """Inverse of `to_dict`. Raises `ValueError` for other values."""
        convolution: Any = values.get("convolution")
        if convolution not in get_args(Form):
            raise ValueError(f"no such form: {convolution!r}")
        return cls(
            convolution, torch.channels_last if values.get("channels_last") else torch.contiguous_format
        )

    def prepare(self, network: Network) -> None:
        """Let a network convolve in this form, and bring its kernels into this memory format."""
        network.use_form(self.convolution)
        network.to(memory_format=self.layout)  # type: ignore[call-overload]


# Mixing the outputs of all k groups takes k times the multiplications of mixing kernels for each window, but is one
# ordinary convolution. Grouped ones are slow on some GPUs, and gain nothing by channels-last.
SPARSE_FORMS = (TrainingForm(), TrainingForm("mixed"), TrainingForm("mixed", torch.channels_last))
# Without a selection there is nothing to mix.
PLAIN_FORMS = (TrainingForm(), TrainingForm(layout=torch.channels_last))
# A CPU convolves windows one after the other or side by side, and need not reorder channels-last tensors.
CPU_FORMS = (TrainingForm("looped", torch.channels_last), TrainingForm("stacked", torch.channels_last))


def cpu_form(windows: int, autocast: torch.dtype | None) -> TrainingForm:
    """How a CPU computes a step of patches of `windows` selection windows along each side.

    A fixed rule, so that a run does not depend on what else the machine did when it started. Side by side is faster
    except for single windows in float32, as `tools/training_step.py --form` measured: those need no halo, and each
    one fits into the cache.
    """
    return CPU_FORMS[int(windows > 1 or autocast is not None)]


def fastest_form(
    network: Network,
    source: PatchSource,
    recipe: Recipe,
    share: int,
    device: torch.device,
    autocast: torch.dtype | None,
) -> TrainingForm:
    """The form in which a forward and backward pass on `share` patches, those of a step of this process, is fastest.

    The network is left as it was. On a CPU nothing is measured, see `cpu_form`.

    Raises:
        RuntimeError: the device has too little memory for any form.
    """
    if device.type == "cpu":
        return cpu_form(recipe.windows, autocast)
    network.to(device)
    times: dict[TrainingForm, float] = {}
    failed = None
    for form in PLAIN_FORMS if recipe.network.selection == "none" else SPARSE_FORMS:
        try:
            times[form] = seconds_of(form, network, source, share, autocast)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failed = error.with_traceback(None)  # the traceback would keep tensors in memory
    network.zero_grad(set_to_none=True)
    TrainingForm().prepare(network)
    if failed is not None and not times:
        raise failed
    return min(times, key=lambda form: times[form])


def seconds_of(
    form: TrainingForm, network: Network, source: PatchSource, share: int, autocast: torch.dtype | None
) -> float:
    """Seconds of the fastest of a few steps on `share` patches; the first one also warms up.

    The network stays prepared for the form, with gradients.
    """
    form.prepare(network)
    batch, device = source.batch(0, share), source.device
    fastest = float("inf")
    for _ in range(_REPEATS):
        wait_for(device)
        start = time.perf_counter()
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            restored = network(batch.input.contiguous(memory_format=form.layout), batch.level)
        (restored.float() - batch.target).abs().mean().backward()
        wait_for(device)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
