"""Schedules and names."""

import json

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.model.config import PRESETS
from nsr_cli.training.recipe import TASKS, Recipe, make_recipe


def test_the_defaults_are_the_papers() -> None:
    recipe = make_recipe("upscale-x2")
    assert recipe.preset == "sparse-plus" and recipe.network.scale == 2 and recipe.patch == 48
    assert recipe.total_steps(pictures=800) == 150_000  # 30 epochs of 100 crops of 800 pictures, 16 at a time
    rates = [recipe.learning_rate_at(p, 0) for p in (0.0, 0.66, 0.67, 0.83, 0.84)]
    assert rates == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4, 4e-5])


def test_cosine_and_warmup() -> None:
    recipe = make_recipe("upscale-x2", schedule="cosine", warmup=10)
    assert [recipe.learning_rate_at(p, 100) for p in (0.0, 0.5, 1.0)] == pytest.approx([1e-3, 5e-4, 0.0])
    assert recipe.learning_rate_at(0.0, 4) == pytest.approx(5e-4)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_network_that_fits(name: str) -> None:
    recipe = make_recipe(name)
    task = TASKS[name]
    assert (recipe.network.scale, recipe.network.channels) == (task.scale, 3 if task.color == "rgb" else 1)
    assert recipe.network.levels == (0 if task.kind == "upscale" else 1)


def test_recipes_survive_json() -> None:
    recipe = make_recipe(
        "denoise-gray", changes={"groups": 8, "temperature": 0.1}, time_budget=60.0, ema=0.99
    )
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    with pytest.raises(ValueError, match="not a training recipe"):
        Recipe.from_dict({"task": "upscale-x2"})


@pytest.mark.parametrize("preset", PRESETS)
def test_no_selection_needs_no_other_option(preset: str) -> None:
    """Of a sparse network that leaves the plain one of the same layers, Table 1's first row."""
    network = make_recipe("denoise-gray", preset, {"selection": "none"}).network
    assert (network.selection, network.groups, network.cardinality) == ("none", 1, 1)
    assert network.blocks == PRESETS[preset].blocks


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_recipe("upscale-x5"), "upscale-x4"),
        (lambda: make_recipe("upscale-x2", "edsr-xl"), "edsr-s"),
        (lambda: make_recipe("upscale-x2", None, {"cardinality": 7}), "does not divide"),
        (lambda: make_recipe("upscale-x2", "restore-lite"), "restore-lite is for denoise and dejpeg"),
        (lambda: make_recipe("upscale-x3", "restore-deep"), "another --network, such as lite"),
        (lambda: make_recipe("upscale-x2", None, {"selection": "none", "groups": 4}), "one group"),
        (lambda: make_recipe("denoise-gray", intact=0.1, mean_color=1.0), "--intact is for dejpeg"),
        (lambda: make_recipe("dejpeg-rgb", intact=0.1), "nothing without --mean-color"),
    ],
)
def test_wrong_names_say_what_is_right(call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()  # type: ignore[operator]
