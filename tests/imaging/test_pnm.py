"""PBM, PGM, PPM and PAM by hand."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, pnm
from nsr_cli.imaging.heads.head import read_head
from nsr_cli.imaging.picture import Picture


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (b"P1\n3 2\n1 0 1\n0 0 1\n", [[0, 255, 0], [255, 255, 0]]),
        (b"P1 3 2 101001", [[0, 255, 0], [255, 255, 0]]),
        (b"P2\n# a comment\n2 2\n255\n0 128\n255 7\n", [[0, 128], [255, 7]]),
        (b"P2 2 1 15 0 15", [[0, 255]]),
        (b"P4\n9 2\n\x80\x00\x00\x80", [[0] + [255] * 8, [255] * 8 + [0]]),
        (b"P5 2 1 255\n\x05\x06", [[5, 6]]),
        (b"P5\n2 1#x\n100\n\x64\x32", [[255, 128]]),
        (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\x05\x06", [[5, 6]]),
    ],
)
def test_gray_files(data: bytes, pixels: list[list[int]]) -> None:
    picture = codec.decode(data)
    assert picture.bits == 8
    assert picture.pixels[..., 0].tolist() == pixels


def test_color_files() -> None:
    assert codec.decode(b"P3 1 2 255 1 2 3 4 5 6").pixels.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    assert codec.decode(b"P6 1 2 255\n\x01\x02\x03\x04\x05\x06").pixels.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


def test_16_bits_are_big_endian_and_scaled_from_their_maximum() -> None:
    picture = codec.decode(b"P5 2 1 65535\n\x01\x02\xff\xff")
    assert picture.pixels.ravel().tolist() == [0x0102, 65_535]
    scaled = codec.decode(b"P5 3 1 1023\n\x00\x00\x02\x00\x03\xff")
    assert scaled.pixels.ravel().tolist() == [0, 32_800, 65_535]


def pam(kind: str, depth: int, samples: bytes) -> bytes:
    head = f"P7\nWIDTH 1\nHEIGHT 1\nDEPTH {depth}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + samples


def test_pam_has_alpha() -> None:
    picture = codec.decode(pam("RGB_ALPHA", 4, bytes([1, 2, 3, 4])))
    assert picture.pixels.ravel().tolist() == [1, 2, 3]
    assert picture.alpha is not None and picture.alpha.tolist() == [[4]]


def test_the_inks_of_a_pam_are_no_transparency() -> None:
    data = pam("CMYK", 4, bytes([0, 255, 51, 51]))
    picture = codec.decode(data)
    assert picture.pixels.ravel().tolist() == [204, 0, 163]  # 255 · (1 - ink) · (1 - black)
    assert picture.alpha is None and picture.notes == ("CMYK converted to RGB without a profile",)
    head = read_head(data)
    assert head is not None and (head.depth, head.alpha) == (3, False)


@pytest.mark.parametrize(
    "kind, depth", [("CMYK_ALPHA", 4), ("CMYK", 3), ("LAB", 3), ("YCbCr", 3), ("\x1b[31m", 1)]
)
def test_other_types_of_pam_are_refused(kind: str, depth: int) -> None:
    with pytest.raises(DecodeError, match="is not supported; save it as GRAYSCALE or RGB") as caught:
        codec.decode(pam(kind, depth, bytes(depth)))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "kind, depth", [("BLACKANDWHITE", 1), ("GRAYSCALE_ALPHA", 2), ("RGB", 3), ("RGB_ALPHA", 4)]
)
def test_standard_types_of_pam_are_read(kind: str, depth: int) -> None:
    picture = codec.decode(pam(kind, depth, bytes(depth)))
    assert (picture.alpha is not None) == kind.endswith("ALPHA") and picture.channels == (
        3 if depth > 2 else 1
    )


def test_samples_above_the_maximum_are_clipped() -> None:
    assert codec.decode(b"P5 2 1 100\n\xff\x00").pixels.ravel().tolist() == [255, 0]


@pytest.mark.parametrize(
    "data",
    [
        b"P5 2 2 255\n\x00\x00\x00",
        b"P2 2 2 255 1 2 3",
        b"P2 2 1 255 1 x",
        b"P5 2 1 0\n\x00\x00",
        b"P5 2 1 70000\n\x00\x00\x00\x00",
        b"P5 0 1 255\n",
        b"P5 2",
        b"P5 -2 1 255\n\x00\x00",
        b"P6 " + b"# " * 5000,
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 9\nMAXVAL 255\nENDHDR\n" + bytes(18),
        b"P7\nWIDTH two\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\x00",
        b"P7\nWIDTH 2\nENDHDR\n\x00",
    ],
)
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(data)


def test_the_header_says_how_long_the_samples_are(samples: Any) -> None:
    for picture in (Picture(samples.rgb8), Picture(samples.gray16[..., np.newaxis])):
        data = pnm.encode(picture)
        head = pnm.header(data)
        assert head is not None
        assert head.size + head.payload == len(data)
    assert pnm.header(b"P5 2 ") is None
