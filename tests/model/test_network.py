"""Sizes, folding and the forward pass of whole networks."""

import dataclasses
from typing import Any

import pytest
import torch

from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Convolution, Kernels, SparseConvolution


@pytest.mark.parametrize(
    ("preset", "scale", "published"),
    [
        ("sparse-plus", 2, 4_877_812),
        ("sparse-plus", 3, 4_887_637),
        ("sparse-plus", 4, 4_901_392),
        ("wdsr", 2, 1_190_100),
        ("wdsr", 3, 1_195_605),
        ("wdsr", 4, 1_203_312),
    ],
)
def test_parameter_counts_are_those_the_authors_published(preset: str, scale: int, published: int) -> None:
    network = Network(dataclasses.replace(PRESETS[preset], scale=scale))
    assert sum(parameter.numel() for parameter in network.parameters()) == published


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs_and_folding_keeps_its_output(name: str) -> None:
    scale = 1 if name.startswith("restore") else 2
    config = dataclasses.replace(PRESETS[name], scale=scale, window=8)
    network = Network(config).eval()
    x = torch.rand(2, 3, 8, 16)
    before = network(x)
    assert before.shape == (2, 3, 8 * config.scale, 16 * config.scale)
    torch.testing.assert_close(network.fold()(x), before, rtol=1e-4, atol=1e-5)
    kernels = [m.weight_v for m in network.modules() if isinstance(m, Kernels)]
    assert sum(kernel.numel() for kernel in kernels) == config.kernel_weights
    assert all(m.weight_g is None for m in network.modules() if isinstance(m, Convolution))


def test_multiplications_of_the_body_are_the_products_of_its_shapes() -> None:
    """Two 3×3 convolutions a block, n -> w·n -> n; head, tail and skip are the small rest."""
    bodies = {
        "wdsr": 16 * 2 * 9 * 32 * 128,
        "sparse-plus": 16 * 2 * 9 * 64 * 64,
        "restore-plus": 16 * 2 * 9 * 32 * 64,
    }
    for name, body in bodies.items():
        rest = PRESETS[name].macs_per_pixel - body
        assert 0 < rest == 2 * 9 * 3 * PRESETS[name].width


def test_lite_tier_stays_below_its_budget_at_every_scale() -> None:
    for scale in (2, 3, 4):
        body = dataclasses.replace(PRESETS["lite"], scale=scale)
        assert body.macs_per_pixel < 0.34e6


def test_gains_of_weight_normalisation() -> None:
    network = Network(dataclasses.replace(PRESETS["sparse-plus"], scale=2))
    block = network.blocks[0]
    assert network.skip is not None
    gains = [
        layer.weight_g for layer in (network.head, network.tail, network.skip, block.first, block.second)
    ]
    assert [float(g.detach().mean()) for g in gains if g is not None] == pytest.approx([1, 1, 1, 2, 16**-0.5])
    norms = block.first.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 2.0))


def test_scale_1_skip_is_the_identity() -> None:
    network = Network(dataclasses.replace(PRESETS["tiny"], scale=1, channels=1, window=8))
    network.fold()
    torch.nn.init.zeros_(network.tail.weight_v)
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(network(x), x)


def test_level_changes_the_output_and_must_be_given() -> None:
    network = Network(dataclasses.replace(PRESETS["tiny"], scale=1, channels=1, levels=1, window=8))
    x = torch.rand(1, 1, 8, 8)
    low, high = network(x, torch.tensor([[0.1]])), network(x, torch.tensor([[0.9]]))
    assert not torch.allclose(low, high)
    with pytest.raises(ValueError, match="1 degradation level"):
        network(x)


def test_shared_selection_has_one_selector_a_block_and_uses_it_twice() -> None:
    config = dataclasses.replace(PRESETS["tiny"], shared=True, scale=1, window=8)
    network = Network(config)
    block = network.blocks[0]
    assert isinstance(block.first, SparseConvolution)
    assert isinstance(block.second, SparseConvolution) and block.second.selector is None
    x = torch.rand(1, config.width, 8, 8)
    gamma = block.first.select(x, 8)
    inner = torch.relu(block.first(x, 8, gamma))
    torch.testing.assert_close(block(x, 8), x + block.second(inner, 8, gamma))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cardinality": 5}, "does not divide"),
        ({"selection": "none", "groups": 2, "cardinality": 1}, "one group"),
        ({"selection": "hard"}, "selection must be one of"),
        ({"temperature": 0.0}, "temperature must be from"),
        ({"blocks": 0}, "at least 1"),
    ],
)
def test_contradictory_configurations_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PRESETS["tiny"], **changes)  # type: ignore[arg-type]


def test_configuration_survives_a_round_trip_and_refuses_strange_fields() -> None:
    config = PRESETS["restore-plus"]
    assert NetworkConfig.from_dict(config.to_dict()) == config
    for damage in ({"blocks": "16"}, {"blocks": True}, {"depth": 3}):
        with pytest.raises(ValueError, match="field"):
            NetworkConfig.from_dict({**config.to_dict(), **damage})
    with pytest.raises(ValueError, match="incomplete"):
        NetworkConfig.from_dict({"blocks": 3})


@pytest.mark.parametrize(("height", "width"), [(8, 16), (7, 16), (8, 9), (1, 1)])
def test_unshuffled_network_is_the_plain_one_on_pixels_as_channels(height: int, width: int) -> None:
    """At 2x2 pixels a place; what is added to fill the last place is dropped again."""
    config = dataclasses.replace(PRESETS["tiny"], channels=1, levels=1, window=8, unshuffle=2)
    network = Network(config).eval()
    inner = Network(config.inner).eval()
    inner.load_state_dict(network.state_dict())
    x, level = torch.rand(1, 1, height, width), torch.tensor([[0.4]])
    filled = x[:, :, [min(y, height - 1) for y in range(height + height % 2)]]
    filled = filled[:, :, :, [min(c, width - 1) for c in range(width + width % 2)]]
    places = torch.cat([filled[:, :, y::2, c::2] for y in (0, 1) for c in (0, 1)], dim=1)
    made = inner(places, level)
    out = network(x, level)
    assert out.shape == x.shape
    for index, (y, c) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        part = out[:, 0, y::2, c::2]
        torch.testing.assert_close(part, made[:, index, : part.shape[1], : part.shape[2]])


def test_multiplications_behind_an_unshuffling_are_a_quarter() -> None:
    config = PRESETS["restore-lite"]
    body = 8 * 2 * 9 * 64 * 64
    assert config.macs_per_pixel == (body + 2 * 9 * 12 * 64) / 4


@pytest.mark.parametrize("changes", [{"scale": 2}, {"window": 9}])
def test_unshuffling_what_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unshuffle 2 needs scale 1"):
        dataclasses.replace(PRESETS["tiny"], unshuffle=2, **changes)
