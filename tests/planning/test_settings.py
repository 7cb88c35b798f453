"""Sizes and memory that follow from the options."""

from typing import Any

import pytest

from nsr_cli.errors import PictureError
from nsr_cli.planning.settings import LargeEnough, Settings


def upscale(**options: Any) -> Settings:
    return Settings("upscale", **options)


@pytest.mark.parametrize(
    ("options", "size", "factor"),
    [
        ({"width": 300}, (300, 150), 3.0),
        ({"height": 100}, (200, 100), 2.0),
        ({"width": 250}, (250, 125), 3.0),
        ({"width": 1600}, (1600, 800), 16.0),
        ({"width": 300, "height": 300}, (300, 150), 3.0),
        ({"width": 300, "height": 300, "fit": "cover"}, (600, 300), 8.0),
        ({"width": 300, "height": 300, "fit": "stretch"}, (300, 300), 8.0),
        ({"width": 101}, (101, 50), 2.0),
    ],
)
def test_a_target_size_is_reached_from_the_next_factor(
    options: dict[str, Any], size: tuple[int, int], factor: float
) -> None:
    settings = upscale(**options)
    assert settings.target_size(100, 50) == settings.result_size(100, 50) == size
    assert settings.factor(100, 50) == factor


def test_a_factor_gives_the_size_and_other_tasks_keep_it() -> None:
    assert upscale(scale=2.5).result_size(101, 51) == (252, 128)
    assert upscale(scale=2.5).target_size(101, 51) is None
    assert Settings("denoise").result_size(101, 51) == Settings("auto").result_size(101, 51) == (101, 51)
    assert Settings("auto", scale=2.0).result_size(10, 20) == (20, 40)


def test_a_size_that_enlarges_too_little_or_too_much_fails_the_picture() -> None:
    with pytest.raises(LargeEnough, match="100x50 pixels already"):
        upscale(width=100).factor(100, 50)
    with pytest.raises(PictureError, match="more than 16 times; give at most 1600x800"):
        upscale(width=1601).result_size(100, 50)


def test_auto_leaves_the_size_of_what_is_large_enough() -> None:
    assert Settings("auto", width=100).result_size(100, 50) == (100, 50)
    assert Settings("auto", width=150).result_size(100, 50) == (150, 75)


@pytest.mark.parametrize(
    ("settings", "tag"),
    [
        (upscale(scale=4.0), "_x4"),
        (upscale(scale=2.5), "_x2.5"),
        (upscale(width=1920), "_1920w"),
        (upscale(height=1080), "_1080h"),
        (upscale(width=1920, height=1080), "_1920x1080"),
        (Settings("denoise"), "_denoised"),
        (Settings("dejpeg"), "_dejpeg"),
        (Settings("auto", scale=2.0), "_auto"),
    ],
)
def test_results_are_told_from_inputs_by_a_tag(settings: Settings, tag: str) -> None:
    assert settings.tag == tag


def test_results_that_wait_take_a_part_of_the_memory() -> None:
    assert upscale(max_memory=4 << 30).bytes_in_flight == 1 << 30
    assert upscale().bytes_in_flight >= 1 << 30


def test_the_command_that_is_noted_makes_the_same_picture_and_names_no_folder() -> None:
    settings = upscale(scale=2.5, strength=0.5, tta=True, model="/home/me/secret/x.safetensors")
    assert settings.arguments() == [
        "upscale", "--scale", "2.5", "--strength", "0.5", "--model", "x.safetensors", "--tta",
    ]  # fmt: skip
    assert Settings("denoise").arguments() == ["denoise"]
    steps = Settings("auto", scale=2.0, models=(("dejpeg", "/home/me/secret/x.safetensors"),))
    assert steps.arguments() == ["auto", "--scale", "2", "--model", "dejpeg=x.safetensors"]
    exact = upscale(scale=2.1234567, strength=0.1 + 0.2).arguments()
    assert exact == ["upscale", "--scale", "2.1234567", "--strength", "0.30000000000000004"]
    assert upscale(width=12_345_678).arguments() == ["upscale", "--width", "12345678"]
    assert Settings("denoise", sigma=25.0).arguments() == ["denoise", "--sigma", "25"]
    assert upscale(width=9, height=8, fit="cover").arguments() == [
        "upscale", "--width", "9", "--height", "8", "--fit", "cover",
    ]  # fmt: skip


def test_the_reported_ratio_is_that_of_the_sizes() -> None:
    assert upscale(scale=2.5).ratio(101, 51) == 2.5
    assert upscale(width=150).ratio(93, 62) == 1.6129  # 150 / 93
    assert upscale(height=99).ratio(93, 62) == round(upscale(height=99).result_size(93, 62)[0] / 93, 4)
    assert Settings("auto", width=50).ratio(93, 62) == 1.0  # only repairs what is that large already
    assert Settings("denoise").ratio(93, 62) is None
