"""Resolutions, and what states only the shape of a pixel, are kept by formats that can say so; others note the loss."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import density, exif
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.png import chunks as pngchunks

Make = Callable[..., bytes]
NOTE = "the resolution in DPI is left out"
HOLDING = ("PNG", "JPEG", "TIFF")


def file_of(kind: str, across: int, down: int, **options: Any) -> bytes:
    """A file that states a ratio in the format's own way: JFIF's and pHYs's unit 0, a TIFF's unit 1."""
    file = io.BytesIO()
    if kind == "TIFF":
        pixels = np.zeros((32, 48, 3), np.uint8)
        tifffile.imwrite(
            file,
            pixels,
            photometric="rgb",
            resolution=(across, down),
            resolutionunit=1,
            software=False,
            metadata=None,
            **options,
        )
        return file.getvalue()
    Image.new("RGB", (48, 32)).save(file, kind, dpi=(72, 72), **options)
    data = file.getvalue()
    if kind == "JPEG":
        return data[:13] + b"\0" + across.to_bytes(2, "big") + down.to_bytes(2, "big") + data[18:]
    chunks = [(name, bytes(content)) for name, content, _ in pngchunks.chunks(data)]
    told = across.to_bytes(4, "big") + down.to_bytes(4, "big") + b"\0"
    return pngchunks.SIGNATURE + b"".join(
        pngchunks.chunk(n, told if n == b"pHYs" else content) for n, content in chunks
    )


def stated(data: bytes) -> tuple[float, ...]:
    """Unit, and dots across and down, as Pillow and tifffile read them."""
    kind = codec.sniff(data)
    if kind == "TIFF":
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tags = file.pages.first.tags
            return (
                tags[296].value,
                tags[282].value[0] / tags[282].value[1],
                tags[283].value[0] / tags[283].value[1],
            )
    with Image.open(io.BytesIO(data)) as image:
        if kind == "JPEG":
            return image.info["jfif_unit"], *image.info["jfif_density"]
        return 0, *image.info["aspect"]


@pytest.mark.parametrize("target", HOLDING)
@pytest.mark.parametrize("source", HOLDING)
def test_a_ratio_is_kept(source: str, target: str) -> None:
    picture = codec.decode(file_of(source, 2, 1))
    assert (picture.metadata.aspect, picture.metadata.dpi) == ((2, 1), None)
    written = codec.encode(picture, target)
    assert stated(written) == (1 if target == "TIFF" else 0, 2, 1)
    assert codec.decode(written).metadata.aspect == (2, 1)
    assert not any("ratio" in loss for loss in codec.losses(picture, target))


@pytest.mark.parametrize("target", ["WEBP", "BMP", "GIF", "PPM"])
def test_where_it_cannot_be_kept_that_is_said(target: str) -> None:
    assert "the pixel aspect ratio is left out" in codec.losses(codec.decode(file_of("PNG", 2, 1)), target)


@pytest.mark.parametrize("source", HOLDING)
@pytest.mark.parametrize("ratio", [(1, 1), (72, 72), (0, 3)])
def test_square_pixels_and_none_at_all_need_no_word(source: str, ratio: tuple[int, int]) -> None:
    picture = codec.decode(file_of(source, *ratio))
    assert (picture.metadata.aspect, picture.metadata.dpi) == (None, None)
    assert codec.losses(picture, "PPM") == ()


def test_the_ratio_turns_with_the_picture() -> None:
    block = Image.Exif()
    block[0x0112] = 6
    picture = codec.decode(file_of("PNG", 3, 2, exif=block))
    assert (picture.width, picture.metadata.aspect) == (32, (2, 3))


def test_pixels_per_inch_say_more_than_a_ratio() -> None:
    block = exif.PREFIX + exif.with_resolution(None, (300.0, 150.0))
    meta = codec.decode(file_of("JPEG", 3, 1, exif=block)).metadata
    assert (meta.dpi, meta.aspect) == ((300, 150), None)


@pytest.mark.parametrize(
    "ratio, expected",
    [
        ((2.0, 1.0), (2, 1)),
        ((4.0, 6.0), (2, 3)),
        ((1.5, 1.0), (3, 2)),
        ((1_000_000.0, 500_001.0), (65_534, 32_767)),
        ((1e9, 1.0), (65_535, 1)),
        ((1.0, 1e9), (1, 65_535)),
    ],
)
def test_ratios_become_whole_numbers(ratio: tuple[float, float], expected: tuple[int, int]) -> None:
    across, down = density.whole(ratio, "JPEG")
    assert max(across, down) <= 65_535
    assert (across, down) == expected or across / down == pytest.approx(ratio[0] / ratio[1], rel=1e-5)


def test_frames_keep_it(samples: Any) -> None:
    frames = [Picture(samples.smooth, metadata=Metadata(aspect=(2.0, 1.0)))] * 2
    assert codec.decode(codec.encode_pages(frames, "PNG")).metadata.aspect == (2, 1)


def picture_of(dpi: tuple[float, float], block: bytes | None = None) -> Picture:
    return Picture(np.full((4, 5, 3), 90, np.uint8), metadata=Metadata(block, dpi=dpi))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("value", [1e-12, 0.003, 1.0, 300.0, 65_535.0, 4e6, 5e7, 2.5e8, 1e10, float("inf")])
def test_a_resolution_is_kept_or_named(kind: str, value: float) -> None:
    picture = picture_of((value, 72.0))
    found = codec.decode(codec.encode(picture, kind)).metadata.dpi
    kept = density.stated((value, 72.0), kind) is not None
    assert (NOTE in codec.losses(picture, kind)) is not kept
    if kept:
        assert found == pytest.approx((value, 72.0), rel=0.02)
    elif kind != "BMP":  # whose header Pillow fills in
        assert found is None


def test_a_camera_s_senseless_resolution_stays_in_its_block_alone() -> None:
    values = struct.pack("<HHII", 0x011A, 5, 1, 38) + struct.pack("<HHII", 0x011B, 5, 1, 38)
    block = b"II*\0\x08\0\0\0\x02\0" + values + bytes(4) + struct.pack("<II", 2**32 - 1, 1)
    dpi = exif.resolution(block)
    assert dpi is not None and min(dpi) == 2**32 - 1
    made = codec.encode(picture_of(dpi, block), "PNG")
    assert b"pHYs" not in made and codec.decode(made).metadata.exif == block
