"""What changes from step to step of a run: the network, the average of its weights, and the optimizer."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nsr_cli.model.network import Network
from nsr_cli.training.distributed import Processes
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.loss import batch_loss
from nsr_cli.training.optimizer import flatten, make_optimizer, unflatten
from nsr_cli.training.patches import Batch
from nsr_cli.training.recipe import Recipe


class Learner:
    """A network with its average and its optimizer.

    Args:
        recipe: rates, loss, average and seed.
        network: trained in place.
        device: where it is trained.
        processes: the processes that share every batch.
        autocast: number type of the forward pass, None for float32.
        form: how a step is computed.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        device: torch.device,
        processes: Processes,
        autocast: torch.dtype | None,
        form: TrainingForm,
    ) -> None:
        self.recipe, self.device, self.processes = recipe, device, processes
        self.autocast, self.form = autocast, form
        self.network = network.to(device)
        form.prepare(self.network)
        self._model: nn.Module = processes.wrap(self.network)
        self.average = copy.deepcopy(self.network).requires_grad_(False) if recipe.ema else None
        self.optimizer = make_optimizer(
            self.network, recipe.learning_rate, recipe.selector_rate, recipe.optimizer
        )

    @property
    def result(self) -> Network:
        """The weights that are validated and published: the average, if one is kept."""
        return self.average if self.average is not None else self.network

    @property
    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(bool(torch.isfinite(one).all()) for one in self.network.parameters())

    def loss(self, batch: Batch, step: int) -> Tensor:
        """The loss of this process's part of a step's batch."""
        # Seeded by the step, so that a resumed run repeats the Gumbel noise, the only other source of chance.
        torch.manual_seed(self.recipe.seed * 1_000_003 + step * self.processes.world + self.processes.rank)
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            restored = self._model(batch.input.contiguous(memory_format=self.form.layout), batch.level)
        return batch_loss(restored.float(), batch, self.recipe.loss, self.recipe.mean_color)

    def update(self, loss: Tensor, rate: float, step: int) -> None:
        """Update the weights by the gradients of a loss, at a learning rate, and then their average."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["times"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            decay = min(self.recipe.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Everything that is needed to go on, as the groups of a checkpoint."""
        groups: dict[str, dict[str, Tensor]] = {
            "weights": dict(self.network.state_dict()),
            "optimizer": flatten(self.optimizer.state_dict()["state"]),
        }
        if self.average is not None:
            groups["ema"] = dict(self.average.state_dict())
        return groups

    def load(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Inverse of `tensors`, for a learner of the same recipe."""
        self.network.load_state_dict(groups["weights"])
        if self.average is not None:
            self.average.load_state_dict(groups["ema"])
        optimizer = self.optimizer.state_dict()
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        optimizer["state"] = unflatten(groups.get("optimizer", {}), parameters)
        self.optimizer.load_state_dict(optimizer)
