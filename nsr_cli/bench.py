"""How fast this machine runs the networks: ratios of things timed in turn, in one run.

Absolute times of a shared machine drift; of two things timed A B A B … the ratio holds. Every figure is a median.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine.device import choose_device, choose_precision, prepare_cpu
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.layers import SparseLayer
from nsr_cli.engine.patches import overlapping_patches
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector, SparseConvolution

Notify = Callable[[str], None]

SIZES = ((339, 510), (1080, 1920))  # height and width of inputs: a 2K picture at ×4, and full HD
SCALE = 4
_PEAK_SIDES = (48, 64, 96)  # features of 64 channels that stay in a core's cache
_CALLS = 20  # convolutions behind one measurement of the peak


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `target` is what the project aims at, in words."""

    name: str
    value: float
    unit: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to measure."""

    device: torch.device
    dtype: torch.dtype
    repeats: int

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto", repeats: int = 5) -> "Place":
        """The place of that name. Raises `UsageError` where this machine does not have it."""
        chosen = choose_device(device)
        if chosen.type == "cpu":
            prepare_cpu()
        return cls(chosen, choose_precision(precision, chosen), repeats)

    def time_in_turn(self, works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Median seconds of each, run one after the other `repeats` times after a warm-up."""
        seconds: dict[str, list[float]] = {name: [] for name in works}
        with torch.inference_mode():
            for work in works.values():
                work()
            for _ in range(self.repeats):
                for name, work in works.items():
                    start = time.perf_counter()
                    work()
                    if self.device.type == "cuda":
                        torch.cuda.synchronize(self.device)
                    seconds[name].append(time.perf_counter() - start)
        return {name: statistics.median(each) for name, each in seconds.items()}


def run_all(place: Place, *, quick: bool, notify: Notify) -> list[Figure]:
    """Every figure, in the order of the table; `quick` leaves out full HD."""
    figures = convolution_peak(place)
    notify("convolution peak measured")
    figures += sparse_layer(place)
    notify("sparse layer measured")
    for height, width in SIZES[:1] if quick else SIZES:
        figures += whole_network(place, height, width, peak=figures[0].value)
        notify(f"network on {width}×{height} measured")
    return [*figures, *authors_scheme(place)]


def convolution_peak(place: Place) -> list[Figure]:
    """The most that a 64-channel 3×3 convolution reaches here."""
    weight = _channels_last(torch.randn(64, 64, 3, 3).to(place.device, place.dtype))
    inputs = {side: _channels_last(torch.randn(1, 64, side, side).to(weight)) for side in _PEAK_SIDES}
    works = {str(side): partial(_repeat_convolution, x, weight) for side, x in inputs.items()}
    medians = place.time_in_turn(works)
    best = max(_CALLS * 2 * 9 * 64 * 64 * side**2 / medians[str(side)] for side in _PEAK_SIDES)
    return [Figure("convolution peak, 64 channels", best / 1e9, "GFLOP/s")]


def _repeat_convolution(x: Tensor, weight: Tensor) -> None:
    for _ in range(_CALLS):
        F.conv2d(x, weight, padding=1)


def sparse_layer(place: Place, batch: int = 100, side: int = 64) -> list[Figure]:
    """The paper's protocol: one layer 64 → 64 on a batch of 64×64 features, sparse over plain (Sec. 3.4)."""
    torch.manual_seed(0)
    layer = SparseConvolution(64, 64, 4, 16, 2.0, Selector(64, 4, 16, "softmax", 1.0)).eval()
    selector, folded = layer.selector, SparseLayer.of(layer, place.device, place.dtype)
    if selector is None:
        raise AssertionError
    selector = selector.to(place.device)
    x = _channels_last(torch.randn(batch, 64, side, side).to(place.device, place.dtype))
    plain = _channels_last(torch.randn(64, 64, 3, 3).to(x))
    halo = _channels_last(F.pad(x, (1, 1, 1, 1)))
    at_once = batch if place.device.type == "cuda" else 1

    def sparse() -> None:
        means = x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1, dtype=torch.float32)
        gamma = selector(means).transpose(1, 2).to(place.dtype).contiguous()
        for first in range(0, batch, at_once):
            part = slice(first, first + at_once)
            folded.apply(halo[part], gamma[part])

    medians = place.time_in_turn({"sparse": sparse, "plain": lambda: F.conv2d(x, plain, padding=1)})
    ratio = medians["sparse"] / medians["plain"]
    return [Figure(f"sparse over plain layer, batch {batch} of {side}×{side}", ratio, "×", "≤ 1.05")]


def whole_network(place: Place, height: int, width: int, peak: float) -> list[Figure]:
    """`sparse-plus` through the engine over `edsr-s` of the same shape, channels last and in place."""
    sparse, plain = _network("sparse-plus"), _network("edsr-s").to(place.device, place.dtype)
    plain = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    executor = Executor(sparse, place.device, place.dtype)
    x = torch.rand(3, height, width)
    whole = _channels_last(x[None].to(place.device, place.dtype))
    batch = 64 if place.device.type == "cuda" else 1
    works = {"sparse": lambda: executor(x, None, batch), "plain": lambda: plain(whole)}
    medians = place.time_in_turn(works)
    flops = 2 * sparse.config.macs_per_pixel * height * width
    size = f"{width}×{height} ×{SCALE}"
    reached = flops / medians["sparse"] / 1e9
    return [
        Figure(f"sparse-plus, {size}", medians["sparse"], "s"),
        Figure(f"plain edsr-s, {size}", medians["plain"], "s"),
        Figure(f"sparse over plain network, {size}", medians["sparse"] / medians["plain"], "×", "≤ 1.10"),
        Figure(f"share of the convolution peak, {size}", reached / peak, "", "≥ 0.80"),
    ]


def authors_scheme(place: Place) -> list[Figure]:
    """Overlapping patches as the authors run them, over the selection grid; same weights and picture."""
    height, width = SIZES[0]
    network = _network("sparse-plus").to(place.device, place.dtype)
    executor = Executor(network, place.device, place.dtype)
    x = torch.rand(3, height, width)
    patches = x.to(place.device, place.dtype)
    batch = 64 if place.device.type == "cuda" else 1
    once = dataclasses.replace(place, repeats=max(1, place.repeats // 2))
    medians = once.time_in_turn(
        {"authors": lambda: overlapping_patches(network, patches), "ours": lambda: executor(x, None, batch)}
    )
    windows = len(Grid(height, width, network.config.window))
    return [
        Figure("authors' overlapping patches", medians["authors"], "s"),
        Figure(
            f"times faster on the grid of {windows} windows", medians["authors"] / medians["ours"], "×", "≥ 7"
        ),
    ]


def _network(preset: str) -> Network:
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS[preset], scale=SCALE)
    return Network(config).fold().eval().requires_grad_(False)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
