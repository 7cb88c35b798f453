"""Pictures of AVIF and HEIC files, and what comes with them."""

import numpy as np
import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, formats, strangers
from nsr_cli.imaging.heads.head import read_head
from nsr_cli.imaging.picture import XMP_KEY
from tests import heif
from tests.cli.kinds import profile

ACROSS, DOWN = np.meshgrid(np.linspace(0, 255, 46), np.linspace(0, 255, 33))
RGB = np.dstack([ACROSS, DOWN, 255 - ACROSS]).round().astype(np.uint8)
PACKET = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>harbor</x:xmpmeta>"
SAVE = {"AVIF": heif.avif, "HEIC": heif.heic}


def off(made: np.ndarray, meant: np.ndarray) -> float:
    return float(np.abs(made.astype(float) - meant).mean())


@pytest.mark.parametrize("form", SAVE)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_and_their_metadata_say_so(form: str, orientation: int) -> None:
    stored = RGB
    found = codec.decode(SAVE[form](stored, exif=heif.turned(orientation)))
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    assert found.source == form and off(found.pixels, upright) < 3
    assert found.metadata.exif is not None and b"Lumen" in found.metadata.exif
    again = codec.decode(codec.encode(found, "PNG"))
    assert np.array_equal(again.pixels, found.pixels)  # it is not turned a second time


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("alpha", [False, True])
def test_deep_samples_fill_the_range_of_16_bits(bits: int, alpha: bool) -> None:
    stored = np.dstack([RGB, RGB[..., :1]]) if alpha else RGB
    deep = np.rint(stored * (((1 << bits) - 1) / 255)).astype(np.uint16)
    found = codec.decode(heif.deep_avif(deep, bits))
    assert found.bits == 16 and found.white is None
    assert off(found.pixels, RGB * 257.0) < 400 and found.pixels.max() > 65_000
    assert (found.alpha is not None) == alpha
    if found.alpha is not None:
        assert off(found.alpha, stored[..., 3] * 257.0) < 400


def test_a_heic_file_of_10_bits_is_read_with_all_of_them() -> None:
    found = codec.decode(heif.deep_heic(RGB.astype(np.uint16) * 257))
    assert found.bits == 16 and found.white is None and off(found.pixels, RGB * 257.0) < 900
    assert len(np.unique(found.pixels)) > 300


def test_frames_have_durations_and_the_first_says_how_many_there_are() -> None:
    film = heif.avif(RGB, RGB[::-1], RGB[:, ::-1], duration=[100, 200, 300])
    every = list(codec.decode_all(film))
    assert [frame.metadata.duration for frame in every] == [0.1, 0.2, 0.3]
    assert all(
        off(frame.pixels, meant) < 4
        for frame, meant in zip(every, (RGB, RGB[::-1], RGB[:, ::-1]), strict=True)
    )
    assert codec.decode(film).remarks == ("first of 3 frames",)
    assert len(list(codec.decode_all(codec.encode_pages(every, "PNG")))) == 3


@pytest.mark.parametrize("form", SAVE)
def test_a_profile_and_xmp_are_kept(form: str) -> None:
    found = codec.decode(SAVE[form](RGB, icc_profile=profile(3), xmp=PACKET)).metadata
    assert found.icc == profile(3) and found.text == ((XMP_KEY, PACKET.decode()),)
    assert found.color == () and found.left_out == ()


def test_colors_that_a_code_states_go_into_png() -> None:
    wide = heif.deep_avif(RGB.astype(np.uint16) << 2, 10, primaries=9, transfer=16)
    found = codec.decode(wide)
    assert found.metadata.color == (("cICP", bytes([9, 16, 0, 1])),)
    assert codec.decode(codec.encode(found, "PNG")).metadata.color == found.metadata.color
    assert codec.losses(found, "TIFF") == ("cICP is left out: colors may look different",)
    assert codec.decode(heif.avif(RGB)).metadata.color == ()  # sRGB, as readers assume


@pytest.mark.parametrize("form", SAVE)
def test_xmp_beyond_all_reason_is_left_out(form: str) -> None:
    found = codec.decode(SAVE[form](RGB, xmp=b"x" * (9 << 20)))
    assert found.metadata.text == () and found.notes == ("its XMP packet is too long: left out",)


def test_further_pictures_of_a_file_are_said_to_be_left_out() -> None:
    found = codec.decode(heif.heic(RGB, RGB[::-1], RGB[:, ::-1]))
    assert found.notes == ("it holds 2 further pictures: left out",) and off(found.pixels, RGB) < 3


def test_without_its_library_heic_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    data = heif.heic(RGB)
    with pytest.raises(
        DecodeError, match="HEIC file, which is not read here; install pillow-heif with pip, or"
    ):
        codec.decode(data)
    assert read_head(data) is None
    assert strangers.is_picture(data)  # in a stream it is not passed over


@pytest.mark.parametrize("form", SAVE)
def test_a_file_that_is_cut_off_anywhere_is_refused(form: str) -> None:
    whole = SAVE[form](RGB, exif=heif.turned(6), xmp=PACKET)
    for size in range(0, len(whole), 3):
        with pytest.raises(DecodeError):
            codec.decode(whole[:size])
