"""Muon: orthogonal steps for the kernels of blocks, Adam's for everything else."""

import pytest
import torch
from torch import Tensor, nn

from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.training.muon import Muon, orthogonalized
from nsr_cli.training.optimizer import make_optimizer


@pytest.mark.parametrize("shape", [(3, 8, 40), (2, 40, 8), (1, 16, 16)])
def test_all_directions_of_an_orthogonalized_matrix_count_alike(shape: tuple[int, ...]) -> None:
    """Singular values spread over three decades come out near 1, and the singular vectors stay."""
    generator = torch.Generator().manual_seed(1)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    values = torch.logspace(0, -3, min(shape[1:]))
    turned = orthogonalized(5 * left @ torch.diag(values) @ right)
    rotated = left.mT @ turned @ right.mT
    found = rotated.diagonal(dim1=-2, dim2=-1)
    kept = values > 0.02  # five rounds lift the smaller ones only part of the way
    assert found[:, kept].min() > 0.6 and found.max() < 1.3
    assert (rotated - torch.diag_embed(found)).abs().max() < 1e-3


def test_a_gradient_of_zero_moves_nothing() -> None:
    assert torch.equal(orthogonalized(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def take_steps(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, gradients: Tensor) -> Tensor:
    for gradient in gradients:
        parameter.grad = gradient
        optimizer.step()
    return parameter.detach()


def test_groups_of_kernels_are_turned_on_their_own_and_move_about_as_far_as_adam_would() -> None:
    gradients = torch.randn(4, 6, 5, 3, 3, generator=torch.Generator().manual_seed(2))
    gradients[:, 3:] *= 1000  # would leave nothing for the others in a matrix of all six rows
    both = nn.Parameter(torch.zeros(6, 5, 3, 3))
    moved = take_steps(Muon([{"params": [both], "matrices": 2}], 0.1), both, gradients)
    for half in (slice(0, 3), slice(3, 6)):
        one = nn.Parameter(torch.zeros(3, 5, 3, 3))
        alone = take_steps(Muon([{"params": [one], "matrices": 1}], 0.1), one, gradients[:, half])
        torch.testing.assert_close(moved[half], alone)
    one = nn.Parameter(torch.zeros(3, 5, 3, 3))
    first = take_steps(Muon([{"params": [one], "matrices": 1}], 0.1), one, gradients[:1, :3])
    assert 0.1 * 0.15 < float(first.square().mean().sqrt()) < 0.1 * 0.25


def test_all_other_parameters_move_as_adam_moves_them() -> None:
    gradients = torch.randn(5, 7, generator=torch.Generator().manual_seed(3))
    ours, theirs = nn.Parameter(torch.ones(7)), nn.Parameter(torch.ones(7))
    found = take_steps(Muon([{"params": [ours]}], 0.01), ours, gradients)
    expected = take_steps(torch.optim.Adam([theirs], 0.01), theirs, gradients)
    torch.testing.assert_close(found, expected)


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(2))
    Muon([{"params": [parameter]}], 0.1).step()
    assert parameter.tolist() == [1.0, 1.0]


def test_kernels_of_blocks_alone_are_matrices_one_for_each_group() -> None:
    network = Network(PRESETS["tiny"])
    optimizer = make_optimizer(network, 1e-3, selector_rate=20, kind="muon")
    names = {id(one): name for name, one in network.named_parameters()}
    found = {
        names[id(one)]: (group["matrices"], group["times"])
        for group in optimizer.param_groups
        for one in group["params"]
    }
    assert set(found) == set(names.values())
    for name, (matrices, times) in found.items():
        assert matrices == (2 if name.startswith("body.") and name.endswith(".weight_v") else 0)
        assert times == (20 if name.endswith("selector.linear.weight") else 1)


def test_plain_kernels_are_one_matrix() -> None:
    optimizer = make_optimizer(Network(PRESETS["restore-base"]), 1e-3, kind="muon")
    assert {group["matrices"] for group in optimizer.param_groups} == {0, 1}


def test_it_needs_fewer_steps_where_the_directions_of_a_matrix_differ_much() -> None:
    """Least squares whose inputs have a spread of three decades: what Adam leaves after 200 steps, it undercuts."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(256, 24, generator=generator) * torch.logspace(0, -3, 24)
    inputs = inputs @ torch.linalg.qr(torch.randn(24, 24, generator=generator))[0]
    wanted = torch.randn(16, 24, generator=generator)

    def loss(parameter: Tensor) -> Tensor:
        error: Tensor = inputs @ (parameter - wanted).mT
        return error.square().mean()

    def left(kind: str) -> float:
        parameter = nn.Parameter(torch.zeros(16, 24))
        group = {"params": [parameter], "matrices": 1}
        optimizer = Muon([group], 0.3) if kind == "muon" else torch.optim.Adam([parameter], 0.3)
        for step in range(200):
            for each in optimizer.param_groups:
                each["lr"] = 0.3 * (1 - step / 200)
            (parameter.grad,) = torch.autograd.grad(loss(parameter), parameter)
            optimizer.step()
        return float(loss(parameter.detach()))

    assert left("muon") < 0.5 * left("adam")
