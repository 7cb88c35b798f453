"""Weights files: safetensors that carry the network's configuration in their metadata."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from nsr_cli.errors import WeightsError
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.description import FORMAT, METADATA_KEY, read_config
from nsr_cli.model.network import Network
from nsr_cli.shown import safe_text


def save_network(
    network: Network, *, dtype: torch.dtype = torch.float16, about: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of a published file: plain kernels in `dtype`, and the configuration. The network is not changed.

    `about` is further information to store, such as how it was trained.
    """
    plain = Network(network.config)
    if network.head.weight_g is None:
        plain.fold()
    plain.load_state_dict(network.state_dict())
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in plain.fold().state_dict().items()}
    description = {"format": FORMAT, "config": network.config.to_dict(), "about": dict(about or {})}
    return save_tensors(tensors, metadata={METADATA_KEY: json.dumps(description, sort_keys=True)})


def load_network(data: bytes, name: str = "weights") -> Network:
    """The folded float32 network of a published file, ready for inference on the CPU.

    Raises:
        WeightsError: not such a file, an unknown format, or tensors that do not fit the configuration.
    """
    config = read_config(data, name)
    require_room(config, data, name)
    network = Network(config).fold()
    try:
        found = load_tensors(data)
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{name}: its tensors cannot be read: {reason}; get the file again") from None
    misfit = _misfit(found, network.state_dict())
    if misfit is not None:
        raise WeightsError(f"{name}: its tensors do not fit its configuration: {misfit}; get the file again")
    tensors = {key: tensor.float() for key, tensor in found.items()}
    require_finite(tensors, name)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def require_room(config: NetworkConfig, data: bytes, name: str) -> None:
    """Raise `WeightsError` if a file cannot hold a network's weights, before memory is allocated for them."""
    if config.kernel_weights > len(data):
        raise WeightsError(
            f"{name}: its {len(data):,} bytes cannot hold the {config.kernel_weights:,} weights of its "
            "configuration; get the file again"
        )


def require_finite(tensors: Mapping[str, Tensor], name: str) -> None:
    """Raise `WeightsError` if one of the tensors of a network or file called `name` holds NaN or infinity."""
    unusable = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if unusable:
        raise WeightsError(
            f"{name}: NaN or infinity in {', '.join(unusable[:3])}; fetch or train the weights again"
        )


def _misfit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """What is wrong with the first tensor that does not fit; None if all do."""
    for key, one in wanted.items():
        if key not in found:
            return f"{key} is missing"
        if found[key].shape != one.shape:
            shapes = ["×".join(map(str, tensor.shape)) for tensor in (found[key], one)]
            return f"{key} is {shapes[0]}, not {shapes[1]}"
        if not found[key].is_floating_point():
            return f"{key} holds {str(found[key].dtype).removeprefix('torch.')}, not floating-point numbers"
    surplus = next((key for key in found if key not in wanted), None)
    return None if surplus is None else f"{safe_text(surplus[:100])} is none of the network's"


def fitting(tensors: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """The tensors of those layers that the network has in the same shapes (to start ×4 from ×2's body, say).

    A layer fits as a whole: gains and biases mean nothing without the kernels that they were trained with.
    """
    wanted = network.state_dict()
    misfits = {
        _layer(name)
        for name, tensor in wanted.items()
        if name not in tensors or tensors[name].shape != tensor.shape
    }
    return {
        name: tensor for name, tensor in tensors.items() if name in wanted and _layer(name) not in misfits
    }


def _layer(name: str) -> str:
    return name.rpartition(".")[0]
