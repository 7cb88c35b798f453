"""Resolutions that a format cannot state are left out with a note; they fail nothing."""

import struct

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import density, exif
from nsr_cli.imaging.picture import Metadata, Picture

NOTE = "the resolution in DPI is left out"


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
