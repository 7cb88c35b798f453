"""Which weights a task takes, as far as the manifest tells."""

from pathlib import Path

import pytest

from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.weights.choice import compose, native_steps
from nsr_cli.weights.manifest import Manifest, load_manifest


@pytest.mark.parametrize(
    ("factor", "model", "expected"),
    [
        (8.0, None, [4, 2]),
        (8.0, "lite", [4, 2]),
        (8.0, "upscale-x3", [3]),
        (None, None, [2]),
    ],
)
def test_published_weights_say_their_factors(
    factor: float | None, model: str | None, expected: list[int]
) -> None:
    assert native_steps("upscale", factor, model, load_manifest()) == expected


def test_other_tasks_take_one_step() -> None:
    assert native_steps("denoise", None, None, load_manifest()) == [1]


def test_only_a_file_knows_its_own_factor(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").touch()
    assert native_steps("upscale", 4.0, str(tmp_path / "own.safetensors"), load_manifest()) == [None]


def test_without_weights_for_upscaling_there_are_no_steps() -> None:
    with pytest.raises(WeightsError, match="no weights for upscaling yet; give a file with --model"):
        native_steps("upscale", 2.0, None, Manifest((), "file:///nowhere"))


def test_the_error_for_an_impossible_factor_names_the_available_ones() -> None:
    with pytest.raises(UsageError, match="×2 cannot be composed of ×1; choose another --model"):
        compose(2, [1])
