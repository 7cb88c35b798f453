"""Every size comes out exact and finite; published networks keep flat areas flat and colors in place."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nsr_cli.engine import runner
from nsr_cli.engine.runner import Limits
from nsr_cli.engine.tiles import Tile, margin_of, plan_tiles
from nsr_cli.imaging.picture import Picture
from nsr_cli.model.config import PRESETS
from nsr_cli.restore import Restorer
from nsr_cli.weights.manifest import load_manifest
from tests.promises import Reached
from tests.tiny import tiny_weights

pytestmark = pytest.mark.slow

SIDES = range(1, 98)
CASES: dict[str, tuple[str, dict[str, int]]] = {
    "upscale 2": ("upscale", {"scale": 2}),
    "upscale 3": ("upscale", {"scale": 3}),
    "denoise": ("denoise", {"scale": 1, "levels": 1}),
    "denoise unshuffled": ("denoise", {"scale": 1, "levels": 1, "unshuffle": 2}),
}
GRAYS = (0, 1, 16, 64, 127, 128, 192, 235, 254, 255)
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (30, 120, 220), (200, 140, 90), (12, 40, 8))
PHOTOS = 24
PRECISIONS = ("fp32", "bf16")
CROP = 144


@cache
def bundled() -> tuple[str, ...]:
    return tuple(entry.name for entry in load_manifest().entries if entry.bundled)


def of(name: str, precision: str, limits: Limits | None = None) -> tuple[Restorer, dict[str, Any]]:
    """The restorer of published weights, and the level that its task wants."""
    entry = load_manifest().get(name)
    restorer = Restorer.load(
        entry.task,
        scale=entry.scale,
        color=entry.color,
        model=name,
        device="cpu",
        precision=precision,
        limits=limits,
    )
    levels: dict[str, dict[str, Any]] = {"denoise": {"sigma": 15.0}, "dejpeg": {"quality": 40.0}}
    return restorer, levels.get(entry.task, {})


@pytest.mark.promise(
    "Numbers: pictures of 1×1, 1×N, N×1 and N×N for every N up to 97, enlarged 2 and 3 times and denoised: "
    "the exact size, all finite",
    count=len(CASES) * (3 * 96 + 1),
)
@pytest.mark.parametrize("case", CASES)
def test_every_size(case: str, tmp_path: Path, reached: Reached) -> None:
    task, changes = CASES[case]
    scale, weights = changes["scale"], tiny_weights(tmp_path / "t.safetensors", **changes)
    restorer = Restorer.load(
        task, scale=scale if task == "upscale" else None, model=str(weights), device="cpu", precision="fp32"
    )
    sizes = {size for n in SIDES for size in ((1, n), (n, 1), (n, n))}
    random = np.random.default_rng(2)
    for height, width in sorted(sizes):
        pixels = random.random((height, width, 3), dtype=np.float32)
        out = restorer.run(pixels, sigma=20.0 if task == "denoise" else None)
        assert out.shape == (scale * height, scale * width, 3)
        assert bool(np.isfinite(out).all())
    reached(len(sizes))


@cache
def flat_errors(name: str, precision: str) -> dict[tuple[int, ...], tuple[int, int]]:
    """For each color of a flat picture: the largest error inside, and in the outer 8 input pixels, in levels."""
    restorer, level = of(name, precision)
    found: dict[tuple[int, ...], tuple[int, int]] = {}
    for color in [*((gray,) * 3 for gray in GRAYS), *COLORS]:
        made = restorer(Picture(np.full((60, 70, 3), color, dtype=np.uint8)), **level).pixels.astype(int)
        off = np.abs(made - np.array(color)).max(axis=2)
        frame = 8 * off.shape[0] // 60
        inside = off[frame:-frame, frame:-frame].copy()
        off[frame:-frame, frame:-frame] = 0
        found[color] = int(inside.max()), int(off.max())
    return found


FLAT = len(bundled()) * len(PRECISIONS) * (len(GRAYS) + len(COLORS))


@pytest.mark.promise(
    "Numbers: a picture of one color stays that color to one level for every bundled network, in float32 and bfloat16, "
    "from 8 pixels inside the border on",
    count=FLAT,
)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", bundled())
def test_flat_pictures_stay_flat_inside(name: str, precision: str, reached: Reached) -> None:
    errors = flat_errors(name, precision)
    tell(f"{name} in {precision}", {color: inside for color, (inside, _) in errors.items()}, reached)


@pytest.mark.promise(
    "Numbers: a picture of one color stays that color to one level for every bundled network, in float32 and bfloat16, "
    "at the border too",
    count=FLAT,
)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", bundled())
def test_flat_pictures_stay_flat_at_the_border(name: str, precision: str, reached: Reached) -> None:
    errors = flat_errors(name, precision)
    tell(f"{name} in {precision}", {color: border for color, (_, border) in errors.items()}, reached)


def tell(name: str, errors: dict[tuple[int, ...], int], reached: Reached) -> None:
    """Count the colors that stay, and note the worst if it is off at all."""
    reached(sum(error <= 1 for error in errors.values()))
    worst = max(errors, key=lambda color: errors[color])
    if errors[worst]:
        reached.note(f"{name}: {errors[worst]} off in RGB {worst}")
    assert errors[worst] <= 1


@pytest.mark.promise(
    "Numbers: the mean color of 24 photographs moves by less than half a level (of 255) in each channel, for every "
    "bundled network",
    count=len(bundled()) * PHOTOS,
)
@pytest.mark.parametrize("name", bundled())
def test_mean_colors_stay(name: str, shared_data: Path, reached: Reached) -> None:
    photos = sorted((shared_data / "train" / "photos").glob("*.jpg"))[::11][:PHOTOS]
    if len(photos) < PHOTOS:
        pytest.skip(f"fewer than {PHOTOS} photographs below {shared_data}/train/photos")
    restorer, level = of(name, "fp32")
    worst = 0.0
    for path in photos:
        with Image.open(path) as image:
            whole = np.asarray(image.convert("RGB"))
        top, left = ((side - CROP) // 2 for side in whole.shape[:2])
        crop = Picture(np.ascontiguousarray(whole[top : top + CROP, left : left + CROP]))
        before = crop.pixels.mean((0, 1))
        after = restorer(crop, **level).pixels.mean((0, 1))
        moved = float(np.abs(after - before).max())
        worst = max(worst, moved)
        reached(moved < 0.5)
    reached.note(f"{name}: {worst:.3f}")
    assert worst < 0.5


@pytest.mark.promise(
    "Numbers: a photograph that a bundled network computes in tiles is that of one piece to one level and 60 dB, in "
    "float32 and bfloat16",
    count=len(bundled()) * len(PRECISIONS),
)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", bundled())
def test_tiles_hardly_change_photographs(
    name: str, precision: str, shared_data: Path, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counted(*about: Any) -> list[Tile]:
        found = plan_tiles(*about)
        counts.append(len(found))
        return found

    monkeypatch.setattr(runner, "plan_tiles", counted)
    paths = sorted((shared_data / "train" / "photos").glob("*.jpg"))[:4]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    whole, level = of(name, precision)
    photo, tile = Picture(photos[0][:300, :420].copy()), 200
    if margin_of(PRESETS[load_manifest().get(name).preset]) > 2:
        # A tile has all windows around it that its network can see, which is as much as there is of a small picture.
        photo = Picture(np.vstack([np.hstack(photos[:2]), np.hstack(photos[2:])])[:640, :840, :1])
        tile = 640
    tiles, _ = of(name, precision, Limits(tile=tile))
    expected = whole(photo, **level).pixels
    assert set(counts) == {1}
    counts.clear()
    error = tiles(photo, **level).pixels.astype(float) - expected
    assert min(counts) > 1
    assert np.abs(error).max() <= 1
    assert np.square(error).mean() <= 255**2 / 1e6
    reached()


@pytest.mark.promise("Numbers: what overflows in half precision is computed again in fp32, which is said")
def test_overflow_is_said(tmp_path: Path) -> None:
    from nsr_cli.model.checkpoint import save_network
    from tests.tiny import tiny_network

    network = tiny_network()
    with torch.no_grad():
        network.head.weight_v.mul_(3e4 / float(network.head.weight_v.abs().max()))
        network.head.bias.fill_(6e4)
    path = tmp_path / "hot.safetensors"
    path.write_bytes(save_network(network, dtype=torch.float32))
    said: list[str] = []
    pixels = np.random.default_rng(0).random((50, 50, 3), dtype=np.float32)
    options = {"scale": 2, "model": str(path), "device": "cpu", "limits": Limits()}
    narrow = Restorer.load("upscale", precision="fp16", notice=said.append, **options)  # type: ignore[arg-type]
    wide = Restorer.load("upscale", precision="fp32", **options)  # type: ignore[arg-type]
    out = narrow.run(pixels)
    assert any("computed again in fp32" in line for line in said)
    assert bool(np.isfinite(out).all()) and np.array_equal(out, wide.run(pixels))
