"""The margin of a tile hides where it was cut, also in deep networks and in those whose choice of kernels is sharp."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nsr_cli.engine.bands import collect, picture_bands
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.progress import OverallProgress
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stream import TilePlan, network_bands
from nsr_cli.engine.tiles import margin_of
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.network import Network

# 32 blocks, and so narrow that they are computed soon
DEEP = dataclasses.replace(PRESETS["sparse-minus-l"], width=8, cardinality=8, channels=1, scale=2)
SHARP: list[dict[str, Any]] = [
    {"temperature": 0.1},
    {"temperature": 0.1, "blocks": 4},
    {"selection": "sigmoid", "blocks": 4},
]
PROMISE = pytest.mark.promise(
    "Numbers: a picture that is computed in tiles or in bands is that of one piece to one level and 60 dB, for deep "
    "networks and sharp choices of kernels too",
    count=7,
)


def folded(config: NetworkConfig) -> Network:
    torch.manual_seed(0)
    return Network(config).fold().eval().requires_grad_(False)


def assert_alike(found: Tensor, expected: Tensor) -> None:
    """At most one 8-bit level apart, and 60 dB."""
    error = (found.clamp(0, 1) * 255).round() - (expected.clamp(0, 1) * 255).round()
    assert float(error.abs().max()) <= 1
    assert float(error.square().mean()) <= 255**2 / 1e6


@PROMISE
@pytest.mark.parametrize("changes", [{}, *SHARP])
def test_tiles_hardly_change_what_deep_networks_and_sharp_choices_make(changes: dict[str, Any]) -> None:
    network, x = folded(dataclasses.replace(DEEP, **changes)), torch.rand(1, 40, 1300)
    seen: set[int] = set()
    tiles = Runner(network, "cpu", "fp32", Limits(tile=48))
    parts = tiles.run(x, None, lambda _, total: seen.add(total // network.config.blocks))
    assert seen.pop() > 1  # tiles
    assert_alike(parts, Runner(network, "cpu", "fp32").run(x))


@PROMISE
@pytest.mark.parametrize("changes", [{}, *SHARP[:2]])
def test_rows_of_tiles_hardly_change_what_deep_networks_and_sharp_choices_make(
    changes: dict[str, Any],
) -> None:
    network, pixels = folded(dataclasses.replace(DEEP, **changes)), torch.rand(1300, 40, 1)
    runner = Runner(network, "cpu", "fp32")
    tile_plan = TilePlan(runner, Grid(1300, 40, network.config.window), (9, 1), channels=1)
    bands = network_bands(picture_bands(pixels.numpy()), tile_plan, None, OverallProgress(None, 1))
    found = torch.from_numpy(collect(bands, np.float32)).permute(2, 0, 1)
    assert_alike(found, runner.run(pixels.permute(2, 0, 1)))


def widest_reach(blocks: int) -> Network:
    """A network without a choice of kernels, in which every pixel that a convolution sees counts alike."""
    network = folded(NetworkConfig(blocks=blocks, width=1, channels=1, window=4))
    for parameter in network.parameters():
        parameter.fill_(0.2 if parameter.dim() > 1 else 0.1)
    return network


@pytest.mark.parametrize("blocks", [1, 3, 5, 9])
def test_convolutions_see_no_further_than_the_margin(blocks: int) -> None:
    network = widest_reach(blocks)
    margin, side = margin_of(network.config), network.config.window
    x = torch.rand(1, 1, 1, 41 * side, dtype=torch.float64)
    middle = slice(20 * side, 21 * side)
    whole = network.double()(x)[..., middle]
    for windows in (margin, margin - 1):  # one fewer is too few
        start, stop = middle.start - windows * side, middle.stop + windows * side
        part = network(x[..., start:stop])[..., windows * side : (windows + 1) * side]
        assert torch.allclose(part, whole, rtol=1e-12, atol=0) == (windows == margin)


@pytest.mark.parametrize("name", ["lite", "restore-lite", "sparse-plus", "restore-minus"])
def test_up_to_16_blocks_one_window_is_enough(name: str) -> None:
    assert margin_of(PRESETS[name]) == 1
