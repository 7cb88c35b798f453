"""A `Picture` is always consistent."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture


def test_size_depth_and_channels() -> None:
    picture = Picture(np.zeros((4, 7, 3), np.uint16), np.zeros((4, 7), np.uint16))
    assert (picture.height, picture.width, picture.channels, picture.bits) == (4, 7, 3, 16)
    assert not picture.is_gray
    assert picture.samples == 4 and picture.result_bytes(14, 8) == 14 * 8 * 4 * 2
    gray = Picture(np.zeros((4, 7, 1), np.float32))
    assert gray.is_float and gray.samples == 1 and gray.result_bytes(7, 4) == gray.pixels.nbytes


@pytest.mark.parametrize(
    ("pixels", "alpha"),
    [
        (np.zeros((4, 7), np.uint8), None),
        (np.zeros((4, 7, 2), np.uint8), None),
        (np.zeros((0, 7, 3), np.uint8), None),
        (np.zeros((4, 7, 3), np.float64), None),
        (np.zeros((4, 7, 3), np.uint8), np.zeros((4, 7), np.uint16)),
        (np.zeros((4, 7, 3), np.uint8), np.zeros((7, 4), np.uint8)),
    ],
)
def test_what_makes_no_picture_is_refused(pixels: Any, alpha: Any) -> None:
    with pytest.raises(ValueError, match=r"pixels|alpha"):
        Picture(pixels, alpha)


def test_texts_replace_those_of_the_same_keyword() -> None:
    meta = Metadata(text=(("a", "1"), (XMP_KEY, "x"), ("a", "2"))).with_text("a", "3")
    assert meta.text == ((XMP_KEY, "x"), ("a", "3"))
    assert meta.get_text("a") == "3"
    assert meta.get_text("b") is None
