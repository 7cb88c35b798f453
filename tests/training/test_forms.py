"""Ways to compute a step: all give the same gradients. Which one is fastest is a matter of the device."""

import json

import numpy as np
import pytest
import torch

from nsr_cli.model.network import Network
from nsr_cli.training import forms
from nsr_cli.training.forms import (
    CPU_FORMS,
    PLAIN_FORMS,
    SPARSE_FORMS,
    TrainingForm,
    cpu_form,
    fastest_form,
    seconds_of,
)
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import TASKS, Recipe
from tests.training.helpers import tiny_recipe

CPU = torch.device("cpu")
SPARSE = tiny_recipe(changes={"groups": 4})
PLAIN = tiny_recipe(changes={"selection": "none", "groups": 1, "cardinality": 1})


def source_of(recipe: Recipe) -> PatchSource:
    pictures = [np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)]
    return PatchSource(TASKS["upscale-x2"], pictures, recipe.patch, 1, CPU)


def gradients(recipe: Recipe, form: TrainingForm) -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    network = Network(recipe.network)
    seconds = seconds_of(form, network, source_of(recipe), recipe.batch, None)
    assert seconds > 0
    kernel = network.blocks[0].first.weight_v
    assert kernel.is_contiguous(memory_format=form.layout)
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("recipe", "tried"), [(SPARSE, (*SPARSE_FORMS, *CPU_FORMS)), (PLAIN, (*PLAIN_FORMS, *CPU_FORMS))]
)
def test_every_form_gives_the_same_gradients(recipe: Recipe, tried: tuple[TrainingForm, ...]) -> None:
    expected, *others = (gradients(recipe, form) for form in tried)
    assert expected
    for other in others:
        assert other.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(other[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("recipe", [SPARSE, PLAIN])
def test_elsewhere_the_fastest_form_is_taken(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is replaced, so that every form has its turn in being the fastest; the device has no kernels here."""
    tried, seen = (PLAIN_FORMS if recipe is PLAIN else SPARSE_FORMS), []

    def seconds(form: TrainingForm, *_: object) -> float:
        seen.append(form)
        return 1.0 if form == fastest else 2.0

    monkeypatch.setattr(forms, "seconds_of", seconds)
    for fastest in tried:
        network = Network(recipe.network)
        assert fastest_form(network, source_of(recipe), recipe, 2, torch.device("meta"), None) == fastest
        assert set(seen) == set(tried)


def test_a_form_that_the_device_has_no_memory_for_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = [SPARSE_FORMS[0]]

    def seconds(form: TrainingForm, *_: object) -> float:
        if form not in fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    def fastest() -> TrainingForm:
        return fastest_form(Network(SPARSE.network), source_of(SPARSE), SPARSE, 2, torch.device("meta"), None)

    monkeypatch.setattr(forms, "seconds_of", seconds)
    assert fastest() == SPARSE_FORMS[0]
    fits = []
    with pytest.raises(torch.OutOfMemoryError):
        fastest()


@pytest.mark.parametrize("form", [*SPARSE_FORMS, *CPU_FORMS])
def test_a_form_can_be_stored(form: TrainingForm) -> None:
    assert TrainingForm.from_dict(json.loads(json.dumps(form.to_dict()))) == form
    with pytest.raises(ValueError, match="no such form"):
        TrainingForm.from_dict({"convolution": "other"})


def test_on_a_cpu_nothing_is_measured() -> None:
    network = Network(SPARSE.network)
    for autocast in (None, torch.bfloat16):
        expected = cpu_form(SPARSE.windows, autocast)
        assert fastest_form(network, source_of(SPARSE), SPARSE, 2, CPU, autocast) == expected
    assert all(parameter.grad is None for parameter in network.parameters())


def test_on_a_cpu_windows_are_stacked_except_single_ones_in_float32() -> None:
    narrow = torch.bfloat16
    forms = [cpu_form(*case).convolution for case in ((1, None), (2, None), (1, narrow), (2, narrow))]
    assert forms == ["looped", "stacked", "stacked", "stacked"]
