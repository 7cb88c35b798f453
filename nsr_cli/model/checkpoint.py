"""Weights files: safetensors that carry the network's configuration in their metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from nsr_cli.errors import WeightsError
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.network import Network
from nsr_cli.reads import open_regular, read_regular, state_of
from nsr_cli.shown import safe_text

METADATA_KEY = "nsr"
FORMAT = 1
MAX_HEADER = 1 << 23
"""Bytes of the list of tensors and the description; a network of a thousand blocks takes a tenth of that."""

_SIZE_BYTES = 8  # at the start of a file: how long its header is


def save_network(
    network: Network, *, dtype: torch.dtype = torch.float16, about: Mapping[str, Any] | None = None
) -> bytes:
    """A published file: plain kernels in `dtype` and the configuration; `about` is free information (training).

    The network itself is not changed.
    """
    plain = Network(network.config)
    if not _normalized(network):
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
    if config.kernel_weights > len(data):  # before memory is taken for what cannot be there
        raise WeightsError(
            f"{name}: its {len(data):,} bytes cannot hold the {config.kernel_weights:,} weights of its "
            "configuration; get the file again"
        )
    network = Network(config).fold()
    try:
        tensors = {key: tensor.float() for key, tensor in load_tensors(data).items()}
        network.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{name}: its tensors do not fit its configuration: {reason}; get the file again"
        ) from None
    unusable = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if unusable:
        raise WeightsError(
            f"{name}: NaN or infinity in {', '.join(unusable[:3])}; fetch or train the weights again"
        )
    return network.eval().requires_grad_(False)


def read_file(path: Path, most: int) -> bytes:
    """All bytes of a weights file; one of something else is known by its start, and not read any further.

    Raises:
        OSError: there is no regular file, it has more than `most` bytes, or it changed while it was read.
        WeightsError: not such a file, or an unknown format.
    """
    with open_regular(path) as file:
        if state_of(file)[0] <= most:
            start = file.read(_SIZE_BYTES)
            header_bytes = int.from_bytes(start, "little")
            start += file.read(header_bytes if header_bytes <= MAX_HEADER else 0)
            read_description(start, safe_text(path.stem))
    return read_regular(path, most)


def read_description(data: bytes, name: str = "weights") -> dict[str, Any]:
    """The description in the metadata of a weights file. Raises `WeightsError` when there is none."""
    header_bytes = int.from_bytes(data[:_SIZE_BYTES], "little")
    try:
        if not 0 < header_bytes <= len(data) - _SIZE_BYTES:
            raise ValueError
        header = json.loads(data[_SIZE_BYTES : _SIZE_BYTES + header_bytes])
        description: dict[str, Any] = dict(json.loads(header["__metadata__"][METADATA_KEY]))
        dict(description["config"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WeightsError(
            f"{name}: not a weights file of nsr; `nsr weights import` reads .pth files of the paper's authors"
        ) from None
    if description.get("format") != FORMAT:
        raise WeightsError(
            f"{name}: written in format {description.get('format')!r}; this nsr reads {FORMAT}; update nsr"
        )
    return description


def read_config(data: bytes, name: str = "weights") -> NetworkConfig:
    """The configuration of a weights file. Raises `WeightsError` when it has none that can be used."""
    try:
        return NetworkConfig.from_dict(read_description(data, name)["config"])
    except ValueError as error:
        raise WeightsError(f"{name}: unusable network configuration: {error}; get the file again") from None


def trained_for(data: bytes, name: str = "weights") -> str | None:
    """The training task that a weights file names, such as `denoise-gray`; None if it names none.

    Raises `WeightsError` as `read_description`.
    """
    about = read_description(data, name).get("about")
    task = about.get("task") if isinstance(about, dict) else None
    return task if isinstance(task, str) else None


def _normalized(network: Network) -> bool:
    return network.head.weight_g is not None


def fitting(tensors: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Those tensors whose name and shape the network has (to start ×4 from ×2's body, say)."""
    wanted = network.state_dict()
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in wanted and wanted[name].shape == tensor.shape
    }
