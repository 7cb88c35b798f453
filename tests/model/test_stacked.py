"""Windows side by side in the channels, against PyTorch's own convolution of each window."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.model import stacked as module
from nsr_cli.model.config import PRESETS, NetworkConfig, Selection
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.model.stacked import convolve_stacked, fits, means_of, stacked, unstacked
from tests.model.test_window_conv import plainly

C, O, P = 3, 4, 5
GRIDS = [(1, 1), (1, 2), (3, 1), (2, 2), (3, 4)]  # rows and columns of windows


def example(grid: tuple[int, int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(grid[0] * 10 + grid[1])
    count = 2 * grid[0] * grid[1]
    shapes = ((2, C, grid[0] * P, grid[1] * P), (count, O, C, 3, 3), (count, O))
    x, kernels, biases = (torch.randn(shape, dtype=dtype) for shape in shapes)
    return x, kernels, biases


def together(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    """The kernels, given picture by picture, in the order of stacked windows: pictures are the fastest index there."""
    pictures, windows = len(x), len(kernels) // len(x)
    kernels, biases = (
        one.view(pictures, windows, *one.shape[1:]).transpose(0, 1).flatten(0, 1) for one in (kernels, biases)
    )
    return unstacked(convolve_stacked(stacked(x, P), kernels.contiguous(), biases.contiguous()))


@pytest.mark.parametrize("grid", GRIDS)
def test_stacking_and_unstacking_move_features_only(grid: tuple[int, int]) -> None:
    x, *_ = example(grid)
    windows = stacked(x, P)
    assert windows.shape == (*grid, 2, C, P, P)
    assert windows.permute(4, 5, 0, 1, 2, 3).is_contiguous()
    for row in range(grid[0]):
        for column in range(grid[1]):
            own = x[:, :, row * P : (row + 1) * P, column * P : (column + 1) * P]
            assert torch.equal(windows[row, column], own)
    assert torch.equal(unstacked(windows), x)
    means = F.avg_pool2d(x, P).permute(2, 3, 0, 1).reshape(-1, C)
    torch.testing.assert_close(means_of(windows), means)
    assert means_of(windows.bfloat16()).dtype == torch.float32


def test_gradients_of_unstacking_lie_as_stacked_windows_do() -> None:
    windows = stacked(example((2, 3))[0], P).requires_grad_()
    weights = torch.randn(2, C, 2 * P, 3 * P, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((unstacked(windows) * weights).sum(), windows)
    assert torch.equal(gradient, stacked(weights, P))
    assert gradient.stride() == windows.stride()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("large", [P + 1, P], ids=["kernels' gradients at once", "one by one"])
def test_outputs_and_gradients_are_those_of_every_window_by_itself(
    grid: tuple[int, int], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGE", large)
    results = []
    for convolved in (together, plainly):
        x, kernels, biases = leaves = [tensor.requires_grad_() for tensor in example(grid)]
        out = convolved(x, kernels, biases)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        results.append((out, *torch.autograd.grad((out * weights).sum(), leaves)))
    torch.testing.assert_close(results[0], results[1])


def test_what_follows_may_overwrite_the_output() -> None:
    x, kernels, biases = example((2, 2))
    found = []
    for inplace in (False, True):
        leaf = stacked(x, P).requires_grad_()
        out = F.relu(convolve_stacked(leaf, kernels, biases), inplace=inplace)
        found.append(torch.autograd.grad(out.square().sum(), leaf))
    torch.testing.assert_close(found[0], found[1])


CONFIGS = [
    NetworkConfig(2, 8, 2, 2, 4, "softmax", scale=2, window=6),
    NetworkConfig(2, 8, 1, 3, 4, "sigmoid", scale=2, window=6, shared=True),
    NetworkConfig(2, 8, 1, 1, 0, "sigmoid", scale=3, window=6),  # squeeze and excitation
    NetworkConfig(2, 8, 1, 2, 4, "softmax", channels=1, levels=1, window=8, unshuffle=2),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("grid", [(1, 1), (2, 3)])
def test_a_network_restores_and_learns_the_same(config: NetworkConfig, grid: tuple[int, int]) -> None:
    torch.manual_seed(1)
    network = Network(config).double()
    x = torch.rand(2, config.channels, *(side * config.window for side in grid), dtype=torch.float64)
    level = torch.rand(2, config.levels, dtype=torch.float64) if config.levels else None
    found = []
    for form in ("grouped", "stacked"):
        network.use_form(form)
        network.zero_grad()
        out = network(x, level)
        out.square().sum().backward()
        found.append((out.detach(), [parameter.grad for parameter in network.parameters()]))
    assert network.stacks_windows
    torch.testing.assert_close(found[1], found[0])


def test_partial_windows_and_plain_networks_are_not_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 12, 13)
    assert not fits(x, 6) and not fits(x.transpose(2, 3), 6) and fits(x[..., :12], 6)
    network = Network(CONFIGS[0])
    expected = network(x)
    network.use_form("stacked")
    torch.testing.assert_close(network(x), expected)
    plain: Selection = "none"
    network = Network(
        dataclasses.replace(PRESETS["tiny"], selection=plain, groups=1, cardinality=1, window=6)
    )
    network.use_form("stacked")
    assert not network.stacks_windows and network(x[..., :12]).shape == (1, 3, 12, 12)


def test_under_autocast_the_choice_stays_wide_and_the_convolutions_are_narrow() -> None:
    network = Network(CONFIGS[0])
    network.use_form("stacked")
    x = torch.rand(2, 3, 12, 18)
    seen: list[torch.dtype] = []
    first = network.blocks[0].first
    assert isinstance(first, SparseConvolution) and first.selector is not None
    for part in (first, first.selector):
        part.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    expected = network(x)
    seen.clear()
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)
    assert seen == [torch.float32, torch.bfloat16]
    found.float().square().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(one is not None and one.dtype == torch.float32 for one in gradients)
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.02)
