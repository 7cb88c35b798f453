"""Which kernels a network chose for each window of a picture: gamma of every layer, recorded in one run."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nsr_cli.engine.device import choose_device, is_out_of_memory, prepare_cpu
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.grid import Grid
from nsr_cli.engine.progress import Progress
from nsr_cli.engine.runner import BATCHES, padded
from nsr_cli.errors import MemoryExhausted
from nsr_cli.model.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What one sparse convolution chose; blocks and convolutions count from 1."""

    block: int
    convolution: int  # 1, or 2 for the second one of the block
    gamma: NDArray[np.float32]  # (M, d, k): window in row-major order, cardinal group, sparsity group


@dataclass(frozen=True, slots=True)
class Trace:
    """All selections of a run over one picture, in the order of the layers."""

    grid: Grid  # of the picture with `edge` pixels around it, as the network saw it
    edge: int
    device: str
    selections: tuple[Selection, ...]


def trace(
    network: Network,
    array: NDArray[np.float32],
    level: float | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Trace:
    """Run a network over a picture in float32 and record its selections.

    Args:
        network: folded or not; without sparse convolutions nothing is recorded.
        array: (H, W, C) with black 0 and white 1, C as the network's.
        level: degradation level in [0, 1], if the network takes one.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        progress: called with blocks done and in total.

    Raises:
        UsageError: there is no such device.
        MemoryExhausted: the features of the whole picture do not fit into memory.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        prepare_cpu()
    gammas: list[NDArray[np.float32]] = []

    def note(gamma: Tensor) -> None:
        gammas.append(gamma.cpu().numpy().copy())

    x, edge = padded(torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))), network.config)
    levels = torch.tensor([level], dtype=torch.float32) if level is not None else None
    try:
        executor = Executor(network, chosen, torch.float32, repeat=True)
        executor(x, levels, BATCHES.get(chosen.type, 1), progress, note)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        elsewhere = "" if chosen.type == "cpu" else "use --device cpu, "
        raise MemoryExhausted(
            f"out of memory on {chosen} for a picture of {array.shape[1]}×{array.shape[0]}: "
            f"free some memory, {elsewhere}or cut the picture"
        ) from None
    each = 1 if network.config.shared else 2  # a shared selection is made once for the block
    selections = (Selection(i // each + 1, i % each + 1, gamma) for i, gamma in enumerate(gammas))
    grid = Grid(x.shape[1], x.shape[2], network.config.window)
    return Trace(grid, edge, str(chosen), tuple(selections))
