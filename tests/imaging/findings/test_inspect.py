"""Findings about whole files, and signs of an earlier upscale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging.codec import decode, encode
from nsr_cli.imaging.findings import upscaletraces
from nsr_cli.imaging.findings.inspect import inspect, jpeg_tables
from nsr_cli.imaging.jpeg.tables import JpegTables
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import resize


@pytest.fixture(scope="module")
def photo() -> Any:
    """A picture with the spectrum of photographs, (H, W, 1), 8-bit."""
    rng = np.random.default_rng(9)
    size = 400
    frequency = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.rfftfreq(size)) + 0.004
    plane = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) / frequency**1.2, (size, size))
    return np.clip(np.rint(128 + 40 * plane / plane.std()), 0, 255).astype(np.uint8)[..., np.newaxis]


def enlarged(photo: Any, factor: float) -> Any:
    side = round(len(photo) / factor)
    part = photo[:side, :side].astype(np.float64)
    return np.clip(np.rint(resize(part, round(side * factor), round(side * factor))), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlargements_are_noticed(factor: int, photo: Any) -> None:
    found = upscaletraces.estimate_upscale(enlarged(photo, factor))
    assert found == pytest.approx(factor, rel=0.35)


def test_full_detail_is_not_taken_for_an_enlargement(photo: Any) -> None:
    assert upscaletraces.estimate_upscale(photo) is None
    assert upscaletraces.estimate_upscale(np.repeat(photo, 3, axis=2)) is None
    assert upscaletraces.estimate_upscale(photo[:50, :50]) is None
    assert upscaletraces.estimate_upscale(np.full((128, 128, 3), 9, np.uint8)) is None


def test_photographs(shared_data: Path) -> None:
    pictures = [
        decode(path.read_bytes()) for path in sorted((shared_data / "train" / "photos").iterdir())[::40]
    ]
    plain = [upscaletraces.estimate_upscale(picture.pixels) for picture in pictures]
    twice = [upscaletraces.estimate_upscale(enlarged(picture.pixels, 2)) for picture in pictures]
    assert plain.count(None) >= len(pictures) - 2  # some are out of focus
    assert twice.count(None) <= 3
    assert np.median([factor for factor in twice if factor]) == pytest.approx(2, rel=0.3)


def test_findings_of_a_jpeg_and_of_its_pixels_saved_again(photo: Any, pillow_file: Any) -> None:
    data = pillow_file(Image.fromarray(photo[..., 0]), "JPEG", quality=45)
    found = inspect(data, decode(data))
    assert found.jpeg == JpegTables(45, True, "gray")
    assert found.earlier_quality is None
    again = encode(decode(data), "PNG")
    found = inspect(again, decode(again))
    assert found.jpeg is None
    assert found.earlier_quality == 45
    assert len(found.noise) == 1


def test_findings_of_a_float_picture() -> None:
    picture = Picture(np.zeros((64, 64, 3), np.float32))
    assert inspect(encode(picture, "TIFF"), picture).noise == (0, 0, 0)


def test_a_jpeg_without_tables_is_no_error() -> None:
    assert jpeg_tables(b"\xff\xd8\xff\xda\0\x02") is None
    assert jpeg_tables(b"P5 1 1 255 \0") is None
