"""The engine against the network itself and against the authors' way of running it."""

import threading
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine import executor as executor_module
from nsr_cli.engine.executor import Executor, most_stacked
from nsr_cli.engine.grid import Area, Grid, Layout
from nsr_cli.engine.layers import SparseLayer
from nsr_cli.engine.patches import overlapping_patches
from nsr_cli.machine import usable_threads, window_threads
from nsr_cli.model.network import Network
from tests.edges import repeated_edges
from tests.tiny import PLAIN, tiny_network

CPU = torch.device("cpu")
SIZES = [(1, 1), (1, 60), (60, 1), (48, 48), (47, 97), (49, 97), (96, 49), (96, 144), (100, 150)]


def by_the_network(network: Network, x: Tensor, level: Tensor | None = None) -> Tensor:
    """The module itself, which the engine has to reproduce."""
    restored: Tensor = network(x[None], None if level is None else level[None])
    return restored[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_equals_the_network_at_any_size(size: tuple[int, int], scale: int) -> None:
    network = tiny_network(scale=scale)
    x = torch.rand(3, *size)
    out = Executor(network, CPU, torch.float32)(x, None, 1)
    assert out.shape == (3, scale * size[0], scale * size[1])
    torch.testing.assert_close(out, by_the_network(network, x), atol=2e-6, rtol=1e-5)


def test_the_caller_s_default_type_does_not_matter() -> None:
    network, x, before = tiny_network(levels=1), torch.rand(3, 60, 110), torch.get_default_dtype()
    level = torch.tensor([0.3])
    expected = Executor(network, CPU, torch.float32)(x, level, 1)
    torch.set_default_dtype(torch.float64)
    try:
        out = Executor(network, CPU, torch.float32)(x, level, 1)
    finally:
        torch.set_default_dtype(before)
    assert out.dtype == torch.float32 and torch.equal(out, expected)


@pytest.mark.parametrize("size", [*SIZES, (50, 250), (1, 300)])
@pytest.mark.parametrize("stacked", [2, 3, 8])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_windows_side_by_side_equal_the_network_too(
    size: tuple[int, int], stacked: int, unshuffle: int
) -> None:
    network = tiny_network(scale=1, levels=1, unshuffle=unshuffle)
    x, level = torch.rand(3, *size), torch.tensor([0.3])
    for repeat in (False, True):
        executor = Executor(network, CPU, torch.float32, stacked=stacked, repeat=repeat)
        with repeated_edges() if repeat else nullcontext():
            expected = by_the_network(network, x, level)
        torch.testing.assert_close(executor(x, level, 1), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_side_by_side_in_bfloat16_only_rounding_differs(scale: int) -> None:
    network, x = tiny_network(scale=scale), torch.rand(3, 60, 250)
    stacked, single, exact = (
        Executor(network, CPU, dtype, stacked=count, repeat=True)(x, None, 1)
        for count, dtype in ((4, torch.bfloat16), (1, torch.bfloat16), (1, torch.float32))
    )
    error = (single - exact).abs()
    assert 0 < float(error.max()) < 0.1
    assert float((stacked - exact).square().mean()) < 1.1 * float(error.square().mean())


def test_so_many_windows_are_stacked_that_every_core_has_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "usable_threads", lambda: 4)
    few = [most_stacked(windows, 16, torch.bfloat16) for windows in (1, 8, 15, 16, 24, 63, 64, 5000)]
    assert few == [1, 1, 1, 2, 3, 7, 8, 16]
    wide = [
        most_stacked(5000, width, dtype) for width in (64, 1000) for dtype in (torch.bfloat16, torch.float32)
    ]
    assert wide == [8, 4, 1, 1]


def test_convolutions_of_many_windows_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole ones of a row: 8 columns and a partial one, 2 rows."""
    network, x = tiny_network(scale=1, window=6), torch.rand(3, 12, 51)
    groups: list[int] = []
    true = F.conv2d

    def conv2d(*given: Any, **named: Any) -> Tensor:
        groups.append(named.get("groups", 1))
        out: Tensor = true(*given, **named)
        return out

    monkeypatch.setattr(F, "conv2d", conv2d)
    Executor(network, CPU, torch.bfloat16, stacked=3).on(1)(x, None, 1)
    layers = 1 + 2 * len(network.blocks)  # with groups for each window: blocks and tail
    assert sorted(groups) == sorted(2 * (layers * [2, 3, 3, 1] + [1, 1, 1, 1]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batched", [False, True])
def test_equals_an_unshuffled_network_at_any_size(size: tuple[int, int], batched: bool) -> None:
    network = tiny_network(scale=1, levels=1, unshuffle=2)
    x, level = torch.rand(3, *size), torch.tensor([0.3])
    out = Executor(network, CPU, torch.float32, batched=batched)(x, level, 3)
    assert out.shape == x.shape
    torch.testing.assert_close(out, by_the_network(network, x, level), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100])
def test_whole_windows_together_equal_the_network_too(size: tuple[int, int], batch: int) -> None:
    """The form for GPUs: what whole windows reach beyond the picture must not be seen by any layer."""
    network = tiny_network()
    x = torch.rand(3, *size)
    out = Executor(network, CPU, torch.float32, batched=True)(x, None, batch)
    torch.testing.assert_close(out, by_the_network(network, x), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [None, 1, 3, 100])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_edges_are_repeated_for_every_layer(size: tuple[int, int], batch: int | None, unshuffle: int) -> None:
    network = tiny_network(scale=1, levels=1, unshuffle=unshuffle)
    x, level = torch.rand(3, *size), torch.tensor([0.3])
    executor = Executor(network, CPU, torch.float32, batched=batch is not None, repeat=True)
    with repeated_edges():
        expected = by_the_network(network, x, level)
    torch.testing.assert_close(executor(x, level, batch or 1), expected, atol=2e-6, rtol=1e-5)
    if min(size) > 1:  # otherwise a test of nothing
        assert float((by_the_network(network, x, level) - expected).abs().max()) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batched", [False, True])
def test_one_color_stays_one_color_where_edges_are_repeated(dtype: torch.dtype, batched: bool) -> None:
    """Without it, a network's answer to a flat picture is another one at the picture's edges."""
    network = tiny_network()
    executor = Executor(network, CPU, dtype, batched=batched, repeat=True)
    out = executor(torch.tensor([0.2, 0.9, 0.4]).view(3, 1, 1).expand(3, 50, 101), None, 2)
    means = out.view(3, 50, network.config.scale, 101, -1).mean(dim=(1, 3), keepdim=True)
    spread = (out.view(3, 50, network.config.scale, 101, -1) - means).abs().max()
    assert float(spread) < (1e-5 if dtype == torch.float32 else 0.01)


@pytest.mark.parametrize(
    "changes",
    [
        {"shared": True},
        {"selection": "sigmoid"},
        {"selection": "gumbel"},
        PLAIN,
        {"temperature": 0.1},
        {"groups": 1, "cardinality": 16, "selection": "sigmoid", "expansion": 1},
    ],
)
def test_equals_the_network_for_every_selection(changes: dict[str, Any]) -> None:
    network = tiny_network(seed=3, **changes)
    x = torch.rand(3, 70, 110)
    out = Executor(network, CPU, torch.float32)(x, None, 4)
    torch.testing.assert_close(out, by_the_network(network, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    x = torch.rand(3, 130, 250)
    network = tiny_network()
    reference = Executor(network, CPU, torch.float32).on(3)(x, None, 1)
    assert torch.equal(Executor(network, CPU, torch.float32).on(threads)(x, None, 1), reference)


@pytest.mark.parametrize(("wish", "threads"), [("1", 1), ("900", None), ("0", 1), ("", None), ("2,1", None)])
def test_as_many_threads_as_cores_unless_the_user_wants_fewer(
    wish: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert window_threads() == (threads or usable_threads())


class Stop(BaseException):
    """What a user's interrupt becomes."""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("caller", ["progress", "hook"])
def test_what_a_callback_raises_comes_out_and_no_thread_stays(threads: int, caller: str) -> None:
    def stop(*_: object) -> None:
        raise Stop

    executor = Executor(tiny_network(), CPU, torch.float32).on(threads)
    before, cores = threading.active_count(), torch.get_num_threads()
    with pytest.raises(Stop):
        executor(torch.rand(3, 60, 100), None, 1, **{caller: stop})
    assert threading.active_count() == before
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no"), RuntimeError("can't allocate memory"), Stop()]
)
def test_an_error_in_any_thread_comes_out_as_itself(
    threads: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = SparseLayer.apply
    calls: list[int] = []

    def fail(layer: SparseLayer, *args: Any) -> Tensor:
        calls.append(1)
        if len(calls) > 7:
            raise error
        return healthy(layer, *args)

    executor = Executor(tiny_network(), CPU, torch.float32).on(threads)
    x, before = torch.rand(3, 60, 200), threading.active_count()
    expected = executor(x, None, 1)
    monkeypatch.setattr(SparseLayer, "apply", fail)
    with pytest.raises(type(error)) as caught:
        executor(x, None, 1)
    assert caught.value is error
    assert threading.active_count() == before
    monkeypatch.undo()
    assert torch.equal(executor(x, None, 1), expected)


def test_calls_are_independent() -> None:
    executor = Executor(tiny_network(), CPU, torch.float32)
    x = torch.rand(3, 60, 60)
    first = executor(x, None, 1)
    executor(torch.rand(3, 90, 130), None, 1)
    assert torch.equal(executor(x, None, 1), first)


def test_bfloat16_stays_close() -> None:
    network = tiny_network()
    x = torch.rand(3, 60, 100)
    exact = Executor(network, CPU, torch.float32)(x, None, 1)
    coarse = Executor(network, CPU, torch.bfloat16)(x, None, 1)
    assert coarse.dtype == torch.float32
    assert float((coarse - exact).abs().max()) < 0.03


def test_progress_counts_blocks() -> None:
    seen: list[tuple[int, int]] = []
    Executor(tiny_network(), CPU, torch.float32)(
        torch.rand(3, 10, 10), None, 1, lambda *now: seen.append(now)
    )
    assert seen == [(1, 2), (2, 2)]


def test_a_long_layer_reports_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is stopped from its progress, so that must not wait for the end of a block."""
    monkeypatch.setattr("nsr_cli.engine.crew._BEAT", 0.0)
    seen: list[tuple[int, int]] = []
    executor = Executor(tiny_network(), CPU, torch.float32).on(1)
    executor(torch.rand(3, 100, 100), None, 1, lambda *now: seen.append(now))
    assert seen.count((0, 2)) > 9 and seen.count((2, 2)) == 1
    assert seen == sorted(seen)


def test_means_are_those_of_the_pixels_in_the_picture() -> None:
    """Every window of a constant picture far from its border chooses alike, however small."""
    gammas: list[Tensor] = []
    network = tiny_network()
    network.head.weight_v.zero_()
    network.head.bias.fill_(0.7)
    Executor(network, CPU, torch.float32)(torch.rand(3, 50, 100), None, 1, None, gammas.append)
    torch.testing.assert_close(gammas[0], gammas[0][:1].expand(6, -1, -1))


def test_one_picture_of_one_window_equals_the_authors_patch() -> None:
    """Where a single 48×48 patch covers the picture both schemes are the same computation."""
    network = tiny_network()
    x = torch.rand(3, 48, 48)
    ours = Executor(network, CPU, torch.float32)(x, None, 1)
    torch.testing.assert_close(overlapping_patches(network, x), ours, atol=2e-6, rtol=1e-5)


def test_the_authors_scheme_averages_what_overlaps() -> None:
    """A constant kernel choice (one group) makes patches differ from the whole only near patch borders."""
    network = tiny_network(**PLAIN)
    x = torch.rand(3, 80, 80)
    patches, whole = overlapping_patches(network, x), network(x[None])[0]
    assert patches.shape == whole.shape == (3, 160, 160)
    difference = (patches - whole).abs().amax(dim=0)
    # 5 convolutions and a 5×5 skip see at most 7 pixels: rows 39…40 are that far from every patch's border.
    assert float(difference[20:44, 20:44].max()) < 1e-5
    assert float(difference[64:96, 64:96].max()) > 1e-4


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (5, 1), (2, 3)])
def test_the_authors_scheme_takes_pictures_smaller_than_a_patch(size: tuple[int, int]) -> None:
    network, x = tiny_network(), torch.rand(3, *size)
    torch.testing.assert_close(
        overlapping_patches(network, x), by_the_network(network, x), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("scale", [1, 2])
def test_in_narrow_numbers_the_picture_itself_stays_exact(scale: int) -> None:
    network = tiny_network(scale=scale).fold()
    network.tail.weight_v.zero_()
    network.tail.bias.zero_()
    x = torch.rand(3, 50, 60)
    narrow, wide = (Executor(network, CPU, dtype)(x, None, 1) for dtype in (torch.bfloat16, torch.float32))
    torch.testing.assert_close(narrow, wide, atol=1e-7, rtol=0)
    if scale == 1:
        torch.testing.assert_close(narrow, x, atol=1e-7, rtol=0)


@pytest.mark.parametrize("size", [(6, 9), (7, 11), (2, 2), (1, 7), (4, 3), (5, 15)])
@pytest.mark.parametrize("mode", ["constant", "replicate"])
@pytest.mark.parametrize(("batch", "stacked"), [(None, 1), (None, 2), (None, 3), (1, 1), (2, 1), (100, 1)])
def test_strips_show_every_area_what_is_around_it(
    size: tuple[int, int], mode: str, batch: int | None, stacked: int
) -> None:
    grid, repeat = Grid(*size, 3), mode == "replicate"
    layout = Layout(CPU, torch.float32, batch, stacked, repeat)
    areas = grid.areas(layout)
    picture, level = torch.rand(2, *size), torch.tensor([0.25])
    x = torch.cat((picture - 0.5, level[:, None, None].expand(1, *size)))
    strips, filled = (grid.strips(3, 1, layout, torch.float32, wide=wide) for wide in (False, True))
    beyond = F.pad(x, (0, 3, 0, 3))
    for area in areas:
        views = grid.views(area, strips, repeat=repeat)
        for window, left in windows_of(area):
            views.inside[0, window] = beyond[:, area.top : area.top + area.height, left : left + area.width]
        views.copy_halos()
    grid.fill(filled, 1, picture, level, repeat=repeat)
    padded = F.pad(x[None], (1, 1, 1, 1), mode=mode)[0]
    for area in areas:
        rows = padded[:, area.top : area.top + area.height + 2]
        for window, left in windows_of(area):
            around = rows[:, :, left : left + area.width + 2]
            seen = grid.views(area, strips).around[0, window]
            assert torch.equal(seen[:, : around.shape[1], : around.shape[2]], around)
        wide = rows[:, :, area.left : area.left + area.stacked * area.width + 2]
        seen = area.of(filled, 1, halo=1, wide=True)[0]
        assert torch.equal(seen[:, : wide.shape[1], : wide.shape[2]], wide)


def windows_of(area: Area) -> list[tuple[slice, int]]:
    """The channels (of three each) and the left border of each window of an area."""
    return [
        (slice(3 * index, 3 * index + 3), area.left + index * area.width) for index in range(area.stacked)
    ]


@pytest.mark.parametrize("size", [(6, 9), (7, 11), (2, 2), (1, 12)])
def test_areas_cover_the_picture_once(size: tuple[int, int]) -> None:
    grid = Grid(*size, 3)
    seen = torch.zeros(size)
    for stacked in (1, 2, 3):
        seen.zero_()
        for area in grid.single(stacked):
            assert area.stacked <= stacked
            right = area.left + area.stacked * area.width
            seen[area.top : area.top + area.height, area.left : right] += 1
        assert torch.equal(seen, torch.ones(size))
        assert in_order(grid, grid.single(stacked)) == list(range(len(grid)))
    assert [float(area.height * area.width) for area in grid.single()] == grid.pixels(CPU).flatten().tolist()
    for limit in (1, 2, 3, 5, 50):
        areas = grid.batches(limit)
        assert all(area.rows * area.cols <= limit for area in areas)
        assert in_order(grid, areas) == list(range(len(grid)))


def in_order(grid: Grid, areas: list[Area]) -> list[int]:
    """The windows of all areas, row by row, numbered as in the whole grid."""
    places = [
        (area.top // grid.window + row, area.left // grid.window + col)
        for area in areas
        for row in range(area.rows)
        for col in range(area.cols * area.stacked)
    ]
    return [row * grid.cols + col for row, col in places]
