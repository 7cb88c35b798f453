"""A network small enough for tests that need one: random weights with a fixed seed, in a real weights file."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.network import Network

PLAIN: dict[str, Any] = {"selection": "none", "groups": 1, "cardinality": 1}
"""Changes to a configuration after which all windows have the same kernels."""


def tiny_config(scale: int = 2, channels: int = 3, levels: int = 0, **changes: Any) -> NetworkConfig:
    return dataclasses.replace(PRESETS["tiny"], scale=scale, channels=channels, levels=levels, **changes)


def tiny_network(
    scale: int = 2, channels: int = 3, levels: int = 0, seed: int = 0, **changes: Any
) -> Network:
    """A folded network of random weights; `changes` are fields of its configuration."""
    torch.manual_seed(seed)
    return Network(tiny_config(scale, channels, levels, **changes)).fold().eval().requires_grad_(False)


def tiny_weights(path: Path, scale: int = 2, channels: int = 3, levels: int = 0, **changes: Any) -> Path:
    """Write a small random network that `--model FILE` accepts; for denoise and dejpeg use scale 1, levels 1."""
    path.write_bytes(save_network(tiny_network(scale, channels, levels, **changes)))
    return path
