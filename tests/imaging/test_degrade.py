"""Degradations are reproducible and are those of the protocol."""

import hashlib

import numpy as np
import pytest

from nsr_cli.imaging import degrade

GOLDEN_BABY = (-0.22463759707322062, -2.291627725652682, 0.9914358873588338, -0.6393146614377445)


def test_crop_keeps_the_top_left() -> None:
    pixels = np.arange(7 * 11 * 3).reshape(7, 11, 3)
    assert np.array_equal(degrade.crop_to_multiple(pixels, 4), pixels[:4, :8])
    assert degrade.crop_to_multiple(pixels, 1).shape == pixels.shape


def test_noise_is_seeded_by_the_stem_as_documented() -> None:
    clean = np.full((5, 6, 3), 100.0)
    seed = int(hashlib.sha256(b"head").hexdigest(), 16)
    expected = np.random.Generator(np.random.PCG64(seed)).standard_normal((5, 6, 3))
    assert np.array_equal(degrade.add_noise(clean, 25, "head"), clean + 25 * expected)
    assert not np.array_equal(degrade.add_noise(clean, 25, "other"), clean + 25 * expected)


def test_noise_of_one_known_stem_never_changes() -> None:
    # Golden figures of this project: a change would break every published denoising score.
    noise = degrade.add_noise(np.zeros((2, 2)), 1, "baby")
    assert noise.ravel() == pytest.approx(GOLDEN_BABY, abs=1e-12)


def test_noise_is_neither_rounded_nor_clipped_and_has_its_level() -> None:
    noisy = degrade.add_noise(np.zeros((300, 300, 1), dtype=np.uint8), 50, "x")
    assert noisy.dtype == np.float64
    assert noisy.min() < -100
    assert noisy.std() == pytest.approx(50, rel=0.01)
    assert not np.array_equal(noisy, np.rint(noisy))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_the_shape_and_loses_more_at_low_quality(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 47, channels), dtype=np.uint8)
    errors = [np.abs(degrade.jpeg(pixels, q).astype(int) - pixels).mean() for q in (5, 50, 95)]
    assert degrade.jpeg(pixels, 50).shape == pixels.shape
    assert errors[0] > errors[1] > errors[2] > 0


def test_jpeg_subsampling_is_obeyed() -> None:
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[:, ::2, 0] = 255  # chroma at the finest spacing: only 4:4:4 keeps it
    errors = {
        s: np.abs(degrade.jpeg(pixels, 95, s).astype(int) - pixels).mean()
        for s in ("4:4:4", "4:2:2", "4:2:0")
    }
    assert errors["4:4:4"] < 5 < errors["4:2:2"]
    assert errors["4:2:0"] > 5
