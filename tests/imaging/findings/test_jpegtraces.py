"""An earlier JPEG compression is found in pixels that were saved again without loss."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging.degrade import jpeg
from nsr_cli.imaging.findings import jpegtraces


@pytest.fixture(scope="module")
def photo() -> Any:
    """Something with detail at all frequencies and no clipping: (H, W, 3), 8-bit."""
    rng = np.random.default_rng(5)
    height, width = 200, 232
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)) + 0.005
    planes = []
    for _ in range(3):
        spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / frequency**1.1
        plane = np.fft.irfft2(spectrum, (height, width))
        planes.append(plane / plane.std())
    mixed = np.stack([planes[0] + 0.3 * plane for plane in planes], axis=2)
    return np.clip(np.rint(128 + 30 * mixed), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [10, 37, 60, 85, 90])
@pytest.mark.parametrize("kind", ["gray", "4:4:4", "4:2:0"])
def test_the_quality_is_found(kind: Any, quality: int, photo: Any) -> None:
    pixels = photo[..., :1] if kind == "gray" else photo
    again = jpeg(pixels, quality) if kind == "gray" else jpeg(pixels, quality, kind)
    assert jpegtraces.estimate_quality(again) == quality


@pytest.mark.parametrize(("row", "column"), [(3, 5), (0, 7), (4, 0)])
def test_the_grid_of_a_crop_is_found(row: int, column: int, photo: Any) -> None:
    again = jpeg(photo, 40)[row:, column:]
    assert jpegtraces.estimate_quality(again) == 40


def test_no_trace_is_no_quality(photo: Any) -> None:
    assert jpegtraces.estimate_quality(photo) is None
    assert jpegtraces.estimate_quality(jpeg(photo, 98)) is None
    assert jpegtraces.estimate_quality(np.full((64, 64, 3), 77, np.uint8)) is None
    assert jpegtraces.estimate_quality(photo[:20, :20]) is None
    assert jpegtraces.estimate_quality(photo.astype(np.uint16) * 257) is None


def test_the_last_of_two_compressions_is_told(photo: Any) -> None:
    assert jpegtraces.estimate_quality(jpeg(jpeg(photo, 80), 50)) == 50


def test_editing_after_it_leaves_no_trace(photo: Any) -> None:
    again = jpeg(photo, 40).astype(float)
    edited = np.clip(np.rint((again[:-1] + again[1:]) / 2), 0, 255).astype(np.uint8)
    assert jpegtraces.estimate_quality(edited) is None
