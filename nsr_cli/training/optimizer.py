"""The optimizer of a run, and how its state is kept in a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector
from nsr_cli.training.muon import Muon
from nsr_cli.training.recipe import OptimizerName


def make_optimizer(
    network: Network, learning_rate: float, selector_rate: float = 1.0, kind: OptimizerName = "adam"
) -> torch.optim.Optimizer:
    """Adam, fused into one pass over the parameters where the device supports that (Metal does not), or Muon.

    The matrices of selectors learn `selector_rate` times as fast. They see the mean features of a window, which are
    small beside those of single pixels: at the kernels' rate all windows would keep choosing nearly the same.
    """
    selectors = {id(layer.linear.weight) for layer in network.modules() if isinstance(layer, Selector)}
    kernels = _kernels(network) if kind == "muon" else {}
    parameters: dict[tuple[float, int], list[Tensor]] = {}
    for one in network.parameters():
        times = selector_rate if id(one) in selectors else 1.0
        parameters.setdefault((times, kernels.get(id(one), 0)), []).append(one)
    if kind == "muon":
        groups = [{"params": some, "times": t, "matrices": k} for (t, k), some in parameters.items()]
        return Muon(groups, learning_rate)
    groups = [{"params": some, "times": times} for (times, _), some in parameters.items()]
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.Adam(groups, lr=learning_rate, fused=fused)


def _kernels(network: Network) -> dict[int, int]:
    """The kernels in the blocks, by identity, and the number of groups of each."""
    layers = [layer for block in network.blocks for layer in (block.first, block.second)]
    return {id(layer.weight_v): getattr(layer, "groups", 1) for layer in layers}


def flatten(state: Mapping[int, Mapping[str, Any]]) -> dict[str, Tensor]:
    """The state of an optimizer, parameter number to names to tensors, as one group of a checkpoint: NUMBER.NAME."""
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def unflatten(tensors: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> dict[int, dict[str, Tensor]]:
    """Inverse of `flatten`. Moments get the memory format of their parameters, as fused Adam requires on CUDA."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        same = tensor.shape == like.shape
        state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(tensor) if same else tensor
    return state
