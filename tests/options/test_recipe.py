"""What the options of `nsr train` become in a recipe."""

from dataclasses import asdict, fields

from nsr_cli.model.config import NetworkConfig
from nsr_cli.options.recipe import NetworkOptions, ScheduleOptions
from nsr_cli.training.recipe import Recipe, make_recipe


def test_the_defaults_of_the_command_are_those_of_a_recipe() -> None:
    of_recipe = {field.name: field.default for field in fields(Recipe)}
    assert asdict(ScheduleOptions()).items() <= of_recipe.items()


def test_only_what_is_given_changes_the_network_of_a_preset() -> None:
    assert NetworkOptions(preset="tiny").changes() == {}
    assert NetworkOptions(preset="tiny", shared=False, cardinality=0).changes() == {
        "shared": False,
        "cardinality": 0,
    }
    names = {field.name for field in fields(NetworkOptions)} - {"preset"}
    assert names <= {field.name for field in fields(NetworkConfig)}


def test_what_the_command_line_says_reaches_the_recipe() -> None:
    network = NetworkOptions(preset="lite", blocks=3)
    schedule = ScheduleOptions(steps=7, learning_rate=0.5, ema=0.9)
    recipe = make_recipe("upscale-x2", network.preset, network.changes(), **asdict(schedule))
    assert (recipe.preset, recipe.network.blocks) == ("lite", 3)
    assert (recipe.steps, recipe.learning_rate, recipe.ema, recipe.batch) == (7, 0.5, 0.9, 16)
