"""Fallbacks of the runner: memory, precision, devices."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nsr_cli.engine import runner as engine
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.errors import MemoryExhausted, PictureError
from nsr_cli.model.network import Network
from tests.edges import repeated_edges
from tests.promises import Reached
from tests.tiny import tiny_network

MEMORY_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


class Stingy(Executor):
    """An executor that runs out of memory above a number of windows, or of windows at once."""

    windows = 1 << 30
    batch = 1 << 30
    error: Exception = MEMORY_ERRORS[0]
    calls = 0

    def __call__(self, x: Tensor, level: Tensor | None, batch: int, *more: Any, **named: Any) -> Tensor:
        self.calls += 1
        windows = -(-x.shape[1] // 48) * -(-x.shape[2] // 48)
        if batch > self.batch or windows > self.windows:
            raise self.error
        return super().__call__(x, level, batch, *more, **named)


def make(
    said: list[str] | None = None, limits: Limits | None = None, **stingy: object
) -> tuple[Runner, Stingy]:
    runner = Runner(tiny_network(), "cpu", "fp32", limits, (said if said is not None else []).append)
    executor = Stingy(tiny_network(), runner.device, torch.float32, repeat=True)
    for name, value in stingy.items():
        setattr(executor, name, value)
    runner._executor = executor
    return runner, executor


def levels(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round()


@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_out_of_memory_halves_the_batch_first(error: Exception) -> None:
    said: list[str] = []
    runner, _ = make(said, batch=2, error=error)
    runner.batch = 16  # as on a GPU
    x = torch.rand(3, 100, 100)
    torch.testing.assert_close(
        runner.run(x), Runner(tiny_network(), "cpu", "fp32").run(x), atol=2e-6, rtol=1e-5
    )
    assert runner.batch == 2
    assert said == ["out of memory on cpu; going on with smaller batches of windows"]  # once, not three times


@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_then_it_makes_tiles_smaller_and_remembers(error: Exception) -> None:
    said: list[str] = []
    runner, executor = make(said, windows=12, error=error)
    x = torch.rand(3, 300, 300)
    out = runner.run(x)
    assert float((levels(out) - levels(Runner(tiny_network(), "cpu", "fp32").run(x))).abs().max()) <= 1
    assert said == ["out of memory on cpu; going on with smaller tiles"]
    executor.calls = 0
    executor.error = AssertionError("the second picture must not fail first")
    runner.run(x)


def test_out_of_memory_with_one_window_and_its_margin_is_a_clear_error() -> None:
    runner, _ = make(windows=8)
    with pytest.raises(MemoryExhausted, match="300×290") as caught:
        runner.run(torch.rand(3, 290, 300))
    assert caught.value.exit_code == 5


def test_other_errors_are_not_taken_for_memory() -> None:
    runner, _ = make(windows=0, error=RuntimeError("weights and input differ"))
    with pytest.raises(RuntimeError, match="differ"):
        runner.run(torch.rand(3, 40, 50))


@pytest.mark.parametrize("size", [(200, 310), (48, 500), (500, 30), (145, 145)])
@pytest.mark.parametrize("tile", [48, 160, 250])
def test_tiles_hardly_change_the_picture(size: tuple[int, int], tile: int) -> None:
    x = torch.rand(3, *size)
    whole = Runner(tiny_network(), "cpu", "fp32").run(x)
    seen: list[tuple[int, int]] = []
    parts = Runner(tiny_network(), "cpu", "fp32", Limits(tile=tile)).run(
        x, None, lambda *now: seen.append(now)
    )
    assert float((levels(parts) - levels(whole)).abs().max()) <= 1
    error = (parts.clamp(0, 1) - whole.clamp(0, 1)).square().mean()
    assert error < 1e-6  # PSNR above 60 dB
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_memory_in_bytes_decides_on_tiles_too() -> None:
    runner, executor = make(limits=Limits(max_memory=1 << 22))
    x = torch.rand(3, 400, 400)
    out = runner.run(x)
    assert executor.calls > 4
    assert float((levels(out) - levels(Runner(tiny_network(), "cpu", "fp32").run(x))).abs().max()) <= 1


def test_overflow_in_half_precision_is_computed_again_in_fp32() -> None:
    said: list[str] = []
    network = tiny_network()
    network.head.weight_v.mul_(3e5)  # beyond fp16's 65504, within fp32
    x = torch.rand(3, 50, 50)
    runner = Runner(network, "cpu", "fp16", notice=said.append)
    assert torch.equal(runner.run(x), Runner(network, "cpu", "fp32").run(x))
    assert (runner.precision, runner.used) == ("fp16", {"fp32"})
    assert said == ["fp16 overflowed; the picture is computed again in fp32"]


def test_a_result_that_is_never_finite_is_refused() -> None:
    network = tiny_network()
    network.tail.bias[0] = float("inf")
    with pytest.raises(PictureError, match="not finite"):
        Runner(network, "cpu", "fp32").run(torch.rand(3, 20, 20))


class Faulty:
    """Convolutions that run out of memory from the call number `first` on, `times` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: int, times: int) -> None:
        self.calls, self._first, self._times = 0, first, times
        self._true = torch.nn.functional.conv2d
        monkeypatch.setattr(torch.nn.functional, "conv2d", self)

    def __call__(self, *given: Any, **named: Any) -> Tensor:
        self.calls += 1
        if self._first < self.calls <= self._first + self._times:
            raise torch.OutOfMemoryError("out of memory")
        out: Tensor = self._true(*given, **named)
        return out


