"""Colors that a BMP header describes: an embedded profile is kept, the rest is said."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging import codec

Make = Callable[..., bytes]
EMBEDDED, LINKED, SRGB, WINDOWS = b"DEBM", b"KNIL", b"BGRs", b" niW"
PRIMARIES = "its primaries and gammas are left out"
ELSEWHERE = "its color profile (damaged, or in another file) is left out"


def bmp(plain: bytes, space: bytes, points: bytes = b"", profile: bytes = b"", size: int = 124) -> bytes:
    """A BMP file of Pillow's, with a header of version 4 or 5 that says more about its colors."""
    start, pixels = struct.unpack_from("<I", plain, 10)[0], plain
    old = plain[14:start]
    header = struct.pack("<I", size) + old[4:40] + bytes(16) + space + points.ljust(48, b"\0")
    body = pixels[start:]
    if size >= 124:
        header += struct.pack("<IIII", 4, size + len(body), len(profile), 0)
    whole = b"BM" + struct.pack("<IHHI", 14 + size + len(body) + len(profile), 0, 0, 14 + size)
    return whole + header + body + profile


@pytest.fixture
def plain(samples: Any, pillow_file: Make) -> bytes:
    return pillow_file(Image.fromarray(samples.rgb8), "BMP")


def test_an_embedded_profile_goes_on_where_a_format_holds_one(
    samples: Any, plain: bytes, rgb_profile: bytes
) -> None:
    picture = codec.decode(bmp(plain, EMBEDDED, profile=rgb_profile))
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert picture.metadata.icc == rgb_profile
    assert codec.decode(codec.encode(picture, "PNG")).metadata.icc == rgb_profile
    assert codec.losses(picture, "PNG") == ()
    assert codec.losses(picture, "BMP") == ("the color profile is left out",)


@pytest.mark.parametrize(
    ("space", "points", "size", "said"),
    [
        (SRGB, b"", 124, ()),
        (WINDOWS, b"", 108, ()),
        (bytes(4), b"", 108, ()),
        (bytes(4), b"\1" * 48, 108, (PRIMARIES,)),
        (bytes(4), b"\1" * 48, 124, (PRIMARIES,)),
        (LINKED, b"", 124, (ELSEWHERE,)),
        (EMBEDDED, b"", 124, (ELSEWHERE,)),
        (EMBEDDED, b"", 108, ()),
    ],
)
def test_other_descriptions_are_said(
    samples: Any, plain: bytes, space: bytes, points: bytes, size: int, said: tuple[str, ...]
) -> None:
    picture = codec.decode(bmp(plain, space, points, size=size))
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert picture.metadata.icc is None
    assert codec.losses(picture, "PNG") == said


def test_a_profile_beyond_the_end_of_the_file_is_said(plain: bytes, rgb_profile: bytes) -> None:
    cut = bmp(plain, EMBEDDED, profile=rgb_profile)[:-9]
    assert codec.losses(codec.decode(cut), "PNG") == (ELSEWHERE,)
