"""One process or many: what a run needs to know about the other processes that torchrun started."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nsr_cli.errors import TrainingError, UsageError

Decision = TypeVar("Decision")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process's place among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one process that writes files and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over all processes."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network)

    def mean(self, value: float) -> float:
        """The mean of a number over all processes, so that all decide alike."""
        return value if self.world == 1 else _reduced(value, dist.ReduceOp.SUM) / self.world

    def largest(self, value: float) -> float:
        """The largest of a number over all processes."""
        return value if self.world == 1 else _reduced(value, dist.ReduceOp.MAX)

    def wait(self) -> None:
        """Return when all processes have reached this call."""
        self.mean(0.0)

    def share(self, batch: int) -> int:
        """How many of a step's patches this process takes: all take as many, since their gradients are averaged.

        Raises:
            UsageError: the batch cannot be divided evenly.
        """
        if batch % self.world:
            raise UsageError(
                f"a batch of {batch} cannot be shared evenly by {self.world} processes; give a --batch that "
                f"{self.world} divides, or another --nproc-per-node"
            )
        return batch // self.world

    def by_leader(self, decide: Callable[[], Decision]) -> Decision:
        """The leading process's decision, for all processes; the others do not run `decide`."""
        if self.world == 1:
            return decide()
        decided = [decide() if self.leads else None]
        dist.broadcast_object_list(decided)
        return decided[0]  # type: ignore[return-value]


def _reduced(value: float, operation: dist.ReduceOp.RedOpType) -> float:
    tensor = torch.tensor(value, dtype=torch.float64)
    if dist.get_backend() == "nccl":
        tensor = tensor.cuda()
    dist.all_reduce(tensor, operation)
    return float(tensor)


@contextmanager
def process_group(device: torch.device) -> Iterator[Processes]:
    """Join the group that torchrun describes in the environment; without one, a single process.

    Raises:
        TrainingError: another process has ended or cannot be reached, then or until the end of the `with` block.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _lost_peers_told():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            yield Processes(dist.get_rank(), world)
        finally:
            dist.destroy_process_group()


@contextmanager
def _lost_peers_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_lost_peer(error):
            raise
        raise TrainingError(
            "another process of this training has ended or cannot be reached; see what it said, and go on with --resume"
        ) from error


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether the error means that another process has ended or cannot be reached; with gloo only its text tells."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def is_leader() -> bool:
    """Whether this process speaks for all that torchrun started, by the environment: before they are connected."""
    return os.environ.get("RANK", "0") == "0"


def own_device(device: torch.device) -> torch.device:
    """This process's own CUDA card, by its number from torchrun; other devices as they are."""
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device
