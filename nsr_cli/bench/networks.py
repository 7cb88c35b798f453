"""Whole networks in the engine: against a plain one, in a narrower number type, and at growing sizes."""

import dataclasses
import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.bench.figures import Figure, Growth, Place, channels_last
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.runner import Runner
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Convolution, SparseConvolution

SCALE = 4
SIZE = (339, 510)  # height and width of an input that becomes a 2K picture at ×4
MEGAPIXELS = (0.25, 1.0, 4.0, 16.0)  # of square inputs that show how time grows


def whole_network(place: Place, height: int, width: int, peak: float) -> list[Figure]:
    """`sparse-plus` in the engine against `edsr-s` of the same shape, run as fast as PyTorch alone can."""
    sparse, plain = folded("sparse-plus"), folded("edsr-s").to(place.device, place.dtype)
    plain = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    executor = Executor(sparse, place.device, place.dtype, repeat=True)
    x = torch.rand(3, height, width)
    whole = channels_last(x[None].to(place.device, place.dtype))
    works = {"sparse": lambda: executor(x, None, place.batch), "plain": lambda: run_plain(plain, whole)}
    medians = place.time_in_turn(works)
    flops = 2 * sparse.config.macs_per_pixel * height * width
    size = f"{width}×{height} ×{SCALE}"
    ratio, reached = medians["sparse"] / medians["plain"], flops / medians["sparse"] / 1e9
    return [
        Figure(f"sparse-plus, {size}", medians["sparse"], "s"),
        Figure(f"plain edsr-s, {size}", medians["plain"], "s"),
        Figure.at_most(1.1, f"sparse over plain network, {size}", ratio, "×"),
        Figure.at_least(
            0.8 if in_float32(place) else 0.75, f"share of the convolution peak, {size}", reached / peak, ""
        ),
    ]


def run_plain(network: Network, x: Tensor) -> Tensor:
    """A network of plain convolutions, with every operation in place that can be; `x` is channels-last."""
    centered = x - 0.5
    features = _convolve(network.head, centered)
    for block in network.blocks:
        features += _convolve(block.second, _convolve(block.first, features).relu_())
    out = _convolve(network.tail, features)
    if network.skip is not None:
        out += _convolve(network.skip, centered)
    return F.pixel_shuffle(out, network.config.scale).add_(0.5)


def _convolve(layer: Convolution | SparseConvolution, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.size // 2)


def narrow_numbers(place: Place) -> list[Figure]:
    """What bfloat16 saves where the device multiplies it natively."""
    height, width = SIZE
    network, x = folded("sparse-plus"), torch.rand(3, height, width)
    works = {
        name: partial(Executor(network, place.device, dtype, repeat=True), x, None, place.batch)
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    medians = place.time_in_turn(works)
    return [
        Figure("sparse-plus in bf16", medians["bf16"], "s"),
        Figure("times faster in bf16 than in fp32", medians["fp32"] / medians["bf16"], "×"),
    ]


def growth(place: Place, megapixels: tuple[float, ...] = MEGAPIXELS) -> Growth:
    """Time of a small sparse network at ×2 with everything that a real run does for large pictures, such as tiles."""
    precision = {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(place.dtype, "fp32")
    runner = Runner(folded("tiny", scale=2), str(place.device), precision)
    seconds = []
    for size in megapixels:
        side = round(math.sqrt(size * 1e6))
        x = torch.rand(3, side, side)
        seconds.append(place.time_in_turn({"run": partial(runner.run, x)})["run"])
    return Growth(megapixels, tuple(seconds))


def in_float32(place: Place) -> bool:
    """Whether numbers have 32 bits, for which targets differ."""
    return place.dtype == torch.float32


def folded(preset: str, **changes: Any) -> Network:
    """A network ×4 with random weights, folded as in a published file; `changes` of its preset's fields."""
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS[preset], **({"scale": SCALE} | changes))
    return Network(config).fold().eval().requires_grad_(False)
