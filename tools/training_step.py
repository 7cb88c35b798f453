"""What a training step of a sparse network costs beside the plain network of the same arithmetic.

    python tools/training_step.py [--device cpu] [--repeats 5] [--network sparse-plus] [--network lite]

Steps of both are timed in turn in one run, with the loss and the optimizer of `nsr train`: 16 patches of 48, float32 on
a CPU. The figure is the ratio of the medians. Goal: at most 1.25.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable

import torch

from nsr_cli.bench.figures import time_in_turn
from nsr_cli.engine.device import choose_device, prepare_cpu
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.network import Network
from nsr_cli.training.loop import make_optimizer
from nsr_cli.training.loss import loss_within_range


def plain_of(config: NetworkConfig) -> NetworkConfig:
    """The network without groups and selection: the same convolutions, the same multiplications."""
    return dataclasses.replace(config, groups=1, cardinality=1, selection="none")


def make_step(
    network: Network, batch: int, device: torch.device, form: str = "grouped"
) -> Callable[[], None]:
    """What trains a network by one step, always on the same patches."""
    config = network.to(device).config
    network.use_form(form)  # type: ignore[arg-type]
    optimizer = make_optimizer(network, 1e-4)
    torch.manual_seed(0)
    x = torch.rand(batch, config.channels, config.window, config.window, device=device)
    target = torch.rand(
        batch, config.channels, config.window * config.scale, config.window * config.scale, device=device
    )

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            restored = network(x)
        loss = loss_within_range(restored.float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--network", action="append", choices=sorted(PRESETS))
    parser.add_argument("--form", default="grouped", choices=("grouped", "mixed"))
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    if device.type == "cpu":
        prepare_cpu()
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, batch {arguments.batch}")
    for name in arguments.network or ("sparse-plus", "lite"):
        config = dataclasses.replace(PRESETS[name], scale=2)
        steps = {
            "sparse": make_step(Network(config), arguments.batch, device, arguments.form),
            "plain": make_step(Network(plain_of(config)), arguments.batch, device),
        }
        medians = time_in_turn(steps, arguments.repeats, device)
        figures = {
            "network": name,
            **{f"{kind} s": round(value, 4) for kind, value in medians.items()},
            "ratio": round(medians["sparse"] / medians["plain"], 3),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
