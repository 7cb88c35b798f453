"""Time networks on this machine: `python tools/bench.py [PRESET[xSCALE]]...`, by default those that nsr runs.

Each restores a picture of 510×339 pixels (the low-resolution side of a 2K picture at ×4) with random weights: the
time depends on the network's shape alone. The best of three runs after one to warm up.
"""

import dataclasses
import sys
import time

import torch

from nsr_cli.engine.runner import Runner
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network

WIDTH, HEIGHT = 510, 339  # pixels of the input
REPEATS = 3
DEFAULT = ("sparse-plusx2", "sparse-plusx4", "edsr-sx4", "litex2", "restore-plus")


def measure(preset: str, scale: int) -> str:
    """Return the line of one network."""
    config = dataclasses.replace(PRESETS[preset], scale=scale)
    runner = Runner(Network(config).fold().eval().requires_grad_(False))
    picture = torch.rand((config.channels, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        runner.run(picture)
        seconds.append(time.perf_counter() - start)
    best = min(seconds[1:])
    gflops = 2e-9 * config.macs_per_pixel * WIDTH * HEIGHT / best
    return f"{preset:14} x{scale}  {best:7.3f} s  {gflops:7.0f} GFLOP/s  {runner.device}, {runner.precision}"


def main(names: list[str]) -> None:
    """Measure each PRESET or PRESETxSCALE."""
    print(f"{WIDTH}x{HEIGHT} pixels, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in names:
        preset, _, scale = name.rpartition("x") if name not in PRESETS else (name, "", "1")
        if preset not in PRESETS or not scale.isdigit():
            sys.exit(
                f"no such network: {name}; give PRESET or PRESETxSCALE, with one of {', '.join(PRESETS)}"
            )
        print(measure(preset, int(scale)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(DEFAULT))
