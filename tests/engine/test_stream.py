"""Networks row of tiles by row of tiles: the picture of tiles in memory, from little memory."""

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsr_cli.engine import stream
from nsr_cli.engine.bands import Shape, collect, picture_bands
from nsr_cli.engine.device import give_back, prepare_cpu
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.engine.progress import OverallProgress
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stream import least_memory, network_bands, plan
from nsr_cli.engine.tiles import best_shape, tile_rows
from nsr_cli.errors import MemoryExhausted
from nsr_cli.imaging.picture import Picture
from nsr_cli.restore import Restorer
from nsr_cli.weights.manifest import Manifest
from nsr_cli.weights.store import WeightStore
from tests.tiny import tiny_network, tiny_weights

RANDOM = np.random.default_rng(6)
MIB = 1 << 20


def runner(scale: int = 2) -> Runner:
    return Runner(tiny_network(scale), "cpu", "fp32")


def restorer(folder: Path, task: str, factor: float | None, channels: int = 3) -> Restorer:
    scale = 2 if task == "upscale" else 1
    model = tiny_weights(folder / "a.safetensors", scale=scale, channels=channels, levels=int(scale == 1))
    store = WeightStore(Manifest((), "file:///nowhere"), cache=folder, offline=True)
    return Restorer.load(task, scale=factor, model=str(model), device="cpu", precision="fp32", store=store)


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    """(H, W, C) in 0…1: noise, a little blurred."""
    noise = RANDOM.random((height + 1, width + 1, channels))
    return (noise[1:, 1:] + noise[:-1, 1:] + noise[1:, :-1] + noise[:-1, :-1]) / 4


@pytest.mark.parametrize(
    ("task", "factor", "options", "network", "channels", "dtype"),
    [
        ("upscale", 2, {}, 3, 3, np.uint8),
        ("upscale", 2, {}, 3, 1, np.uint16),
        ("upscale", 1.5, {}, 3, 3, np.float32),
        ("upscale", 3, {}, 1, 3, np.uint8),
        ("upscale", 2, {"size": (170, 500)}, 3, 3, np.uint8),
        ("upscale", 2, {"strength": 0.4}, 3, 1, np.uint8),
        ("denoise", None, {"sigma": 20.0}, 3, 3, np.uint8),
        ("dejpeg", None, {"quality": 30.0, "strength": 0.5}, 1, 3, np.uint16),
    ],
)
def test_bands_give_the_picture_of_the_whole(
    task: str,
    factor: float | None,
    options: dict[str, Any],
    network: int,
    channels: int,
    dtype: type,
    tmp_path: Path,
) -> None:
    peak = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    pixels: Any = (smooth(300, 100, channels) * peak).astype(dtype)
    whole = restorer(tmp_path, task, factor, network)(Picture(pixels), **options)
    seen: list[tuple[int, int]] = []
    again = restorer(tmp_path, task, factor, network)
    bands = again.bands(
        picture_bands(pixels),
        dtype,
        RestoreOptions(**options),
        memory=30 * MIB,
        progress=lambda *now: seen.append(now),
    )
    found = collect(bands, dtype)
    assert found.dtype == dtype and found.shape == whole.pixels.shape
    error = (found.astype(float) - whole.pixels) / peak * 255
    assert np.abs(error).max() <= 1
    assert (error**2).mean() < 255**2 / 1e6  # PSNR above 60 dB
    shares = [done / total for done, total in seen]
    assert len({total for _, total in seen}) == 1 and seen[-1][0] == seen[-1][1]
    assert all(a <= b for a, b in pairwise(shares)) and seen[-1][1] > 1


def test_a_composed_factor_runs_network_behind_network(tmp_path: Path) -> None:
    pixels = (smooth(150, 60, 3) * 255).astype(np.uint8)
    whole = restorer(tmp_path, "upscale", 7)(Picture(pixels)).pixels
    again = restorer(tmp_path, "upscale", 7)
    bands = again.bands(picture_bands(pixels), np.uint8, RestoreOptions(), memory=70 * MIB)
    found = collect(bands, np.uint8)
    assert found.shape == (1050, 420, 3)
    assert np.abs(found.astype(int) - whole).max() <= 1


def test_pictures_that_are_large_in_float_go_in_bands_by_themselves(tmp_path: Path) -> None:
    pixels = (smooth(400, 120, 3) * 255).astype(np.uint8)
    alpha = np.full((400, 120), 200, np.uint8)
    tight, wide = restorer(tmp_path, "upscale", 2), restorer(tmp_path, "upscale", 2)
    tight._stages[0].runner.limits = Limits(max_memory=12 * MIB)
    assert tight.float_bytes(pixels.shape) > tight.memory and wide.float_bytes(pixels.shape) < wide.memory
    found, expected = tight(Picture(pixels, alpha)), wide(Picture(pixels, alpha))
    assert np.abs(found.pixels.astype(int) - expected.pixels).max() <= 1
    assert found.alpha is not None and (found.alpha == 200).all()


