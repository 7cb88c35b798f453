"""Walking over JPEG segments, and kinds of JPEG that are not read."""

import struct

import imagecodecs
import numpy as np
import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.jpeg import markers


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


START = b"\xff\xd8"
PARTS = [(0xE1, b"first"), (0xFE, b""), (0xDB, bytes(65))]
# A marker without a length and padding stand between segments.
WHOLE = START + segment(*PARTS[0]) + b"\xff\x01\xff\xff" + segment(*PARTS[1]) + segment(*PARTS[2])
SCAN = segment(markers.SCAN, b"components") + b"pixels" + segment(0xE1, b"behind the scan")


def test_the_segments_before_the_scan_are_found() -> None:
    data = WHOLE + SCAN
    walked = [(marker, data[start : start + size]) for marker, start, size in markers.walk(data, 100)]
    assert walked == PARTS


def test_the_walk_ends_after_so_many_steps() -> None:
    assert len(list(markers.walk(START + segment(0xFE, b"") * 50, 20))) == 20
    assert list(markers.walk(START + b"\xff" * 5000 + segment(0xFE, b""), 20)) == []


@pytest.mark.parametrize("data", [WHOLE + b"no marker", WHOLE + b"\xff\xfe\0\1"], ids=["bytes", "length"])
def test_damage_ends_the_walk(data: bytes) -> None:
    assert [marker for marker, _, _ in markers.walk(data, 100)] == [marker for marker, _ in PARTS]


@pytest.mark.parametrize("marker, name", [(0xC1, "12-bit JPEG"), (0xC3, "12-bit JPEG"), (0xF7, "JPEG-LS")])
def test_kinds_that_are_not_read_are_not_called_damaged(marker: int, name: str) -> None:
    data = WHOLE + segment(marker, bytes([12, 0, 1, 0, 1, 1, 1, 17, 0])) + SCAN
    with pytest.raises(DecodeError, match=f"^{name} is not read here; convert it to PNG or TIFF first$"):
        codec.decode(data)
    markers.check_kind(WHOLE + segment(0xC2, bytes([8, 0, 1, 0, 1, 1, 1, 17, 0])) + SCAN, 100)


def test_lossless_jpeg_of_8_bits_is_read_and_that_of_more_is_not() -> None:
    pixels = np.arange(200, dtype=np.uint8).reshape(10, 20)
    found = codec.decode(bytes(imagecodecs.jpeg8_encode(pixels, lossless=True)))
    assert np.array_equal(found.pixels[..., 0], pixels)
    deep = imagecodecs.jpeg8_encode(pixels.astype(np.uint16) * 16, bitspersample=12, lossless=True)
    with pytest.raises(DecodeError, match="12-bit JPEG is not read here"):
        codec.decode(bytes(deep))
    with pytest.raises(DecodeError, match="JPEG-LS is not read here"):
        codec.decode(bytes(imagecodecs.jpegls_encode(pixels)))
