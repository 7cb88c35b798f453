"""Recorded selections against those that the network itself makes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nsr_cli.engine import trace as tracing
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.runner import padded
from nsr_cli.engine.trace import trace
from nsr_cli.errors import MemoryExhausted
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector
from tests.edges import repeated_edges
from tests.tiny import PLAIN, tiny_network


def by_the_network(network: Network, array: np.ndarray, level: float | None = None) -> list[np.ndarray]:
    """Gamma (M, d, k) as the network's own selectors return it."""
    seen: list[np.ndarray] = []

    def note(module: torch.nn.Module, given: tuple[Tensor, ...], gamma: Tensor) -> None:
        seen.append(gamma.transpose(1, 2).numpy())

    hooks = [one.register_forward_hook(note) for one in network.modules() if isinstance(one, Selector)]
    x = padded(torch.from_numpy(array.transpose(2, 0, 1).copy()), network.config)[0][None]
    with torch.inference_mode(), repeated_edges():
        network(x, None if level is None else torch.tensor([[level]]))
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("size", [(48, 48), (70, 110), (5, 130)])
def test_every_layer_is_recorded_as_the_network_chooses_it(size: tuple[int, int]) -> None:
    network = tiny_network(scale=2)
    array = np.random.default_rng(1).random((*size, 3), dtype=np.float32)
    seen = trace(network, array, device="cpu")
    expected = by_the_network(network, array)
    assert [(one.block, one.convolution) for one in seen.selections] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(seen.grid) == len(seen.selections[0].gamma)
    for ours, theirs in zip(seen.selections, expected, strict=True):
        assert ours.gamma.shape == (len(seen.grid), 4, 2)
        np.testing.assert_allclose(ours.gamma, theirs, atol=1e-5)


def test_a_shared_selection_is_recorded_once_for_its_block() -> None:
    seen = trace(tiny_network(shared=True), np.zeros((60, 60, 3), np.float32), device="cpu")
    assert [(one.block, one.convolution) for one in seen.selections] == [(1, 1), (2, 1)]


def test_the_level_reaches_the_selection() -> None:
    network = tiny_network(scale=1, channels=1, levels=1)
    array = np.random.default_rng(2).random((50, 50, 1), dtype=np.float32)
    low, high = (trace(network, array, level, "cpu").selections[0].gamma for level in (0.0, 1.0))
    np.testing.assert_allclose(high, by_the_network(network, array, 1.0)[0], atol=1e-5)
    assert not np.allclose(low, high)


@pytest.mark.parametrize(
    ("device", "advice"), [("cpu", "memory, or cut"), ("cuda", "memory, use --device cpu, or cut")]
)
def test_where_memory_runs_out_only_another_device_is_advised(
    device: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Executor:
        raise MemoryError

    monkeypatch.setattr(tracing, "choose_device", torch.device)
    monkeypatch.setattr(tracing, "Executor", full)
    with pytest.raises(
        MemoryExhausted, match=f"out of memory on {device} for a picture of 60×50: free some {advice}"
    ):
        trace(tiny_network(), np.zeros((50, 60, 3), np.float32), device=device)


def test_watching_changes_nothing_and_a_plain_network_chooses_nothing() -> None:
    executor = Executor(tiny_network(), torch.device("cpu"), torch.float32, repeat=True)
    x = torch.rand(3, 60, 100)
    seen: list[Tensor] = []
    assert torch.equal(executor(x, None, 1, None, seen.append), executor(x, None, 1))
    assert len(seen) == 4
    assert trace(tiny_network(**PLAIN), np.zeros((50, 50, 3), np.float32), device="cpu").selections == ()
