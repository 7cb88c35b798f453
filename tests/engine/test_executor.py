"""The engine against the network itself and against the authors' way of running it."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.executor import Executor
from nsr_cli.engine.grid import Grid, own
from nsr_cli.engine.patches import overlapping_patches
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from tests.tiny import tiny_network

CPU = torch.device("cpu")
SIZES = [(1, 1), (1, 60), (60, 1), (48, 48), (47, 97), (96, 49), (100, 150)]


def by_the_network(network: Network, x: Tensor, level: Tensor | None = None) -> Tensor:
    """Edge-replicate to whole windows, run the module, crop: what the engine has to reproduce."""
    height, width = x.shape[1:]
    scale = network.config.scale
    padded = Grid(height, width, network.config.window).pad(x[None])
    restored: Tensor = network(padded, None if level is None else level[None])
    return restored[0, :, : scale * height, : scale * width]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_equals_the_network_at_any_size(size: tuple[int, int], scale: int) -> None:
    network = tiny_network(scale=scale)
    x = torch.rand(3, *size)
    out = Executor(network, CPU, torch.float32)(x, None, 1)
    assert out.shape == (3, scale * size[0], scale * size[1])
    torch.testing.assert_close(out, by_the_network(network, x), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"shared": True},
        {"selection": "sigmoid"},
        {"selection": "gumbel"},
        {"selection": "none", "groups": 1, "cardinality": 1},
        {"temperature": 0.1},
        {"groups": 1, "cardinality": 16, "selection": "sigmoid", "expansion": 1},
    ],
)
def test_equals_the_network_for_every_selection(changes: dict[str, object]) -> None:
    torch.manual_seed(3)
    config = dataclasses.replace(PRESETS["tiny"], scale=2, **changes)  # type: ignore[arg-type]
    network = Network(config).fold().eval()
    x = torch.rand(3, 70, 110)
    out = Executor(network, CPU, torch.float32)(x, None, 4)
    torch.testing.assert_close(out, by_the_network(network, x).detach(), atol=1e-5, rtol=1e-5)


def test_levels_reach_the_network() -> None:
    network = tiny_network(scale=1, channels=1, levels=1)
    x, level = torch.rand(1, 50, 60), torch.tensor([0.3])
    out = Executor(network, CPU, torch.float32)(x, level, 1)
    torch.testing.assert_close(out, by_the_network(network, x, level), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [2, 3, 7, 100])
def test_windows_may_be_convolved_together(batch: int) -> None:
    """The form for GPUs, grouped convolution, differs from one window at a time by rounding alone."""
    executor = Executor(tiny_network(), CPU, torch.float32)
    x = torch.rand(3, 100, 250)
    torch.testing.assert_close(executor(x, None, batch), executor(x, None, 1), atol=2e-6, rtol=1e-5)


def test_calls_are_independent() -> None:
    executor = Executor(tiny_network(), CPU, torch.float32)
    x = torch.rand(3, 60, 60)
    first = executor(x, None, 1)
    executor(torch.rand(3, 90, 130), None, 1)
    assert torch.equal(executor(x, None, 1), first)


def test_bfloat16_stays_close() -> None:
    network = tiny_network()
    x = torch.rand(3, 60, 100)
    exact = Executor(network, CPU, torch.float32)(x, None, 1)
    coarse = Executor(network, CPU, torch.bfloat16)(x, None, 1)
    assert coarse.dtype == torch.float32
    assert float((coarse - exact).abs().max()) < 0.03


def test_progress_counts_blocks() -> None:
    seen: list[tuple[int, int]] = []
    Executor(tiny_network(), CPU, torch.float32)(
        torch.rand(3, 10, 10), None, 1, lambda *now: seen.append(now)
    )
    assert seen == [(1, 2), (2, 2)]


def test_exchange_fills_halos_and_corners_from_neighbours() -> None:
    grid = Grid(6, 9, 3)
    x = torch.arange(54, dtype=torch.float32).view(1, 1, 6, 9)
    buffer = grid.buffer(1, x)
    own(buffer)[:] = own(grid.cut(x, 1).flatten(0, 1))
    grid.exchange(buffer)
    assert torch.equal(buffer, grid.cut(x, 1).flatten(0, 1))


def test_one_picture_of_one_window_equals_the_authors_patch() -> None:
    """Where a single 48×48 patch covers the picture both schemes are the same computation."""
    network = tiny_network()
    x = torch.rand(3, 48, 48)
    ours = Executor(network, CPU, torch.float32)(x, None, 1)
    torch.testing.assert_close(overlapping_patches(network, x), ours, atol=2e-6, rtol=1e-5)


def test_the_authors_scheme_averages_what_overlaps() -> None:
    """A constant kernel choice (one group) makes patches differ from the whole only near patch borders."""
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS["tiny"], scale=2, selection="none", groups=1, cardinality=1)
    network = Network(config).fold().eval().requires_grad_(False)
    x = torch.rand(3, 80, 80)
    patches, whole = overlapping_patches(network, x), network(x[None])[0]
    assert patches.shape == whole.shape == (3, 160, 160)
    difference = (patches - whole).abs().amax(dim=0)
    # 5 convolutions and a 5×5 skip see at most 7 pixels: rows 39…40 are that far from every patch's border.
    assert float(difference[20:44, 20:44].max()) < 1e-5
    assert float(difference[64:96, 64:96].max()) > 1e-4


def test_replicated_padding_reads_only_the_picture() -> None:
    x = torch.rand(1, 3, 5, 7)
    padded = Grid(5, 7, 4).pad(x)
    assert padded.shape == (1, 3, 8, 8)
    assert torch.equal(padded, F.pad(x, (0, 1, 0, 3), mode="replicate"))
