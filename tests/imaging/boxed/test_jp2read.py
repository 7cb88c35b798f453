"""Samples of JPEG 2000 files become pixels without loss, and only where their meaning is known."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from tests import jp2
from tests.cli.kinds import profile

RNG = np.random.default_rng(8)


def noise(channels: int, bits: int = 8) -> NDArray[Any]:
    dtype = np.uint8 if bits <= 8 else np.uint16
    return RNG.integers(0, 1 << bits, (21, 34, channels)).astype(dtype)


@pytest.mark.parametrize("bits", range(1, 17))
def test_samples_of_any_depth_fill_the_range_of_their_type(bits: int) -> None:
    stored = noise(3, bits)
    found = codec.decode(jp2.file(jp2.stream(stored, bitspersample=bits), jp2.color(16)))
    peak = np.iinfo(stored.dtype).max
    assert found.pixels.dtype == stored.dtype and found.white is None
    assert np.array_equal(found.pixels, stored.astype(np.int64) * peak // ((1 << bits) - 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_profile_is_kept_and_changes_no_sample(channels: int) -> None:
    """imagecodecs converts gray to RGB by it where it gets the whole file."""
    stored, icc = noise(channels), profile(channels)
    found = codec.decode(jp2.file(jp2.stream(stored.squeeze()), jp2.profile(icc)))
    assert np.array_equal(found.pixels, stored) and found.metadata.icc == icc


def test_channels_are_where_the_file_says() -> None:
    stored = noise(4)
    described = jp2.channels((0, jp2.ALPHA, 0), (1, 0, 3), (2, 0, 2), (3, 0, 1))  # alpha, blue, green, red
    found = codec.decode(jp2.file(jp2.stream(stored), jp2.color(16), described))
    assert np.array_equal(found.pixels, stored[..., :0:-1])
    assert found.alpha is not None and np.array_equal(found.alpha, stored[..., 0])


def test_colors_that_were_multiplied_by_alpha_are_divided_by_it() -> None:
    stored = np.full((9, 8, 2), 60, dtype=np.uint8)
    stored[..., 1] = 120
    described = jp2.channels((0, 0, 1), (1, jp2.PREMULTIPLIED, 0))
    found = codec.decode(jp2.file(jp2.stream(stored), jp2.color(17), described))
    assert np.all(found.pixels == 128) and found.alpha is not None and np.all(found.alpha == 120)


def test_a_channel_more_than_colors_is_alpha_unless_the_file_says_otherwise() -> None:
    stored = noise(4)
    silent = codec.decode(jp2.file(jp2.stream(stored), jp2.color(16)))
    assert silent.alpha is not None and np.array_equal(silent.alpha, stored[..., 3])
    infrared = jp2.channels((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 65_535, 65_535))
    told = codec.decode(jp2.file(jp2.stream(stored), jp2.color(16), infrared))
    assert told.alpha is None and told.notes == ("1 extra channel left out",)
    assert np.array_equal(told.pixels, stored[..., :3])


def test_a_palette_becomes_its_colors() -> None:
    indices, table = (
        RNG.integers(0, 7, (21, 34)).astype(np.uint8),
        RNG.integers(0, 256, (7, 3)).astype(np.uint8),
    )
    palette = jp2.box(b"pclr", struct.pack(">HB", 7, 3) + b"\7\7\7" + table.tobytes())
    mapped = jp2.box(b"cmap", *(bytes([0, 0, 1, i]) for i in range(3)))
    found = codec.decode(jp2.file(jp2.stream(indices), jp2.color(16), palette, mapped))
    assert np.array_equal(found.pixels, table[indices])


def test_ycc_becomes_rgb() -> None:
    smooth = np.dstack(np.meshgrid(np.arange(60, 190), np.arange(40, 200))).astype(np.uint8)
    rgb = np.dstack([smooth, 255 - smooth[..., 0]])
    ycc = np.array(Image.fromarray(rgb).convert("YCbCr"))
    found = codec.decode(jp2.file(jp2.stream(ycc, mct=False), jp2.color(18)))
    assert np.abs(found.pixels.astype(int) - rgb).max() <= 3


def signed(code: bytes) -> bytes:
    return code[:42] + b"\x87\1\1" * 3 + code[51:]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (jp2.file(signed(jp2.stream(noise(3))), jp2.color(16)), "negative samples"),
        (jp2.file(jp2.stream(noise(3)), jp2.color(14)), "in the color space 14"),
        (jp2.file(jp2.stream(noise(1).squeeze()), jp2.color(12)), "1 component for 4 colors"),
        (jp2.file(jp2.stream(noise(3, 12), bitspersample=12), jp2.color(18)), "YCC .* and 12 bits"),
        (jp2.file(jp2.stream(noise(1).squeeze()), jp2.box(b"pclr", b"\0\1\4")), "palette of 4 channels"),
    ],
)
def test_samples_whose_meaning_is_not_known_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=rf"^JPEG 2000 .*{why}.* is not supported; save it as gray or RGB$"):
        codec.decode(data)


def test_a_tile_that_is_missing_is_no_black_area() -> None:
    stored = io.BytesIO()
    Image.fromarray(noise(3)).save(stored, "JPEG2000", tile_size=(16, 16), no_jp2=True)
    whole = stored.getvalue()
    codec.decode(whole)
    last = whole.rfind(b"\xff\x90\0\n")
    with pytest.raises(DecodeError, match="1 of 6 tiles are missing"):
        codec.decode(whole[:last] + b"\xff\xd9")
