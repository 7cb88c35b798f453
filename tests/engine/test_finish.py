"""From a picture to what networks get, and from what they make to a picture."""

import numpy as np
import pytest

from nsr_cli.engine.finish import finished, visible_color
from nsr_cli.imaging.color import to_unit
from nsr_cli.imaging.picture import Metadata, Picture

GRAY = np.full((6, 8, 3), 100, np.uint8)


def test_hidden_color_is_that_of_what_can_be_seen() -> None:
    pixels, alpha = GRAY.copy(), np.full((6, 8), 255, np.uint8)
    pixels[:, 4:], alpha[:, 4:] = 250, 0
    assert visible_color(Picture(pixels)) is pixels
    assert (visible_color(Picture(pixels, alpha)) == 100).all()


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_result_has_the_depth_alpha_and_metadata_of_its_picture(strength: float) -> None:
    picture = Picture(GRAY, np.full((6, 8), 200, np.uint8), Metadata(icc=b"profile"), source="PNG")
    out = finished(picture, to_unit(GRAY), np.full((12, 16, 3), 0.8, np.float32), strength)
    assert out.pixels.shape == (12, 16, 3) and out.pixels.dtype == np.uint8
    assert np.abs(out.pixels - (100 + strength * 104)).max() <= 1
    assert out.alpha is not None and out.alpha.shape == (12, 16) and (out.alpha == 200).all()
    assert (out.metadata, out.source) == (picture.metadata, "PNG")


def test_only_integers_make_up_for_what_clipping_cuts_off() -> None:
    made = np.zeros((6, 8, 3), np.float32)
    made[3, 4] = -0.5
    kept = finished(Picture(to_unit(GRAY)), to_unit(GRAY), made.copy(), 1.0)
    assert np.array_equal(kept.pixels, made), "floating point keeps it"
    made += np.float32(0.25)
    assert finished(Picture(GRAY), to_unit(GRAY), made.copy(), 1.0).pixels[2, 4, 0] < round(0.25 * 255)
