"""Crops: where they come from, how they are turned, and that every step can be drawn again."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from nsr_cli.errors import TrainingError
from nsr_cli.imaging.degrade import jpeg
from nsr_cli.imaging.resizing.resize import downscale8
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES
from nsr_cli.training.patches import PatchSource, mirrored, require_size
from nsr_cli.training.recipe import TASKS

CPU = torch.device("cpu")
P = 8


def make(task: str, count: int = 3) -> tuple[PatchSource, list[np.ndarray]]:
    random = np.random.default_rng(0)
    channels = TASKS[task].channels
    shapes = [(48 + 8 * i, 56 - 8 * i, channels) for i in range(count)]
    pictures = [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    return PatchSource(TASKS[task], pictures, P, 1, CPU), pictures


def eight_turns(crop: np.ndarray) -> list[np.ndarray]:
    return [np.rot90(side, k) for side in (crop, crop[:, ::-1]) for k in range(4)]


def places_of(crop: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    """Where any turn of a crop occurs in a picture."""
    side = crop.shape[0]
    views = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1)).transpose(
        0, 1, 3, 4, 2
    )
    return [
        (int(y), int(x))
        for turned in eight_turns(crop)
        for y, x in np.argwhere((views == turned).all(axis=(2, 3, 4)))
    ]


def as_bytes(tensor: torch.Tensor) -> np.ndarray:
    return (tensor * 255).round().byte().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("scale", [2, 3])
def test_low_and_high_crops_are_of_the_same_place_in_the_same_turn(scale: int) -> None:
    source, pictures = make(f"upscale-x{scale}")
    pictures = [p[: p.shape[0] // scale * scale, : p.shape[1] // scale * scale] for p in pictures]
    lows = [downscale8(p, scale) for p in pictures]
    batch = source.batch(0, 24)
    for low, high in zip(as_bytes(batch.input), as_bytes(batch.target), strict=True):
        found = [(i, at) for i, p in enumerate(lows) for at in places_of(low, p)]
        assert len(found) == 1
        index, (y, x) = found[0]
        assert (y * scale, x * scale) in places_of(high, pictures[index])


def test_all_pictures_and_all_eight_turns_occur() -> None:
    source, pictures = make("denoise-gray")
    seen = set()
    for crop in as_bytes(source.batch(0, 200).target):
        for index, picture in enumerate(pictures):
            for y, x in places_of(crop, picture):
                turns = eight_turns(picture[y : y + P, x : x + P])
                seen.add((index, next(i for i, t in enumerate(turns) if np.array_equal(t, crop))))
    assert seen == {(picture, turn) for picture in range(3) for turn in range(8)}


def test_a_step_gives_the_same_batch_again_and_another_step_another() -> None:
    source, _ = make("denoise-rgb")
    first, again, other = source.batch(7, 4), source.batch(7, 4), source.batch(8, 4)
    assert torch.equal(first.input, again.input) and torch.equal(first.target, again.target)
    assert not torch.equal(first.target, other.target)


@pytest.mark.parametrize("task", ["upscale-x2", "denoise-gray", "dejpeg-rgb"])
def test_processes_share_one_batch(task: str) -> None:
    source, _ = make(task)
    whole = source.batch(3, 6)
    parts = [source.batch(3, 6, rank, 2) for rank in range(2)]

    def woven(field: str) -> torch.Tensor:
        return torch.stack([getattr(parts[i % 2], field)[i // 2] for i in range(6)])

    for field in ("input", "target") + (("level",) if whole.level is not None else ()):
        assert torch.equal(woven(field), getattr(whole, field))


def test_noise_has_the_level_given_to_the_network() -> None:
    source, _ = make("denoise-gray")
    batch = source.batch(0, 400)
    assert batch.level is not None
    measured = (batch.input - batch.target).flatten(1).std(dim=1) * 255
    told = batch.level[:, 0] * MAX_SIGMA
    loud = told > 20
    assert float((measured / told)[loud].mean()) == pytest.approx(1.0, abs=0.02)
    assert 0 <= float(told.min()) < 5 and MAX_SIGMA - 5 < float(told.max()) <= MAX_SIGMA
    assert float(batch.input.min()) < 0 and float(batch.input.max()) > 1  # not clipped


def test_jpeg_patches_are_what_the_codec_makes_at_the_stated_quality() -> None:
    source, _ = make("dejpeg-rgb")
    batch = source.batch(0, 60)
    assert batch.level is not None
    qualities = (batch.level[:, 0] * 100).round().int().tolist()
    assert all(QUALITIES[0] <= q <= QUALITIES[1] for q in qualities) and len(set(qualities)) > 20
    halved = 0
    for given, clean, quality in zip(as_bytes(batch.input), as_bytes(batch.target), qualities, strict=True):
        full, half = (np.array_equal(given, jpeg(clean, quality, s)) for s in ("4:4:4", "4:2:0"))
        assert full or half
        halved += half
    assert 10 < halved < 50


def test_pictures_of_less_than_half_of_a_crop_are_left_out_or_refused() -> None:
    tiny, small = np.zeros((3, 50, 3), np.uint8), np.zeros((4, 8, 3), np.uint8)
    assert require_size([tiny, small], 8) == [small]
    with pytest.raises(TrainingError, match="8×8"):
        require_size([tiny], 8)


def test_a_picture_smaller_than_a_crop_is_continued_by_its_mirror_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 9, 3), np.uint8)
    longer = mirrored(picture, 8)
    np.testing.assert_array_equal(longer, np.concatenate([picture, picture[:1:-1]]))
    np.testing.assert_array_equal(mirrored(picture.transpose(1, 0, 2), 8), longer.transpose(1, 0, 2))
    assert mirrored(picture, 5) is picture


def test_crops_reach_every_border() -> None:
    source, pictures = make("upscale-x2", count=1)
    low = downscale8(pictures[0], 2)
    found = [
        at
        for batch in (source.batch(step, 50) for step in range(20))
        for c in as_bytes(batch.input)
        for at in places_of(c, low)
    ]
    ys, xs = sorted({y for y, _ in found}), sorted({x for _, x in found})
    assert (ys[0], ys[-1]) == (0, low.shape[0] - P) and (xs[0], xs[-1]) == (0, low.shape[1] - P)
    assert all(b - a == 1 for a, b in pairwise(ys))


@pytest.mark.parametrize("task", ["upscale-x2", "denoise-rgb", "dejpeg-gray"])
def test_flat_patches_lose_contrast_in_input_and_target_alike(task: str) -> None:
    pictures = [np.random.default_rng(0).integers(0, 256, (64, 64, TASKS[task].channels), dtype=np.uint8)]
    usual = PatchSource(TASKS[task], pictures, P, 1, CPU).batch(0, 64)
    batch = PatchSource(TASKS[task], pictures, P, 1, CPU, flat=0.5).batch(0, 64)
    changed = (batch.target != usual.target).flatten(1).any(dim=1)
    assert 16 < int(changed.sum()) < 48
    assert torch.equal(batch.input[~changed], usual.input[~changed])
    contrast, before = batch.target.std(dim=(1, 2, 3)), usual.target.std(dim=(2, 3)).mean(dim=1)
    within = batch.target[changed].std(dim=(2, 3)).amax(dim=1)
    assert bool((within < 0.55 * before[changed]).all()) and int((within == 0).sum()) > 4
    assert len({round(float(c), 3) for c in batch.target[changed].mean(dim=(1, 2, 3))}) > 10
    assert bool((contrast[~changed] > 0.2).all())
    if task == "upscale-x2":
        torch.testing.assert_close(
            batch.input[changed].mean(dim=(2, 3)), batch.target[changed].mean(dim=(2, 3)), atol=0.1, rtol=0
        )


def test_without_flat_patches_nothing_is_drawn_for_them() -> None:
    """Runs of before must resume with the very batches they would have had."""
    pictures = [np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)]
    usual = PatchSource(TASKS["denoise-gray"], pictures, P, 1, CPU).batch(0, 4)
    rare = PatchSource(TASKS["denoise-gray"], pictures, P, 1, CPU, flat=1e-12).batch(0, 4)
    assert torch.equal(usual.input, rare.input)


@pytest.mark.parametrize("task", ["dejpeg-gray", "dejpeg-rgb"])
def test_intact_patches_are_not_compressed_whatever_the_level(task: str) -> None:
    pictures = [np.random.default_rng(0).integers(0, 256, (64, 64, TASKS[task].channels), dtype=np.uint8)]
    usual = PatchSource(TASKS[task], pictures, P, 1, CPU).batch(0, 64)
    source = PatchSource(TASKS[task], pictures, P, 1, CPU, intact=0.5)
    batch = source.batch(0, 64)
    assert usual.intact is None and batch.intact is not None
    assert batch.level is not None and usual.level is not None
    assert torch.equal(batch.target, usual.target) and torch.equal(batch.level, usual.level)
    spared = batch.intact.flatten()
    assert 16 < int(spared.sum()) < 48
    assert torch.equal(spared, (batch.input == batch.target).flatten(1).all(dim=1))
    assert torch.equal(batch.input[~spared], usual.input[~spared])
    halves = [source.batch(0, 64, rank, 2).input for rank in (0, 1)]
    assert torch.equal(torch.stack(halves, dim=1).flatten(0, 1), batch.input)
