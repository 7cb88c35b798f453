"""CMYK goes through its profile where that is valid."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import profile

Make = Callable[..., bytes]


def test_channels_are_read_from_the_header(
    rgb_profile: bytes, gray_profile: bytes, cmyk_profile: bytes
) -> None:
    assert [profile.channels_of(icc) for icc in (gray_profile, rgb_profile, cmyk_profile)] == [1, 3, 4]
    assert profile.channels_of(b"") is None
    assert profile.channels_of(bytes(200)) is None


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_through_its_profile(
    kind: str, samples: Any, cmyk_profile: bytes, pillow_file: Make
) -> None:
    image = Image.fromarray(samples.ink, "CMYK")
    picture = codec.decode(pillow_file(image, kind, icc_profile=cmyk_profile))
    assert picture.metadata.icc is None
    assert picture.notes == ("CMYK converted to sRGB through its profile",)
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    assert np.abs(picture.pixels.astype(int) - np.asarray(converted)).mean() < (4 if kind == "JPEG" else 0.01)
    plain = codec.decode(pillow_file(image, kind))
    assert plain.notes == ("CMYK converted to RGB without a profile",)
    assert np.abs(picture.pixels.astype(int) - plain.pixels).mean() > 10


def test_16_bit_cmyk_keeps_its_depth_through_the_profile(samples: Any, cmyk_profile: bytes) -> None:
    eight, _ = profile.cmyk_to_rgb(samples.ink, cmyk_profile)
    deep, notes = profile.cmyk_to_rgb(samples.ink.astype(np.uint16) * 257, cmyk_profile)
    assert notes == ("CMYK converted to sRGB through its profile",)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - eight).max() < 2
    assert len(np.unique(deep)) > 256


def test_damaged_profiles_are_not_used(samples: Any, cmyk_profile: bytes) -> None:
    damaged = cmyk_profile[:400]
    rgb, notes = profile.cmyk_to_rgb(samples.ink, damaged)
    assert "damaged profile" in notes[0]
    assert np.array_equal(rgb, profile.cmyk_to_rgb(samples.ink, None)[0])
    notes = profile.cmyk_to_rgb(samples.ink.astype(np.uint16) * 257, damaged)[1]
    assert "damaged profile" in notes[0]


def test_no_ink_is_white_and_full_ink_is_black() -> None:
    for name, peak in (("uint8", 255), ("uint16", 65_535), ("float32", 1)):
        ink = np.array([[[0, 0, 0, 0], [0, 0, 0, peak], [peak, 0, 0, 0]]], dtype=name)
        rgb, _ = profile.cmyk_to_rgb(ink, None)
        assert rgb.dtype == name
        assert rgb[0].tolist() == [[peak] * 3, [0] * 3, [0, peak, peak]]


def test_a_profile_of_another_kind_is_left_out_with_the_reason() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (lab, b"garbage"):
        assert profile.fitting(icc, 3) == (None, ("its color profile is damaged, or not for RGB: left out",))
