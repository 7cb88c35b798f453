"""What "auto" finds out: the noise of a picture, the quality of a JPEG."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.cli.levels import level_of
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import PictureError
from nsr_cli.imaging.picture import Picture


def ramp(height: int = 96, width: int = 128, channels: int = 3) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:height, :width]
    return np.repeat((64 + x * 0.5 + y * 0.3)[..., None], channels, axis=2)


@pytest.mark.parametrize("sigma", [0, 15, 50])
def test_the_noise_of_the_noisiest_channel_is_found(sigma: float) -> None:
    pixels = ramp(192, 256)
    pixels[..., 2] += np.random.default_rng(1).normal(0, sigma, pixels.shape[:2])
    level = level_of(Settings("denoise"), Picture(np.clip(pixels, 0, 255).astype(np.uint8)), b"")
    assert level.sigma == pytest.approx(sigma, rel=0.15)
    assert level.note == f"noise level {level.sigma:g}"


def test_no_level_is_beyond_what_networks_know() -> None:
    wild = np.random.default_rng(1).integers(0, 2, (64, 64, 1), dtype=np.uint8) * 255
    assert level_of(Settings("denoise"), Picture(wild), b"").sigma == 75


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(ramp().astype(np.uint8)).convert(mode).save(stored, "JPEG", **options)
    return stored.getvalue()


@pytest.mark.parametrize("quality", [5, 37, 95])
@pytest.mark.parametrize(("mode", "subsampling"), [("RGB", "4:2:0"), ("RGB", "4:4:4"), ("L", "gray")])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, mode: str, subsampling: str) -> None:
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    level = level_of(
        Settings("dejpeg"), Picture(ramp().astype(np.uint8)), jpeg(mode, quality=quality, **options)
    )
    assert (level.quality, level.note) == (quality, f"quality {quality}, {subsampling}")


def test_tables_of_other_programs_are_said_to_be_near_a_quality() -> None:
    standard = Image.open(io.BytesIO(jpeg(quality=60))).quantization  # type: ignore[attr-defined]
    changed = {
        key: [value + (i % 3 == 0) for i, value in enumerate(table)] for key, table in standard.items()
    }
    level = level_of(Settings("dejpeg"), Picture(ramp().astype(np.uint8)), jpeg(qtables=changed))
    assert level.quality is not None and abs(level.quality - 60) <= 4
    assert level.note == f"quality about {level.quality}, 4:2:0"


def test_what_was_asked_for_beats_what_is_found_and_what_is_found_is_told() -> None:
    picture = Picture(ramp().astype(np.uint8))
    assert level_of(Settings("denoise", sigma=9.0), picture, b"").sigma == 9
    assert level_of(Settings("dejpeg", jpeg_quality=9.0), picture, b"").quality == 9
    found = level_of(Settings("dejpeg"), picture, jpeg(quality=37))
    assert (found.quality, found.note) == (37, "quality 37, 4:2:0")
    assert (level_of(Settings("denoise"), picture, b"").note or "").startswith("noise level ")
    nothing = level_of(Settings("upscale", scale=2.0), picture, b"")
    assert (nothing.sigma, nothing.quality, nothing.note) == (None, None, None)


def test_a_picture_without_a_trace_of_jpeg_needs_its_quality_told() -> None:
    stored = io.BytesIO()
    Image.new("L", (4, 4)).save(stored, "PNG")
    with pytest.raises(PictureError, match="with -q"):
        level_of(Settings("dejpeg"), Picture(ramp().astype(np.uint8)), stored.getvalue())
