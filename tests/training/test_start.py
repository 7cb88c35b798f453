"""Where runs start: a plain network split into groups."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from nsr_cli.errors import UsageError
from nsr_cli.imaging.color import FULL_LUMA_WEIGHTS
from nsr_cli.model.config import Selection
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.training import start
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.start import initial, unfolded
from tests.tiny import tiny_network
from tests.training.helpers import run_tiny, tiny_recipe

PLAIN = {"selection": "none", "groups": 1, "cardinality": 1}


def plain_network() -> Network:
    torch.manual_seed(9)
    network = Network(tiny_recipe(changes=PLAIN).network)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.fixture
def equal_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups made from a plain kernel do not differ."""
    monkeypatch.setattr(start, "_SPLIT_NOISE", 0.0)


@pytest.mark.usefixtures("equal_groups")
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("selection", ["softmax", "gumbel"])
def test_a_plain_network_split_into_groups_is_the_same_network(selection: Selection, folded: bool) -> None:
    plain = plain_network()
    x = torch.rand(2, 3, 8, 16)
    expected = plain(x)
    recipe = tiny_recipe(changes={"groups": 4, "cardinality": 4, "selection": selection})
    split = initial(recipe, plain.fold() if folded else plain).eval()
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


@pytest.mark.usefixtures("equal_groups")
def test_a_split_network_of_sigmoids_begins_near_the_plain_one() -> None:
    plain = plain_network()
    recipe = tiny_recipe(changes={"groups": 4, "selection": "sigmoid"})
    split = initial(recipe, plain)
    for block in split.blocks:
        for layer in (block.first, block.second):
            assert isinstance(layer, SparseConvolution) and layer.selector is not None
            torch.nn.init.zeros_(layer.selector.linear.weight)
            torch.nn.init.zeros_(layer.selector.linear.bias)
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(split.eval()(x), plain(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("folded", [False, True])
def test_a_gray_network_in_color_restores_luma_and_leaves_color_differences(
    unshuffle: int, folded: bool
) -> None:
    torch.manual_seed(3)
    recipe = tiny_recipe(changes={"unshuffle": unshuffle}, task="denoise-gray")
    gray = Network(recipe.network).eval()
    colors = dataclasses.replace(
        recipe, task="denoise-rgb", network=dataclasses.replace(recipe.network, channels=3)
    )
    x, level = torch.rand(2, 3, 9, 16), torch.rand(2, 1)
    shares = torch.tensor(FULL_LUMA_WEIGHTS).reshape(3, 1, 1)
    luma = gray((x * shares).sum(dim=1, keepdim=True), level)
    restored = initial(colors, gray.fold() if folded else gray).eval()(x, level)
    torch.testing.assert_close((restored * shares).sum(dim=1, keepdim=True), luma, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(restored[:, 0] - restored[:, 2], x[:, 0] - x[:, 2], atol=1e-5, rtol=1e-4)
    assert float((restored - x).detach().abs().max()) > 0.01


def test_weights_that_do_not_fit_at_all_are_refused() -> None:
    other = Network(tiny_recipe(changes={"width": 6, "window": 24}, task="denoise-gray").network)
    with pytest.raises(UsageError, match="--init other: none of its kernels fits"):
        initial(tiny_recipe(init="other"), other)


def test_layers_of_other_widths_keep_their_random_initialization() -> None:
    plain = plain_network()
    recipe = tiny_recipe(changes={"expansion": 3})
    network, fresh = initial(recipe, plain), initial(recipe, None)
    torch.testing.assert_close(network.head.weight, plain.head.weight)
    torch.testing.assert_close(network.blocks[0].first.weight, fresh.blocks[0].first.weight)


def grown(source: Network, blocks: int, changes: dict[str, Any]) -> Network:
    return initial(tiny_recipe(changes={**changes, "blocks": blocks}), source).eval()


@torch.no_grad()
def weakened(network: Network, share: float) -> Network:
    """Let blocks add so little that the second of two sees nearly what the first one saw."""
    for block in network.blocks:
        assert block.second.weight_g is not None
        block.second.weight_g.mul_(share)
        block.second.bias.normal_(std=0.1).mul_(share)
    return network


@torch.no_grad()
@pytest.mark.parametrize("blocks", [2, 3, 5])
@pytest.mark.parametrize("changes", [PLAIN, {}], ids=["plain", "sparse"])
@pytest.mark.parametrize("folded", [False, True])
def test_a_deeper_network_starts_where_the_shallow_one_is(
    changes: dict[str, Any], folded: bool, blocks: int
) -> None:
    """Half steps in place of whole ones: the difference is of second order in what a block adds."""
    torch.manual_seed(9)
    shallow = weakened(Network(tiny_recipe(changes=changes).network).eval(), 1e-3)
    x = torch.rand(2, 3, 8, 16)
    expected = shallow(x)
    added = (expected - weakened(copy.deepcopy(shallow), 0.0)(x)).abs().max()
    deep = grown(shallow.fold() if folded else shallow, blocks, changes)
    assert float((deep(x) - expected).abs().max()) < 1e-2 * float(added)


def test_every_block_is_split_in_its_place() -> None:
    shallow = Network(tiny_recipe(changes={"blocks": 2}).network)
    deep = grown(shallow, 5, {"blocks": 5})
    for block, (origin, shares) in zip(deep.blocks, [(0, 3), (0, 3), (0, 3), (1, 2), (1, 2)], strict=True):
        old = shallow.blocks[origin]
        torch.testing.assert_close(block.first.weight, old.first.weight)
        torch.testing.assert_close(block.second.weight * shares, old.second.weight)
    torch.testing.assert_close(deep.tail.weight, shallow.tail.weight)


def test_a_shallower_network_takes_the_first_blocks() -> None:
    deep = Network(tiny_recipe(changes={"blocks": 3}).network)
    network = initial(tiny_recipe(), deep)
    torch.testing.assert_close(network.blocks[0].second.weight, deep.blocks[0].second.weight)


def warnings(recipe: Recipe, init: Network) -> list[str]:
    said: list[str] = []
    initial(recipe, init, notify=said.append)
    return said


def test_how_much_was_taken_over_is_reported_by_parts() -> None:
    """Of three tensors a layer: directions, gains and biases; each of the two layers has two more to choose by."""
    source = Network(tiny_recipe().network)
    [line] = warnings(tiny_recipe("upscale-x3", init="two"), source)
    assert line == (
        "--init two: 13 of 19 tensors taken over (head 3 of 3, body 10 of 10, tail 0 of 3, skip 0 of 3); the "
        "others start at random"
    )
    [line] = warnings(tiny_recipe(changes={"groups": 4}, init="plain"), plain_network())
    assert "15 of 19 tensors taken over (head 3 of 3, body 6 of 10, tail 3 of 3, skip 3 of 3)" in line
    assert warnings(tiny_recipe(changes={"blocks": 3}, init="two"), source) == [
        "--init two: 3 blocks, made by splitting its 1"
    ]


def test_a_layer_whose_kernels_do_not_fit_keeps_its_own_gains_and_biases() -> None:
    """The head of a network that is told a level has more inputs, and as many outputs."""
    source = Network(tiny_recipe("dejpeg-rgb").network)
    blind = Network(dataclasses.replace(source.config, levels=0))
    with torch.no_grad():
        blind.head.bias.fill_(7)
    recipe = tiny_recipe("dejpeg-rgb", init="blind")
    assert not initial(recipe, blind).head.bias.any()
    assert "head 0 of 3" in warnings(recipe, blind)[0]


def test_omitted_blocks_and_another_selection_are_reported() -> None:
    """All tensors of the new network are taken over; still it is not the one that was given."""
    deep = Network(tiny_recipe(changes={"blocks": 5}).network)
    assert warnings(tiny_recipe(changes={"blocks": 2}, init="deep"), deep) == [
        "--init deep: only the first 2 of its 5 blocks"
    ]
    changes = {"blocks": 2, "selection": "sigmoid"}
    assert warnings(tiny_recipe(changes=changes, init="deep"), deep) == [
        "--init deep: only the first 2 of its 5 blocks; it selects by softmax, this network by sigmoid"
    ]
    assert warnings(tiny_recipe(changes={"blocks": 5, "temperature": 0.1}, init="deep"), deep) == [
        "--init deep: it selects at temperature 1, this network at 0.1"
    ]


def test_the_description_of_weights_is_one_line() -> None:
    [line] = warnings(
        tiny_recipe("upscale-x3", changes={"blocks": 3}, init="two"), Network(tiny_recipe().network)
    )
    assert line.startswith(
        "--init two: 3 blocks, made by splitting its 1; 33 of 39 tensors taken over (head 3 of 3"
    )


@pytest.mark.parametrize("task", ["denoise-gray", "denoise-rgb"])
def test_kernels_of_zeros_stay_zeros_and_learn(task: str, pictures: Path, tmp_path: Path) -> None:
    """Their direction is 0/0: one NaN there, and the run would have been over at its first validation."""
    folded = Network(tiny_recipe("denoise-gray", changes=PLAIN).network).fold()
    with torch.no_grad():
        for layer in (folded.head, folded.blocks[0].first, folded.tail):
            layer.weight_v[0] = 0
        folded.blocks[0].first.bias[0] = (
            0.1  # without it the ReLU behind would pass no gradient on, at exactly 0
        )
    recipe = tiny_recipe(task, steps=3, learning_rate=1e-2)
    network = initial(recipe, folded)
    for layer in (network.head, network.blocks[0].first, network.tail):
        assert float(layer.weight[0].detach().abs().max()) == 0
    trained, _ = run_tiny(recipe, pictures, tmp_path / "run", init=folded)
    for layer in (
        trained.learner.network.head,
        trained.learner.network.blocks[0].first,
        trained.learner.network.tail,
    ):
        assert 0 < float(layer.weight[0].detach().abs().max()) < 1


def test_weights_that_fit_as_a_whole_need_no_words() -> None:
    assert warnings(tiny_recipe(), Network(tiny_recipe().network)) == []
    assert warnings(tiny_recipe(), Network(tiny_recipe().network).fold()) == []


def test_a_run_tells_it_once_when_it_begins(pictures: Path, tmp_path: Path) -> None:
    recipe, source = tiny_recipe("upscale-x3", steps=1, init="two"), Network(tiny_recipe().network)
    for resume, count in ((False, 1), (True, 0)):
        _, told = run_tiny(recipe, pictures, tmp_path / "run", resume=resume, init=source)
        assert len([line for line in told.warnings if "13 of 19 tensors taken over" in line]) == count


def test_another_scale_starts_from_the_body(pictures: Path, tmp_path: Path) -> None:
    two, _ = run_tiny(tiny_recipe(steps=2), pictures, tmp_path / "two")
    three, _ = run_tiny(
        tiny_recipe("upscale-x3", steps=1, learning_rate=1e-12),
        pictures,
        tmp_path / "three",
        init=two.learner.network,
    )
    for name, tensor in two.learner.network.state_dict().items():
        other = three.learner.network.state_dict()[name]
        if name.startswith(("body", "head")):
            torch.testing.assert_close(other, tensor, atol=1e-6, rtol=1e-5)


def test_unfolding_inverts_folding() -> None:
    network = tiny_network()
    x = torch.rand(1, 3, 48, 48)
    back = unfolded(network)
    assert back.head.weight_g is not None
    torch.testing.assert_close(back.eval()(x), network(x), atol=1e-5, rtol=1e-5)
    fresh = Network(network.config)
    assert unfolded(fresh) is fresh