def small_windows() -> Network:
    """A network whose windows are so small that a picture of many is computed at once."""
    return tiny_network(window=12)


WINDOWS = 6 * 2  # of 60×22 pixels and what is invented around them
CALLS = WINDOWS * (1 + 2 * 2 + 2)  # head, two blocks of two, tail and skip


@pytest.mark.promise(
    "Numbers: memory runs out at any convolution of any window: the picture is computed in smaller parts to the same "
    "result within one level, which is said; where it never suffices, the picture fails",
    count=CALLS,
)
@pytest.mark.parametrize(("batched", "stacked"), [(False, 1), (False, 2), (True, 1)])
def test_memory_may_run_out_at_any_convolution(
    batched: bool, stacked: int, monkeypatch: pytest.MonkeyPatch, reached: Reached
) -> None:
    network, x = small_windows(), torch.rand(3, 60, 22)
    expected = levels(Runner(network, "cpu", "fp32").run(x))

    def run(first: int, times: int) -> tuple[Tensor, list[str], int]:
        said: list[str] = []
        runner = Runner(network, "cpu", "fp32", notice=said.append)
        runner._executor = Executor(
            network, runner.device, torch.float32, batched=batched, repeat=True, stacked=stacked
        ).on(1)
        runner.batch = 4 if batched else 1
        faulty = Faulty(monkeypatch, first, times)
        try:
            return levels(runner.run(x)), said, faulty.calls
        finally:
            monkeypatch.undo()

    calls = run(1 << 30, 1)[2]
    assert calls >= 7 and (batched or stacked > 1 or calls == CALLS)
    for first in range(calls):
        found, said, _ = run(first, 1)
        assert float((found - expected).abs().max()) <= 1, first
        assert len(said) == 1, first
        reached()
    for first in range(0, calls, 5):
        with pytest.raises(MemoryExhausted):
            run(first, 1 << 30)


@pytest.mark.parametrize(
    ("scale", "unshuffle", "pixels", "mode"),
    [(2, 1, 1, "replicate"), (1, 1, 3, "reflect"), (1, 2, 6, "reflect")],
)
def test_what_is_invented_around_a_picture_is_cut_off_again(
    scale: int, unshuffle: int, pixels: int, mode: str
) -> None:
    """As much of it as counts for the network."""
    network = tiny_network(scale, unshuffle=unshuffle)
    x, edge = torch.rand(3, 30, 41), scale * pixels
    with repeated_edges():
        wide = network(torch.nn.functional.pad(x[None], (pixels,) * 4, mode=mode))[0]
    out = Runner(network, "cpu", "fp32").run(x)
    torch.testing.assert_close(out, wide[:, edge:-edge, edge:-edge], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (6, 7), (7, 7), (50, 2)])
