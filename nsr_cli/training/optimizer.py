"""The optimizer of a run, and how its state is kept in a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector


def make_optimizer(
    network: Network, learning_rate: float, selector_rate: float = 1.0
) -> torch.optim.Optimizer:
    """Adam, fused into one pass over the parameters where the device supports that (Metal does not).

    The matrices of selectors learn `selector_rate` times as fast. They see the mean features of a window, which are
    small beside those of single pixels: at the kernels' rate all windows would keep choosing nearly the same.
    """
    selector_ids = {id(layer.linear.weight) for layer in network.modules() if isinstance(layer, Selector)}
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters, "times": 1.0}]
    if selector_rate != 1.0 and selector_ids:
        groups = [
            {"params": [one for one in parameters if id(one) not in selector_ids], "times": 1.0},
            {"params": [one for one in parameters if id(one) in selector_ids], "times": selector_rate},
        ]
    return torch.optim.Adam(groups, lr=learning_rate, fused=parameters[0].device.type in ("cpu", "cuda"))


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
