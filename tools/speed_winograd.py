"""Where Winograd's convolution is faster than PyTorch's: the thresholds of `nsr_cli/engine/winograd.py`.

    python tools/speed_winograd.py [--seconds 0.5]

One window on one core, as in the engine: with its own kernel, which is transformed each time, against
`torch.nn.functional.conv2d`; both in turn, the fastest time of each. Above 1 Winograd's convolution is faster.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine import winograd
from nsr_cli.engine.device import one_core, prepare_cpu

CHANNELS = ((32, 32), (32, 64), (64, 48), (64, 64), (32, 128), (128, 32), (128, 128))
SIDES = (16, 24, 32, 34, 48, 64)


def times_faster(channels: int, out_channels: int, side: int, seconds: float) -> float:
    """Time of the direct convolution of a window over that of Winograd's."""
    features = torch.randn(1, side + 2, side + 2, channels).permute(0, 3, 1, 2)
    kernels, bias = torch.randn(out_channels, 9, channels), torch.randn(out_channels)
    direct = kernels.view(-1, 3, 3, channels).permute(0, 3, 1, 2)
    workspace = winograd.Workspace()
    ways: dict[str, Callable[[], Tensor]] = {
        "direct": lambda: F.conv2d(features, direct, bias),
        "winograd": lambda: winograd.convolve(features, winograd.transformed(kernels), bias, workspace),
    }
    fastest = dict.fromkeys(ways, float("inf"))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            fastest[name] = min(fastest[name], time.perf_counter() - start)
    return fastest["direct"] / fastest["winograd"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure (default: 0.5)")
    seconds = parser.parse_args().seconds
    prepare_cpu()
    print("| channels | " + " | ".join(f"{side}×{side}" for side in SIDES) + " |")
    print("|---|" + "---:|" * len(SIDES))
    with torch.inference_mode(), one_core():
        for inside, outside in CHANNELS:
            figures = (f"{times_faster(inside, outside, side, seconds):.2f}" for side in SIDES)
            print(f"| {inside} → {outside} | " + " | ".join(figures) + " |", flush=True)


if __name__ == "__main__":
    main()
