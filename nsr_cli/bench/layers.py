"""A single layer against the machine and against its plain counterpart."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.bench.figures import Figure, Place, channels_last
from nsr_cli.engine.crew import Crew
from nsr_cli.engine.executor import most_stacked
from nsr_cli.engine.forward_pass import window_sums
from nsr_cli.engine.layers import SparseLayer
from nsr_cli.engine.winograd import Workspace
from nsr_cli.model.sparse_conv import Selector, SparseConvolution

_PEAK_SIDES = (48, 64, 96)  # features of 64 channels that stay in a core's cache
Select = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Makes gamma and biases of windows from their means (B, C)."""

_CALLS = 20  # convolutions in one measurement of the peak


def convolution_peak(place: Place) -> list[Figure]:
    """The most that a 64-channel 3×3 convolution reaches here: one split between cores, or one on each core."""
    weight = channels_last(torch.randn(64, 64, 3, 3).to(place.device, place.dtype))
    works, counts = {}, {}
    for side in _PEAK_SIDES:
        x = channels_last(torch.randn(1, 64, side, side).to(weight))
        for cores in {1, place.cores}:
            name = f"{side}, {cores} at once"
            works[name] = partial(_repeat_convolution, x, weight, cores)
            counts[name] = cores * _CALLS * 2 * 9 * 64 * 64 * side**2
    medians = place.time_in_turn(works)
    best = max(counts[name] / seconds for name, seconds in medians.items())
    return [Figure("convolution peak, 64 channels", best / 1e9, "GFLOP/s")]


def _repeat_convolution(x: Tensor, weight: Tensor, cores: int) -> None:
    def work(_: int) -> None:
        for _ in range(_CALLS):
            F.conv2d(x, weight, padding=1)

    if cores == 1:
        work(0)
        return
    with Crew(cores) as crew:
        crew.share(work, cores)


def sparse_layer(place: Place, batch: int = 100, side: int = 64) -> list[Figure]:
    """The paper's protocol: one layer 64 → 64 on a batch of 64×64 features, sparse over plain (Sec. 3.4).

    Both compute all new features. On a GPU the batch is laid out as one mosaic, 10 by 10, as in the engine.
    """
    torch.manual_seed(0)
    selector = Selector(64, 4, 16, "softmax", 1.0)
    layer = SparseConvolution(64, 64, 4, 16, 2.0, selector).eval()
    folded = SparseLayer.of(layer, place.device, place.dtype)
    selector = selector.to(place.device)
    x = channels_last(torch.randn(batch, 64, side, side).to(place.device, place.dtype))
    weight = channels_last(torch.randn(64, 64, 3, 3).to(x))
    halo = channels_last(F.pad(x, (1, 1, 1, 1)))

    def select(pooled: Tensor) -> tuple[Tensor, Tensor]:
        return folded.select(selector(pooled).transpose(1, 2))

    if place.device.type == "cpu":
        stacked = 1 if folded.by_winograd else most_stacked(batch, 64, place.dtype)
        sparse = partial(
            _by_piece, folded, _stacked(x, stacked), _stacked(halo, stacked), select, place.cores
        )
    else:
        rows = math.isqrt(batch)
        sparse = partial(_together, folded, x, _mosaic(halo, rows, batch // rows), select, rows)
    medians = place.time_in_turn({"sparse": sparse, "plain": lambda: F.conv2d(x, weight, padding=1)})
    ratio = medians["sparse"] / medians["plain"]
    return [Figure.at_most(1.05, f"sparse over plain layer, batch {batch} of {side}×{side}", ratio, "×")]


def _together(layer: SparseLayer, x: Tensor, mosaic: Tensor, select: Select, rows: int) -> None:
    """The layer on a whole batch (B, C, P, P) at once, laid out as a mosaic with `rows` rows."""
    layer.apply_many(mosaic, *select(_means(x)), rows, len(x) // rows)


def _stacked(x: Tensor, count: int) -> list[Tensor]:
    """(B, C, H, W) -> pieces (1, ≤ count · C, H, W), the engine's layout of windows on a CPU."""
    return [
        part.permute(2, 3, 0, 1).flatten(2)[None].contiguous().permute(0, 3, 1, 2)
        for part in torch.split(x, count)
    ]


def _by_piece(
    layer: SparseLayer,
    inside: Sequence[Tensor],
    around: Sequence[Tensor],
    select: Select,
    cores: int,
) -> None:
    """The layer on a batch, one piece of it at a time on each core, as the engine does on a CPU.

    Args:
        layer: folded.
        inside: features (1, J · C, H, W) of each piece.
        around: the same features with a rim of one pixel.
        select: chooses the kernels.
        cores: how many are convolved at once.
    """
    channels = layer.shape[1]
    counts = [piece.shape[1] // channels for piece in inside]
    pooled = torch.empty(sum(counts), channels)
    means = torch.split(pooled, counts)
    outs: list[Tensor | None] = [None] * len(inside)
    workspace = Workspace()

    def pool(index: int) -> None:
        means[index].copy_(_means(inside[index]).view(-1, channels))

    def convolve(index: int) -> None:
        gamma, bias = gammas[index].transpose(0, 1), biases[index].flatten()
        outs[index] = layer.apply(around[index], gamma, bias, workspace)

    with Crew(cores) as crew:
        crew.share(pool, len(inside))
        gammas, biases = (torch.split(chosen, counts) for chosen in select(pooled))
        crew.share(convolve, len(inside))


def _means(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C) float32, computed as in the engine."""
    return window_sums(features) / features.shape[2:].numel()


def _mosaic(halo: Tensor, rows: int, cols: int) -> Tensor:
    """(rows · cols, C, P + 2, P + 2) -> (1, C, rows · P + 2, cols · P + 2), with a halo of zeros."""
    inner = halo[:, :, 1:-1, 1:-1].unflatten(0, (rows, cols))  # type: ignore[no-untyped-call]
    return F.pad(inner.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)[None], (1, 1, 1, 1))
