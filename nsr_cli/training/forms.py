"""Which form of the sparse convolution trains faster on a device: mixed kernels or mixed outputs."""

import time

import torch

from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Form
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import Recipe

_REPEATS = 3


def faster_form(network: Network, source: PatchSource, recipe: Recipe, device: torch.device) -> Form:
    """Time a forward and backward pass of both forms on one batch and name the faster.

    Mixing outputs costs k times the multiplications, but as one ordinary convolution; grouped convolution is
    slow on some GPUs. On a CPU it never is: there kernels are mixed without a measurement.
    """
    if device.type == "cpu" or recipe.network.selection == "none":
        return "grouped"
    network.to(device)
    times: dict[Form, float] = {
        form: _seconds(network, source, recipe, device, form) for form in ("grouped", "mixed")
    }
    network.zero_grad(set_to_none=True)
    return min(times, key=lambda form: times[form])


def _seconds(
    network: Network, source: PatchSource, recipe: Recipe, device: torch.device, form: Form
) -> float:
    network.use_form(form)
    batch = source.batch(0, recipe.batch)
    fastest = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = (network(batch.input, batch.level) - batch.target).abs().mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