def test_pictures_too_small_to_be_mirrored_are_repeated(size: tuple[int, int]) -> None:
    network = tiny_network(scale=1, unshuffle=2)
    x = torch.rand(3, *size)
    wide = torch.nn.functional.pad(x[None], (6,) * 4, mode="reflect" if min(size) > 6 else "replicate")
    with repeated_edges():
        expected = network(wide)[0, :, 6:-6, 6:-6]
    out = Runner(network, "cpu", "fp32").run(x)
    assert out.shape == x.shape
    torch.testing.assert_close(out, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(("size", "calls"), [((144, 144), 1), ((100, 140), 1), ((144, 145), 4)])
def test_a_tile_that_fits_is_not_cut_again(size: tuple[int, int], calls: int) -> None:
    """What is invented around it must not make it too large: nine windows of it would be computed for each kept."""
    runner, executor = make(limits=Limits(tile=144))
    runner.run(torch.rand(3, *size))
    assert (executor.calls == 1) == (calls == 1)
    assert executor.calls >= calls


class Card:
    """A graphics card that the CPU plays: what it has no room for, and when its memory was tidied."""

    def __init__(self) -> None:
        self.lacks: set[torch.dtype] = set()
        self.free: Exception | int = 1 << 30
        self.tidied = 0

    def placed(self, network: Network, device: torch.device, dtype: torch.dtype, **more: Any) -> Executor:
        if device.type == "cuda" and dtype in self.lacks:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return Executor(network, torch.device("cpu"), dtype, **more)

    def free_memory(self, _: torch.device) -> int:
        if isinstance(self.free, Exception):
            raise self.free
        return self.free

    def empty_cache(self) -> None:
        self.tidied += 1


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    played = Card()
    monkeypatch.setattr(engine, "choose_device", torch.device)
    monkeypatch.setattr(engine, "Executor", played.placed)
    monkeypatch.setattr(engine, "free_memory", played.free_memory)
    monkeypatch.setattr(torch.cuda, "empty_cache", played.empty_cache)
    return played


CPU_INSTEAD = "out of memory on cuda; going on with the CPU"


def test_weights_that_a_card_has_no_room_for_go_to_the_cpu(card: Card) -> None:
    said: list[str] = []
    card.lacks, x = {torch.float32}, torch.rand(3, 60, 70)
    runner = Runner(tiny_network(), "cuda", "fp32", notice=said.append)
    assert torch.equal(runner.run(x), Runner(tiny_network(), "cpu", "fp32").run(x))
    assert (runner.device.type, said) == ("cpu", [CPU_INSTEAD])


def test_weights_that_no_memory_holds_are_a_clear_error(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Executor:
        raise MemoryError

    monkeypatch.setattr(card, "placed", refuse)
    monkeypatch.setattr(engine, "Executor", refuse)
    with pytest.raises(MemoryExhausted, match="for the weights"):
        Runner(tiny_network(), "cuda", "fp32")


def test_a_card_too_full_to_say_what_is_free_is_left_for_the_cpu(card: Card) -> None:
    said: list[str] = []
    card.free, x = RuntimeError("CUDA error: out of memory"), torch.rand(3, 60, 70)
    runner, threads = Runner(tiny_network(), "cuda", "fp32", notice=said.append), torch.get_num_threads()

    def free(device: torch.device) -> int:
        return 1 << 30 if device.type == "cpu" else card.free_memory(device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "free_memory", free)
        assert torch.equal(runner.run(x), Runner(tiny_network(), "cpu", "fp32").run(x))
        runner.run(x)
    assert (runner.device.type, said[-1]) == ("cpu", CPU_INSTEAD)
    assert card.tidied == len(bin(engine.BATCHES["cuda"])) - 2  # after each smaller batch, and after the card
    assert torch.get_num_threads() == threads


def test_wider_numbers_that_a_card_has_no_room_for_go_to_the_cpu_for_this_picture(card: Card) -> None:
    said: list[str] = []
    network, x = tiny_network(), torch.rand(3, 50, 50)
    network.head.weight_v.mul_(3e5)  # beyond fp16's 65504, within fp32
    card.lacks = {torch.float32}
    runner = Runner(network, "cuda", "fp16", notice=said.append)
    assert torch.equal(runner.run(x), Runner(network, "cpu", "fp32").run(x))
    assert (runner.device.type, runner.precision, runner.used) == ("cuda", "fp16", {"fp32"})
    assert said == ["fp16 overflowed; the picture is computed again in fp32", CPU_INSTEAD]
