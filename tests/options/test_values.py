"""How option values are read, and what is said about those that cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
import typer

from nsr_cli.options import values


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.parse_scale, "4", 4.0),
        (values.parse_scale, "x2.5", 2.5),
        (values.parse_scale, "3X", 3.0),
        (values.parse_scale, "16", 16.0),
        (values.parse_scale, "1.01", 1.01),
        (values.parse_sigma, "auto", None),
        (values.parse_sigma, "0", 0.0),
        (values.parse_sigma, "75", 75.0),
        (values.parse_jpeg_quality, "Auto", None),
        (values.parse_jpeg_quality, "100", 100.0),
        (values.parse_strength, 1.0, 1.0),
        (values.parse_strength, "0.25", 0.25),
        (values.parse_amount, "2G", 2 * 10**9),
        (values.parse_amount, "1.5 GiB", 3 << 29),
        (values.parse_amount, "500Mpx", 5 * 10**8),
        (values.parse_amount, 1 << 29, 1 << 29),
        (values.parse_duration, "90", 90),
        (values.parse_duration, "1.5m", 90),
        (values.parse_duration, "2h", 7200),
        (values.parse_duration, "30s", 30),
        (values.parse_positive, "0.5", 0.5),
        (values.parse_size, "ALL", 0),
        (values.parse_size, "8", 8),
        (values.parse_point, " 640, 480", values.Point(x=640, y=480)),
        (values.parse_device, "cuda:1", "cuda:1"),
        (values.parse_format, "JPG", "JPEG"),
        (values.parse_format, ".tif", "TIFF"),
        (values.parse_format, "webp", "WEBP"),
    ],
)
def test_values_are_read(read: Callable[[Any], Any], text: Any, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *(
            (values.parse_scale, text)
            for text in ("1", "0", "-2", "16.01", "inf", "nan", "", "two", "2,5", "1e9")
        ),
        *((values.parse_sigma, text) for text in ("-1", "75.1", "nan", "automatic")),
        *((values.parse_jpeg_quality, text) for text in ("0", "101", "nan")),
        *((values.parse_strength, text) for text in ("-0.1", "1.1", "nan", "all")),
        *((values.parse_amount, text) for text in ("0", "-5", "2X", "", "G", "1.2.3", "9" * 30)),
        *((values.parse_positive, text) for text in ("0", "-1", "nan", "inf", "much")),
        *((values.parse_size, text) for text in ("7", "8193", "-9", "1e3", "٣٠", "")),
        *((values.parse_point, text) for text in ("640", "640,480,1", "-1,5", "a,b", "1.5,2", "٣,٤", ",")),
        *((values.parse_device, text) for text in ("gpu", "cuda:", "CUDA", "cuda:x", "cpu:0", "")),
        *((values.parse_format, text) for text in ("", "jp2", "heic", "png.jpg")),
    ],
)
def test_other_values_are_refused_with_the_remedy(read: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(typer.BadParameter, match="give "):
        read(text)


@pytest.mark.parametrize("text", ["", "0", "-5m", "m", "5 minutes", "1e9x"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration; write 90s, 25m or 2h"):
        values.parse_duration(text)


def test_the_help_of_format_names_every_format_that_is_taken() -> None:
    from nsr_cli.cli.commands import load
    from nsr_cli.cli.table import COMMANDS
    from nsr_cli.imaging.formats import SUFFIXES

    (shown,) = (param.help for param in load("upscale", COMMANDS["upscale"]).params if param.name == "format")
    assert set(shown.partition(".")[0].replace(" or ", ", ").split(", ")) == {
        name.lower() for name in SUFFIXES.values()
    }
