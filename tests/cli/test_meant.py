"""Commands and options of other programs, and slips, lead to what nsr calls them."""

import pytest

from nsr_cli.cli import meant
from nsr_cli.cli.commands import load
from nsr_cli.cli.table import COMMANDS

OPTIONS = {"-s", "--scale", "--sigma", "--output", "--tile", "--device", "--verbose", "--format", "--fit"}


def test_what_is_proposed_exists() -> None:
    proposed = {option.split()[0] for option in meant._OPTIONS} - {"--version"}  # of nsr itself
    commands = [load(name, COMMANDS[name]) for name in ("upscale", "denoise", "dejpeg")]
    assert proposed <= {name for command in commands for param in command.params for name in param.opts}
    assert set(meant._COMMANDS.values()) <= set(COMMANDS) and not set(meant._COMMANDS) & set(COMMANDS)


@pytest.mark.parametrize("name", ["--gpus", "--level-up", "--force", "--suffix", "--overwrite", "-z"])
def test_an_option_that_is_like_nothing_is_taken_for_nothing(name: str) -> None:
    """The dashes, which all have, made --size look like --tile and --overwrite like --verbose."""
    assert meant.not_an_option(name, OPTIONS) == ""


def test_a_name_from_elsewhere_is_proposed_only_to_commands_that_have_ours() -> None:
    assert meant.not_an_option("--noise", OPTIONS) == "; did you mean --sigma?"
    assert meant.not_an_option("--noise", {"--scale"}) == ""


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["a.png", "-scale", "2"], "-scale"),
        (["-output=x.png"], "-output"),
        (["-s2", "-oscale", "-s", "2", "--scale", "2", "-"], ""),
        (["--", "-scale"], ""),
    ],
)
def test_only_a_whole_name_with_one_dash_is_a_slip(args: list[str], found: str) -> None:
    assert meant.with_one_dash(args, OPTIONS) == found
