"""Ways to compute a step: all give the same gradients. Which one is fastest is a matter of the device."""

import json

import numpy as np
import pytest
import torch

from nsr_cli.model.network import Network
from nsr_cli.training import forms
from nsr_cli.training.forms import CPU_WAYS, PLAIN_WAYS, WAYS, Way, cpu_way, fastest_way, seconds_of
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import TASKS, Recipe
from tests.training.helpers import tiny_recipe

CPU = torch.device("cpu")
SPARSE = tiny_recipe(changes={"groups": 4})
PLAIN = tiny_recipe(changes={"selection": "none", "groups": 1, "cardinality": 1})


def source_of(recipe: Recipe) -> PatchSource:
    pictures = [np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)]
    return PatchSource(TASKS["upscale-x2"], pictures, recipe.patch, 1, CPU)


def gradients(recipe: Recipe, way: Way) -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    network = Network(recipe.network)
    seconds = seconds_of(way, network, source_of(recipe), recipe.batch, None)
    assert seconds > 0
    kernel = network.blocks[0].first.weight_v
    assert kernel.is_contiguous(memory_format=way.layout)
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("recipe", "ways"), [(SPARSE, (*WAYS, *CPU_WAYS)), (PLAIN, (*PLAIN_WAYS, *CPU_WAYS))]
)
def test_every_way_gives_the_same_gradients(recipe: Recipe, ways: tuple[Way, ...]) -> None:
    expected, *others = (gradients(recipe, way) for way in ways)
    assert expected
    for other in others:
        assert other.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(other[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("recipe", [SPARSE, PLAIN])
def test_elsewhere_the_fastest_way_is_taken(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is replaced, so that every way has its turn in being the fastest; the device has no kernels here."""
    ways, seen = (PLAIN_WAYS if recipe is PLAIN else WAYS), []

    def seconds(way: Way, *_: object) -> float:
        seen.append(way)
        return 1.0 if way == fastest else 2.0

    monkeypatch.setattr(forms, "seconds_of", seconds)
    for fastest in ways:
        network = Network(recipe.network)
        assert fastest_way(network, source_of(recipe), recipe, 2, torch.device("meta"), None) == fastest
        assert set(seen) == set(ways)


def test_a_way_that_the_device_has_no_memory_for_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = [WAYS[0]]

    def seconds(way: Way, *_: object) -> float:
        if way not in fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    def fastest() -> Way:
        return fastest_way(Network(SPARSE.network), source_of(SPARSE), SPARSE, 2, torch.device("meta"), None)

    monkeypatch.setattr(forms, "seconds_of", seconds)
    assert fastest() == WAYS[0]
    fits = []
    with pytest.raises(torch.OutOfMemoryError):
        fastest()


@pytest.mark.parametrize("way", [*WAYS, *CPU_WAYS])
def test_a_way_can_be_stored(way: Way) -> None:
    assert Way.from_dict(json.loads(json.dumps(way.to_dict()))) == way
    with pytest.raises(ValueError, match="no such form"):
        Way.from_dict({"form": "other"})


def test_on_a_cpu_nothing_is_measured() -> None:
    network = Network(SPARSE.network)
    for autocast in (None, torch.bfloat16):
        expected = cpu_way(SPARSE.windows, autocast)
        assert fastest_way(network, source_of(SPARSE), SPARSE, 2, CPU, autocast) == expected
    assert all(parameter.grad is None for parameter in network.parameters())


def test_on_a_cpu_windows_are_joined_but_for_single_ones_in_float32() -> None:
    narrow = torch.bfloat16
    forms = [cpu_way(*case).form for case in ((1, None), (2, None), (1, narrow), (2, narrow))]
    assert forms == ["apart", "joined", "joined", "joined"]
