"""The noise level is found in flat, textured, clipped and clean pictures."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging.codec import decode
from nsr_cli.imaging.degrade import add_noise
from nsr_cli.imaging.findings import noise


def stored(array: Any) -> Any:
    """8-bit levels, as noise meets a file."""
    return np.clip(np.rint(array), 0, 255).astype(np.uint8)


def scene(size: int = 300) -> Any:
    """A picture with slopes, edges and a textured part, (H, W, 3)."""
    across, down = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    base = 40 + 160 * across + 20 * np.sin(9 * down)
    base[down > across + 0.3] -= 35
    rough = np.random.default_rng(3).normal(0, 30, (size // 3, size))
    base[: size // 3] += rough * (across[: size // 3] > 0.5)
    return np.stack([base, base * 0.8 + 20, base * 0.6 + 50], axis=2)


@pytest.mark.parametrize("sigma", [5, 10, 25, 50, 75])
def test_the_level_is_found_in_8_bits_16_bits_and_float(sigma: float) -> None:
    noisy = add_noise(scene(), sigma, "scene")
    for pixels in (stored(noisy), (noisy / 255).astype(np.float32)):
        assert noise.estimate_noise(pixels) == pytest.approx((sigma,) * 3, rel=0.12 if sigma > 50 else 0.08)
    if sigma <= 25:
        deep = np.clip(np.rint(noisy * 257), 0, 65_535).astype(np.uint16)
        assert noise.estimate_noise(deep) == pytest.approx((sigma,) * 3, rel=0.08)


def test_channels_are_told_apart() -> None:
    clean = scene()
    noisy = np.stack(
        [add_noise(clean[..., i], sigma, f"c{i}") for i, sigma in enumerate((6, 30, 15))], axis=2
    )
    assert noise.estimate_noise(stored(noisy)) == pytest.approx((6, 30, 15), rel=0.08)


def test_clipping_at_black_and_white_is_made_up_for() -> None:
    clean = np.full((256, 256, 1), 12.0)
    clean[:, 100:] = 90
    for level in (clean, 255 - clean):
        found = noise.estimate_noise(stored(add_noise(level, 40, "dark")))[0]
        assert found == pytest.approx(40, rel=0.1)
        # Even where nothing but clipped pixels is left, most of the level is recovered.
        only = noise.estimate_noise(
            stored(add_noise(np.full_like(level, level[0, 0, 0] * 3 % 255), 40, "d"))
        )[0]
        assert only == pytest.approx(40, rel=0.25)


def text_page(paper: float) -> Any:
    """Dark strokes on bright paper, (H, W, 1): nothing is flat but the paper."""
    strokes = np.kron(np.random.default_rng(4).random((24, 4, 115)) < 0.5, np.ones((1, 3, 4)))
    page = np.full((480, 500, 1), float(paper))
    for line, found in enumerate(strokes):
        page[20 * line + 4 : 20 * line + 16, 20:480, 0] -= found * (paper - 30)
    return page


def starry_sky(sky: float) -> Any:
    """Small stars on a dark sky, (H, W, 1)."""
    random, found = np.random.default_rng(5), np.full((400, 500, 1), float(sky))
    down, across = np.mgrid[-6:7, -6:7]
    for top, left, light in zip(
        random.integers(0, 387, 300), random.integers(0, 487, 300), random.uniform(30, 400, 300), strict=True
    ):
        found[top : top + 13, left : left + 13, 0] += light * np.exp(-(down**2 + across**2) / 4)
    return found


@pytest.mark.parametrize("sigma", [6, 10, 25, 50])
@pytest.mark.parametrize(
    "clean", [*map(text_page, (225, 240, 250, 255)), *map(starry_sky, (0, 3, 10)), 255 - text_page(240)]
)
def test_what_is_flat_may_be_near_white_or_black_only(clean: Any, sigma: float) -> None:
    """Where it is passed over, texture is left, which counted as clean (text at 240 with 10: 0)."""
    # Of noise on black, half is clipped, and flat blocks are those that were clipped most.
    rel = 0.1 if 225 <= clean.max() <= 240 and clean.min() >= 10 else 0.25
    assert noise.estimate_noise(stored(add_noise(clean, sigma, "page")))[0] == pytest.approx(sigma, rel=rel)


@pytest.mark.parametrize("clean", [text_page(240), text_page(255), starry_sky(0), starry_sky(10)])
def test_pages_and_skies_without_noise_are_clean(clean: Any) -> None:
    assert noise.estimate_noise(stored(clean))[0] < 2


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_are_clean(value: int) -> None:
    assert noise.estimate_noise(np.full((64, 64, 3), value, np.uint8)) == (0, 0, 0)


def test_clean_scenes_are_clean() -> None:
    assert max(noise.estimate_noise(stored(scene()))) < 2


def test_small_pictures_are_not_judged() -> None:
    assert noise.estimate_noise(np.zeros((15, 400, 3), np.uint8)) == (0, 0, 0)
    tiny = stored(add_noise(np.full((24, 24, 1), 128.0), 20, "tiny"))
    assert noise.estimate_noise(tiny)[0] == pytest.approx(20, rel=0.35)


def test_large_pictures_take_no_longer() -> None:
    # A fixed number of blocks is looked at, whatever the size.
    plane = np.random.default_rng(0).normal(120, 20, (3000, 4000)).astype(np.float32)
    assert len(noise._transformed(plane, 1.0)) <= 1.1 * noise._MOST_BLOCKS


def judged(shared_data: Path, name: str, step: int) -> list[tuple[str, Any]]:
    paths = sorted((shared_data / "eval" / name).iterdir())[::step]
    return [(path.stem, decode(path.read_bytes()).pixels) for path in paths]


def check_set(pictures: list[tuple[str, Any]]) -> None:
    clean = [max(noise.estimate_noise(pixels)) for _, pixels in pictures]
    assert max(clean) <= 2
    for sigma in (5, 15, 25, 50):
        noisy = [stored(add_noise(pixels, sigma, stem)) for stem, pixels in pictures]
        found = [statistics.mean(noise.estimate_noise(pixels)) for pixels in noisy]
        assert statistics.median(found) == pytest.approx(sigma, rel=0.1)


def test_set12(shared_data: Path) -> None:
    check_set(judged(shared_data, "Set12", 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Set12", "BSD100"])
def test_whole_sets(shared_data: Path, name: str) -> None:
    check_set(judged(shared_data, name, 1))


def test_a_clean_jpeg_is_not_noisy(pillow_file: Any) -> None:
    data = pillow_file(Image.fromarray(stored(scene())), "JPEG", quality=60)
    assert max(noise.estimate_noise(decode(data).pixels)) < 2