@pytest.mark.parametrize("size", [(10_000, 10_000), (30_000, 2000), (500, 20_000)])
@pytest.mark.parametrize("memory", [300 * MIB, 1024 * MIB])
def test_the_plan_stays_within_the_memory(size: tuple[int, int], memory: int) -> None:
    tile_plan = plan([runner()], Shape(*size, 3), memory, finished=1)[0]
    rows, cols = tile_plan.tile
    outer = min(rows + 2, tile_plan.grid.rows) * min(cols + 2, tile_plan.grid.cols)
    features = outer * tile_plan.runner.bytes_per_window
    stored = min(rows + 2, tile_plan.grid.rows) * 48 * size[1] * 3 * (4 + 1) + rows * 96 * size[1] * 2 * 3
    assert features + stored < memory
    own = rows * cols
    assert outer / own < 3 or memory < 400 * MIB  # little is computed twice


def test_the_plan_is_the_same_for_every_height() -> None:
    shapes = {
        plan([runner()], Shape(height, 3000, 3), 200 * MIB)[0].tile for height in (3000, 12_001, 900_000)
    }
    assert len(shapes) == 1


def test_too_little_memory_is_said_before_anything_is_computed() -> None:
    with pytest.raises(MemoryExhausted, match=r"MiB of memory are needed for 100000 pixels across"):
        plan([runner()], Shape(100, 100_000, 3), 50 * MIB)
    with pytest.raises(MemoryExhausted, match=r"pixels across, and 0\.1 MiB are allowed"):
        plan([runner()], Shape(100, 100, 3), MIB // 10)


@pytest.mark.parametrize("scales", [[2], [3, 2]])
def test_the_least_memory_is_where_a_plan_begins(scales: list[int]) -> None:
    runners, shape = [runner(scale) for scale in scales], Shape(5000, 1000, 3)
    least = least_memory([one.network.config for one in runners], 1000, 3, 1)
    assert plan(runners, shape, least, finished=1)[0].tile == (1, 1)
    with pytest.raises(MemoryExhausted):
        plan(runners, shape, int(0.99 * least), finished=1)


def test_no_window_is_computed_twice_where_everything_fits() -> None:
    grid = Grid(480, 960, 48)
    assert best_shape(grid, 1 << 20, 1 << 40, 1, 1, 1) == (10, 20)
    assert best_shape(grid, 1 << 20, 3, 1, 1, 1) is None
    rows = list(tile_rows(grid, 4, 7, 1))
    assert [len(row) for row in rows] == [3, 3, 3]
    assert {row[0].own[0].start for row in rows} == {0, 192, 384}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_gaps_in_the_heap_are_given_back() -> None:
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    prepare_cpu()  # from then on large arrays are in the heap
    pieces = [np.ones(MIB, np.uint8) for _ in range(200)]
    before = held()
    del pieces[::2]
    give_back()
    assert held() <= before - 80 * MIB, f"{before >> 20} MiB, then {held() >> 20}"
    assert all(piece.all() for piece in pieces)


def test_every_row_of_tiles_begins_without_the_gaps_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(stream, "give_back", lambda: calls.append(True))
    one, source = runner(), picture_bands(np.zeros((480, 60, 3), np.uint8))
    (tile_plan,) = plan([one], source.shape, 8 * MIB)
    made = network_bands(source, tile_plan, None, OverallProgress(None, 1))
    collect(made, np.float32)
    assert len(calls) == -(-tile_plan.grid.rows // tile_plan.tile[0]) > 2


@pytest.mark.parametrize(
    "limits, told",
    [({"max_memory": 1}, True), ({}, False), ({"max_memory": 1, "tile": 96}, False)],
)
def test_a_limit_that_makes_margins_the_larger_part_is_said_once(limits: dict[str, int], told: bool) -> None:
    """Only where the user set it, and may set another."""
    said: list[str] = []
    small = Runner(tiny_network(2), "cpu", "fp32", Limits(**limits), said.append)
    shape = Shape(960, 960, 3)
    least = least_memory([small.network.config], shape.width, 3, 1)
    for _ in range(2):
        plan([small], shape, least + MIB, 1)
    assert len(said) == told
    assert all("with a larger one it is faster" in line for line in said)


def test_a_limit_with_room_for_large_tiles_is_not_spoken_of() -> None:
    said: list[str] = []
    large = Runner(tiny_network(2), "cpu", "fp32", Limits(max_memory=1), said.append)
    for memory in (200 * MIB, 1 << 40):
        (cut,) = plan([large], Shape(960, 960, 3), memory, 1)
        once, all_of_it = cut.multiplications
        assert once <= all_of_it < 2 * once
    assert said == []
