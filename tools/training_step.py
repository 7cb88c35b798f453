"""How much longer a training step of a sparse network takes than one of the plain network of the same arithmetic.

    python tools/training_step.py [--device cpu] [--precision bf16] [--repeats 5] [--network sparse-plus]

Steps of both are timed in turn in one run, with the loss and the optimizer of `nsr train`: 16 patches of 48, or with
`--windows 2` four of 96. The figure is the ratio of the medians. Goal: at most 1.25.
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
from nsr_cli.training.forms import CPU_FORMS, TrainingForm, cpu_form
from nsr_cli.training.loss import loss_within_range
from nsr_cli.training.optimizer import make_optimizer


def plain_of(config: NetworkConfig) -> NetworkConfig:
    """The network without groups and selection: the same convolutions, the same multiplications."""
    return dataclasses.replace(config, groups=1, cardinality=1, selection="none")


def form_of(arguments: argparse.Namespace, device: torch.device) -> TrainingForm:
    """The requested form, channels-last if that suits it."""
    if arguments.form:
        return next(
            (form for form in CPU_FORMS if form.convolution == arguments.form), TrainingForm(arguments.form)
        )
    narrow = torch.bfloat16 if arguments.precision == "bf16" else None
    return cpu_form(arguments.windows, narrow) if device.type == "cpu" else TrainingForm()


def make_step(
    network: Network, form: TrainingForm, arguments: argparse.Namespace, device: torch.device
) -> Callable[[], None]:
    """A function that trains a network by one step, always on the same patches."""
    form.prepare(network.to(device))
    config, batch = network.config, arguments.batch // arguments.windows**2
    optimizer = make_optimizer(network, 1e-4)
    torch.manual_seed(0)
    side = config.window * arguments.windows
    x = torch.rand(batch, config.channels, side, side, device=device).contiguous(memory_format=form.layout)
    target = torch.rand(batch, config.channels, side * config.scale, side * config.scale, device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=arguments.precision == "bf16"):
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
    parser.add_argument("--windows", type=int, default=1, help="of a patch along each side")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="default: bf16 on CUDA, else fp32, as `nsr train`"
    )
    parser.add_argument(
        "--form",
        choices=("grouped", "mixed", "looped", "stacked"),
        help="of the sparse network; default: what `nsr train` takes on a CPU, else grouped",
    )
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    if device.type == "cpu":
        prepare_cpu()
    arguments.precision = arguments.precision or ("bf16" if device.type == "cuda" else "fp32")
    form = form_of(arguments, device)
    print(
        f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {arguments.precision}, "
        f"{arguments.batch} windows"
    )
    for name in arguments.network or ("sparse-plus", "lite"):
        config = dataclasses.replace(PRESETS[name], scale=2)
        steps = {
            "sparse": make_step(Network(config), form, arguments, device),
            "plain": make_step(
                Network(plain_of(config)), TrainingForm(layout=torch.channels_last), arguments, device
            ),
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
