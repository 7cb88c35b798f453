"""Which networks the memory of a run is counted for."""

from pathlib import Path

import pytest

from nsr_cli.forecast import features
from nsr_cli.planning.settings import Settings

SIZE = 400, 300


def test_a_network_that_runs_twice_is_counted_where_it_sees_the_larger_picture() -> None:
    """×4 with the network of ×2: its second step is that of ×2 on a picture of twice the size."""
    twice = Settings("upscale", scale=4.0, model="upscale-x2")
    once = Settings("upscale", scale=2.0, model="upscale-x2")
    assert features.computing(twice, SIZE, 3) == features.computing(once, (800, 600), 3)
    assert features.least(twice, SIZE, 3, 1) > features.least(once, SIZE, 3, 1)


def test_gray_pictures_are_counted_with_the_gray_network() -> None:
    chosen, gray, color = (
        features.computing(Settings("denoise", model=model), SIZE, 1)
        for model in (None, "denoise-gray", "denoise-rgb")
    )
    assert chosen == gray != color


@pytest.mark.parametrize("task", ["upscale", "denoise"])
def test_where_the_network_cannot_be_known_it_is_taken_for_a_small_one(task: str, tmp_path: Path) -> None:
    """Why there is none is said when the run starts."""
    (tmp_path / "own.safetensors").write_bytes(b"no weights")
    unknown = Settings(task, scale=4.0, model=str(tmp_path / "own.safetensors"))
    assert features.computing(unknown, SIZE, 3) > 0
    if task == "upscale":
        known = Settings(task, scale=4.0, model="lite")
        assert features.computing(unknown, SIZE, 3) == features.computing(known, SIZE, 3)
