"""What a PNG file says about its colors goes on to PNG results, and is told where another format cannot hold it."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import color as pngcolor
from tests.imaging.files import enlarged, png_with

Make = Callable[..., bytes]

LINEAR = struct.pack(">I", 100_000)
SRGB_GAMMA = struct.pack(">I", 45_455)
SRGB_PRIMARIES = struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
WIDE = struct.pack(">8I", 31_270, 32_900, 70_800, 29_200, 17_000, 79_700, 13_100, 4_600)
PQ = bytes([9, 16, 0, 1])
LOUD = "gAMA and cHRM are left out: colors may look different"


def chunks_of(data: bytes) -> dict[str, bytes]:
    return {kind.decode(): bytes(content) for kind, content, _ in pngchunks.chunks(data) if kind != b"IDAT"}


def test_a_linear_file_by_pillow_stays_linear(samples: Any, pillow_file: Make) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", LINEAR)
    info.add(b"cHRM", WIDE)
    picture = codec.decode(pillow_file(Image.fromarray(samples.rgb8), "PNG", pnginfo=info))
    assert picture.notes == ()
    assert codec.losses(picture, "PNG") == ()
    with Image.open(io.BytesIO(codec.encode(picture, "PNG"))) as again:
        assert again.info["gamma"] == 1.0
        assert again.info["chromaticity"] == pytest.approx(np.array(struct.unpack(">8I", WIDE)) / 100_000)
        assert np.array_equal(np.asarray(again), samples.rgb8)


@pytest.mark.parametrize("pixels", ["gray8", "rgb8", "gray16", "rgb16"])
def test_every_such_chunk_is_kept_in_every_depth(pixels: str, samples: Any) -> None:
    array = getattr(samples, pixels)
    array = array[..., np.newaxis] if array.ndim == 2 else array
    stored = {"cICP": PQ, "sRGB": b"\2", "gAMA": LINEAR, "cHRM": WIDE, "mDCV": bytes(24), "cLLI": bytes(8)}
    chunks = [(name.encode(), content) for name, content in stored.items()]
    picture = codec.decode(png_with(codec.encode(Picture(array), "PNG"), *chunks))
    assert dict(picture.metadata.color) == stored
    larger = enlarged(picture, 2, 1)
    data = codec.encode(larger, "PNG")
    found = chunks_of(data)
    assert {name: found[name] for name in stored} == stored
    assert data.index(b"gAMA") < data.index(b"IDAT")
    assert np.array_equal(codec.decode(data).pixels, larger.pixels)


def test_an_animation_keeps_them(samples: Any) -> None:
    frame = Picture(samples.rgb8, metadata=Metadata(duration=0.1, color=(("gAMA", LINEAR),)))
    data = codec.encode_pages([frame, frame.with_pixels(255 - frame.pixels, None)], "PNG")
    assert [found.metadata.color for found in codec.decode_all(data)] == [(("gAMA", LINEAR),)] * 2


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_formats_that_cannot_hold_them_say_so(kind: str, samples: Any) -> None:
    meta = Metadata(color=(("gAMA", LINEAR), ("cHRM", WIDE)))
    assert LOUD in codec.losses(Picture(samples.rgb8, metadata=meta), kind)


@pytest.mark.parametrize(
    ("chunks", "profile", "names"),
    [
        ({"sRGB": b"\0"}, False, ()),
        ({"sRGB": b"\0", "gAMA": LINEAR, "cHRM": WIDE}, False, ()),  # sRGB counts, not the others
        ({"gAMA": SRGB_GAMMA, "cHRM": SRGB_PRIMARIES}, False, ()),  # the same in numbers
        ({"gAMA": struct.pack(">I", 45_000)}, False, ()),
        ({"gAMA": SRGB_GAMMA, "cHRM": WIDE}, False, ("cHRM",)),
        ({"gAMA": LINEAR}, False, ("gAMA",)),
        ({"gAMA": LINEAR, "cHRM": WIDE}, True, ()),  # the profile counts
        ({"cICP": PQ, "gAMA": LINEAR}, True, ("cICP",)),  # and cICP before it
        ({"cLLI": bytes(8), "cICP": PQ, "mDCV": bytes(24)}, False, ("cICP", "mDCV", "cLLI")),
        ({"cICP": bytes([1, 13, 0, 1]), "gAMA": LINEAR}, False, ()),
        ({"cICP": bytes([1, 13, 0, 1])}, True, ("cICP",)),
        ({"cLLI": bytes(8), "mDCV": bytes(24)}, False, ()),  # they say nothing without cICP
        ({"gAMA": bytes(4), "cHRM": bytes(32)}, False, ("gAMA", "cHRM")),
    ],
)
def test_the_first_that_there_is_decides(
    chunks: dict[str, bytes], profile: bool, names: tuple[str, ...]
) -> None:
    assert pngcolor.decisive(tuple(chunks.items()), profile=profile) == names


@pytest.mark.parametrize("name", pngcolor.LENGTHS)
@pytest.mark.parametrize("change", [-1, 1, 100_000])
def test_a_chunk_of_wrong_length_is_left_out_with_one_note(name: str, change: int, samples: Any) -> None:
    wrong = (name.encode(), bytes(max(0, pngcolor.LENGTHS[name] + change)))
    picture = codec.decode(png_with(codec.encode(Picture(samples.rgb8), "PNG"), wrong, wrong))
    assert picture.metadata.color == ()
    assert picture.notes == (f"its {name} chunk is damaged: left out",)
    assert np.array_equal(picture.pixels, samples.rgb8)


def test_what_readers_pass_over_does_not_come_to_count(samples: Any) -> None:
    plain = codec.encode(Picture(samples.rgb8), "PNG")
    broken = pngchunks.chunk(b"gAMA", LINEAR)[:-4] + struct.pack(">I", zlib.crc32(b"gAMA") ^ 1)
    assert codec.decode(plain[:33] + broken + plain[33:]).metadata.color == ()
    late = plain[:-12] + pngchunks.chunk(b"gAMA", LINEAR) + plain[-12:]
    assert codec.decode(late).metadata.color == ()
    twice = png_with(plain, (b"gAMA", LINEAR), (b"gAMA", SRGB_GAMMA))
    assert codec.decode(twice).metadata.color == (("gAMA", LINEAR),)
