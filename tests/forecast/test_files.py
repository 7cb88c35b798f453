"""What is known of a file from its header alone: sizes, disk space, memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.forecast.files import forecast
from nsr_cli.imaging.heads.head import Head
from nsr_cli.imaging.heads.pages import read_heads
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from tests.command import Paint


def test_sizes_are_known_from_the_header_alone(paint: Paint, tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png", 100, 60)
    path.write_bytes(path.read_bytes()[:60])  # no pixels
    found = forecast(Job(path, None, "PNG"), Settings("upscale", scale=3.0))
    assert found is not None
    assert (found.size, found.out_size) == ((100, 60), (300, 180))
    assert found.memory > 300 * 180 * 3


def test_a_picture_on_its_side_is_upright_in_the_forecast(paint: Paint, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = paint(tmp_path / "a.jpg", 100, 60, exif=exif)
    found = forecast(Job(path, None, "PNG"), Settings("denoise"))
    assert found is not None and found.size == (60, 100)


def test_what_is_no_picture_has_no_forecast(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    assert forecast(Job(tmp_path / "a.png", None, "PNG"), Settings("denoise")) is None
    assert forecast(Job(None, None, None), Settings("denoise")) is None


def test_a_file_that_vanishes_while_it_is_looked_at_is_still_foretold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((60, 100, 3), np.uint8), photometric="rgb")

    def late(data: Any, **options: Any) -> list[Head]:
        path.unlink()
        return read_heads(data, **options)

    monkeypatch.setattr("nsr_cli.forecast.files.read_heads", late)
    found = forecast(Job(path, None, "TIFF"), Settings("upscale", scale=3.0))
    assert found is not None and found.out_size == (300, 180)
    assert not path.exists()
