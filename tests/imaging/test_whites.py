"""What is white in 16-bit files whose samples use fewer bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.color import White
from nsr_cli.imaging.findings.inspect import inspect
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.whites import FULL, as_one, in_whole_range, united, white_of
from tests.imaging.files import png_with, tiff

RANDOM = np.random.default_rng(7)


def samples(greatest: int, channels: int = 1, height: int = 20) -> np.ndarray[Any, Any]:
    """(H, 30, C) uint16 from 0 to the greatest."""
    found = RANDOM.integers(0, greatest, (height, 30, channels), dtype=np.uint16, endpoint=True)
    found[0, 0], found[-1, -1] = 0, greatest
    return found


@pytest.mark.parametrize(
    ("greatest", "white"),
    [
        (0, White(255, FULL)),
        (254, White(255, FULL)),
        (255, White(255, 255)),
        (256, White(1023, FULL)),
        (1023, White(1023, 1023)),
        (4095, White(4095, 4095)),
        (12_000, White(16_383, FULL)),
        (16_383, White(16_383, 16_383)),
        (16_384, None),
        (FULL, None),
    ],
)
def test_white_is_that_of_the_fewest_bits_and_the_end_only_where_it_is_met(
    greatest: int, white: White | None
) -> None:
    assert white_of(greatest) == white


@pytest.mark.parametrize(
    ("greatest", "stated", "white"),
    [
        (300, 4095, White(4095, 4095)),
        (1500, 2047, White(2047, 2047)),
        (5000, 4095, White(16_383, FULL)),
        (40_000, 4095, None),
        (300, FULL, None),
    ],
)
def test_what_the_file_states_counts_unless_a_sample_denies_it(
    greatest: int, stated: int, white: White | None
) -> None:
    assert white_of(greatest, stated) == white


def test_pages_of_one_file_have_the_white_of_the_brightest() -> None:
    dim, bright, full = (
        Picture(samples(200), white=White(255, FULL)),
        White(4095, 4095),
        Picture(samples(FULL)),
    )
    eight = Picture(np.zeros((9, 9, 1), np.uint8))
    pages = as_one([dim, eight, Picture(samples(4095), white=bright)])
    assert [page.white for page in pages] == [bright, None, bright]
    assert [page.white for page in as_one([dim, eight, full])] == [None] * 3
    assert united([White(1023, FULL), White(1023, 1023)]) == White(1023, 1023)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("greatest", [255, 3000, 60_000])
def test_every_format_is_asked_and_written_again_with_the_same_samples(kind: str, greatest: int) -> None:
    pixels = samples(greatest, 3)
    found = codec.decode(codec.encode(Picture(pixels), kind))
    assert found.white == white_of(greatest)
    assert np.array_equal(found.pixels, pixels)
    assert np.array_equal(codec.decode(codec.encode(found, kind)).pixels, pixels)


def test_the_note_says_what_is_taken_for_white() -> None:
    dim, full = (codec.decode(codec.encode(Picture(samples(top)), "PNG")) for top in (900, 60_000))
    assert [note for note in dim.remarks if "white" in note] == [
        "its white is taken to be 1023, not 65535: no sample lies above, and levels of noise count within"
    ]
    assert full.remarks == ()


def test_alpha_says_nothing_about_white() -> None:
    opaque = np.full((20, 30), FULL, np.uint16)
    for kind in ("PNG", "TIFF"):
        found = codec.decode(codec.encode(Picture(samples(4095, 3), opaque), kind))
        assert found.white == White(4095, 4095)
        assert found.alpha is not None and (found.alpha == FULL).all()


def test_bits_that_png_states_count_where_samples_keep_to_them() -> None:
    dim = codec.encode(Picture(samples(300, 3)), "PNG")
    assert codec.decode(png_with(dim, (b"sBIT", bytes([12, 12, 12])))).white == White(4095, 4095)
    assert codec.decode(png_with(dim, (b"sBIT", bytes([16, 16, 16])))).white == White(1023, FULL), (
        "says no more than no chunk"
    )
    # As the specification has it: 12 bits, scaled to 16.
    scaled = codec.encode(Picture(samples(FULL, 3)), "PNG")
    assert codec.decode(png_with(scaled, (b"sBIT", bytes([12, 12, 12])))).white is None


OME = '<?xml version="1.0"?><OME><Image><Pixels ID="P:0" SignificantBits="{}" SizeX="30"/></Image></OME>'


@pytest.mark.parametrize(
    ("options", "white"),
    [
        ({"extratags": [(281, 3, 1, 4095, True)]}, White(4095, 4095)),
        (
            {"extratags": [(281, 3, 1, 312, True)]},
            White(1023, FULL),
        ),  # the greatest of the samples, no maximum
        ({"extratags": [(281, 3, 1, 255, True)]}, White(1023, FULL)),  # which a sample exceeds
        ({"extratags": [(281, 3, 1, FULL, True)]}, White(1023, FULL)),  # what a file without it says too
        ({"description": OME.format(12)}, White(4095, 4095)),
        ({"description": OME.format(16)}, White(1023, FULL)),
    ],
)
def test_what_tiff_states(options: dict[str, Any], white: White) -> None:
    assert (
        codec.decode(tiff(samples(312)[..., 0], photometric="minisblack", metadata=None, **options)).white
        == white
    )


def test_samples_that_were_scaled_to_16_bits_are_not_scaled_again() -> None:
    twelve = codec.decode(b"P5 4 1 4095\n" + np.array([0, 5, 100, 200], ">u2").tobytes())
    assert twelve.white is None and twelve.pixels.max() == round(200 / 4095 * FULL)
    packed = codec.decode(tiff(samples(200)[..., 0], photometric="minisblack", bitspersample=12))
    assert packed.white is None and packed.pixels.max() == 200 * FULL // 4095
    palette = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256)
    colored = codec.decode(
        tiff(samples(255)[..., 0].astype(np.uint8), photometric="palette", colormap=palette)
    )
    assert colored.pixels.dtype == np.uint16 and colored.pixels.max() == 767 and colored.white is None


def test_a_part_of_a_file_has_no_white_of_its_own() -> None:
    assert codec.decode_part(tiff(samples(300)[..., 0], photometric="minisblack")).white is None


def test_pictures_are_shown_in_the_whole_range() -> None:
    eight = (RANDOM.random((64, 64, 3)) * 255).astype(np.uint8)
    for pixels, white in ((eight.astype(np.uint16), White(255, FULL)), (eight, None)):
        assert np.array_equal(in_whole_range(pixels, white), eight)
        assert in_whole_range(pixels, white).dtype == np.uint8
    twelve = eight.astype(np.uint16) * 16
    np.testing.assert_allclose(in_whole_range(twelve, White(4095, FULL)), twelve / 4095, rtol=1e-6)
    assert in_whole_range(twelve, None) is twelve


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_noise_and_traces_of_jpeg_are_found_as_in_8_bits(bits: int) -> None:
    sample = codec.decode((Path(__file__).parents[2] / "nsr_cli/sample/sample.png").read_bytes())
    noise = RANDOM.normal(0, 20, sample.pixels.shape)
    noisy = (sample.pixels + noise).clip(0, 255).astype(np.uint8)
    stored = np.rint(noisy / 255 * ((1 << bits) - 1)).astype(np.uint16)
    expected = inspect(b"", Picture(noisy))
    found = inspect(b"", codec.decode(codec.encode(Picture(stored), "PNG")))
    assert found.noise == pytest.approx(expected.noise, rel=0.02)
    assert found.upscaled == expected.upscaled
    once = codec.decode(codec.encode(sample, "JPEG", quality=30)).pixels
    again = codec.decode(codec.encode(Picture(once.astype(np.uint16)), "PNG"))
    assert inspect(b"", again).earlier_quality == 30
