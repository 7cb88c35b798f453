"""What lies far beyond black and white goes around the networks, and does not harm what lies between."""

import numpy as np
import pytest

from nsr_cli.engine.beyond import ENLARGING, NOISY, add_beyond, limits_of, within
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.restore import Restorer

PIXELS = np.random.default_rng(5).random((60, 70, 3)).astype(np.float32)
LAMP = np.zeros_like(PIXELS)
LAMP[20, 30], LAMP[59, 69, 1], LAMP[33, 0] = 50, 1000, -7
MASK = np.abs(resize(LAMP, 120, 140)) > 0


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.load("upscale", scale=2, model="lite", device="cpu", precision="fp32")


def test_samples_within_the_limits_are_left_alone() -> None:
    assert within(PIXELS, ENLARGING) is PIXELS
    out = PIXELS.copy()
    add_beyond(out, PIXELS, ENLARGING)
    assert np.array_equal(out, PIXELS)


@pytest.mark.parametrize("size", [(60, 70), (120, 140), (240, 280)])
def test_what_is_added_is_the_bicubic_result_of_what_was_cut_off(size: tuple[int, int]) -> None:
    array = PIXELS + LAMP
    cut = array - array.clip(*ENLARGING)
    out = np.zeros((*size, 3), np.float32)
    add_beyond(out, array, ENLARGING)
    assert out == pytest.approx(resize(cut, *size), abs=1e-3)
    assert within(array, ENLARGING).min() == -0.25 and within(array, ENLARGING).max() == 1.25


def test_noise_of_75_belongs_into_the_network() -> None:
    assert limits_of(1) == NOISY and limits_of(4) == ENLARGING
    noise = np.random.default_rng(1).normal(0, 75 / 255, (500, 500, 3)).astype(np.float32)
    assert within(noise, NOISY) is noise and within(1 + noise, NOISY).max() < 3


def test_a_lamp_does_not_harm_its_surroundings(restorer: Restorer) -> None:
    """Without this, single samples of 50 spoiled others more than three pixels away by up to 5 (see `beyond`)."""
    y, x, phase = np.mgrid[0:60, 0:70, 0:3]
    smooth = (0.5 + 0.4 * np.sin(x / 5 + phase) * np.cos(y / 7)).astype(np.float32)
    plain, lit = (restorer.run(array, clipped=False) for array in (smooth, np.where(LAMP, LAMP, smooth)))
    assert np.abs(lit - plain)[~MASK].max() < 0.25  # 210 without it; the network still sees 1.25
    assert lit[40:42, 60:62].mean() == pytest.approx(resize(LAMP, 120, 140)[40:42, 60:62].mean(), rel=0.1)


def test_bands_and_the_ensemble_do_the_same(restorer: Restorer) -> None:
    from nsr_cli.engine.bands import collect, picture_bands

    array = PIXELS + LAMP
    whole = restorer(Picture(array)).pixels
    bands = collect(
        restorer.bands(picture_bands(array), np.float32, RestoreOptions(), memory=1 << 25, strict=False),
        np.float32,
    )
    assert bands == pytest.approx(whole, abs=2e-3)
    turned = restorer(Picture(array), tta=True).pixels
    assert np.abs(turned - whole)[MASK].max() < 2  # of 1000
