"""Where runs start: a plain network split into groups."""

import pytest
import torch

from nsr_cli.errors import UsageError
from nsr_cli.model.config import Selection
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.training.start import initial
from tests.training.helpers import tiny_recipe

PLAIN = {"selection": "none", "groups": 1, "cardinality": 1}


def plain_network() -> Network:
    torch.manual_seed(9)
    network = Network(tiny_recipe(changes=PLAIN).network)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("selection", ["softmax", "gumbel"])
def test_a_plain_network_split_into_groups_is_the_same_network(selection: Selection, folded: bool) -> None:
    plain = plain_network()
    x = torch.rand(2, 3, 8, 16)
    expected = plain(x)
    recipe = tiny_recipe(changes={"groups": 4, "cardinality": 4, "selection": selection})
    split = initial(recipe, plain.fold() if folded else plain, noise=0.0).eval()
    assert isinstance(split.blocks[0].first, SparseConvolution) and split.blocks[0].first.groups == 4
    torch.testing.assert_close(split(x), expected, atol=1e-5, rtol=1e-4)


def test_groups_of_a_split_network_differ_a_little() -> None:
    plain = plain_network()
    x = torch.rand(2, 3, 8, 16)
    split = initial(tiny_recipe(changes={"groups": 4}), plain).eval()
    with torch.no_grad():
        one, other, *_ = split.blocks[0].first.weight.chunk(4)
        assert 0.01 < float((one - other).norm() / one.norm()) < 0.1
        apart = float((split(x) - plain(x)).norm() / plain(x).norm())
    assert 0 < apart < 0.05


def test_a_split_network_of_sigmoids_begins_near_the_plain_one() -> None:
    plain = plain_network()
    recipe = tiny_recipe(changes={"groups": 4, "selection": "sigmoid"})
    split = initial(recipe, plain, noise=0.0)
    for block in split.blocks:
        for layer in (block.first, block.second):
            assert isinstance(layer, SparseConvolution) and layer.selector is not None
            torch.nn.init.zeros_(layer.selector.linear.weight)
            torch.nn.init.zeros_(layer.selector.linear.bias)
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(split.eval()(x), plain(x), atol=1e-5, rtol=1e-4)


def test_weights_of_which_nothing_fits_are_no_start() -> None:
    other = Network(tiny_recipe(changes={"width": 6, "window": 24}, task="denoise-gray").network)
    with pytest.raises(UsageError, match="--init other: none of its kernels fits"):
        initial(tiny_recipe(init="other"), other)


def test_layers_of_other_widths_are_left_to_chance() -> None:
    plain = plain_network()
    recipe = tiny_recipe(changes={"expansion": 3})
    network, fresh = initial(recipe, plain), initial(recipe, None)
    torch.testing.assert_close(network.head.weight, plain.head.weight)
    torch.testing.assert_close(network.blocks[0].first.weight, fresh.blocks[0].first.weight)
