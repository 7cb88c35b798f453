"""The training loop: batches in, weights out, resumable at any moment."""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Selector
from nsr_cli.training import checkpoint
from nsr_cli.training.checkpoint import Checkpoint
from nsr_cli.training.distributed import Processes
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.loss import batch_loss
from nsr_cli.training.patches import Batch, PatchSource
from nsr_cli.training.prefetch import Prefetcher, threads_for
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import Listeners, TrainingStatus

Validate = Callable[[Network], float]  # PSNR in dB


class Trainer:
    """One run: owns the network, its average, the optimizer and the clock.

    Args:
        recipe: network, schedule and seed.
        network: trained in place.
        source: where batches come from, and the device to train on.
        run: folder for checkpoints and the best weights.
        validate: PSNR in dB of a network, which is in evaluation mode.
        listeners: told of progress, and of what could not be saved.
        processes: that share every batch; the leading one writes and reports.
        autocast: number type of the forward pass, None for float32.
        form: in which a step is computed.
        conditions: what a resumed run has to have in common beside the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        source: PatchSource,
        run: Path,
        *,
        validate: Validate,
        listeners: Listeners,
        processes: Processes,
        autocast: torch.dtype | None,
        form: TrainingForm,
        conditions: Mapping[str, Any],
    ) -> None:
        self.recipe, self.source, self.run = recipe, source, run
        self.validate, self.listeners, self.processes = validate, listeners, processes
        self.device = source.device
        self.autocast, self.form, self.conditions = autocast, form, dict(conditions)
        self.network = network.to(self.device)
        self.form.prepare(self.network)
        self.model: nn.Module = processes.wrap(self.network)
        self.average = copy.deepcopy(self.network).requires_grad_(False) if recipe.ema else None
        self.optimizer = make_optimizer(self.network, recipe.learning_rate, recipe.selector_rate)
        self.steps = recipe.total_steps(len(source))
        self.step, self.seconds, self.best = 0, 0.0, -math.inf
        self.progress = 0.0
        self._saved_at = time.monotonic()

    @property
    def result(self) -> Network:
        """The weights that are validated and published: the average where one is kept."""
        return self.average if self.average is not None else self.network

    def _advance(self) -> float:
        """How much of the run is done, 0…1: by steps or by time, whichever is further; all processes agree."""
        self.progress = self.step / self.steps
        if self.recipe.time_budget:
            by_time = self.processes.mean(self.seconds / self.recipe.time_budget)
            self.progress = max(self.progress, by_time)
        self.progress = min(self.progress, 1.0)
        return self.progress

    def resume(self, saved: Checkpoint, step: int) -> None:
        """Continue from a checkpoint of the same recipe."""
        self.network.load_state_dict(saved.tensors["weights"])
        if self.average is not None:
            self.average.load_state_dict(saved.tensors["ema"])
        optimizer = self.optimizer.state_dict()
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        optimizer["state"] = _unflatten(saved.tensors.get("optimizer", {}), parameters)
        self.optimizer.load_state_dict(optimizer)
        self.step, self.seconds, self.best = step, saved.state["seconds"], saved.state["best"]

    def fit(self) -> None:
        """Train to the end of the run.

        Raises:
            TrainingError: the loss is NaN or infinite; the last good checkpoint is kept.
        """
        started, losses = time.monotonic() - self.seconds, _Mean()
        self._saved_at = time.monotonic()
        if self._advance() >= 1.0:  # there is no loss to report, but perhaps no validation yet
            self._validate()
            return
        with Prefetcher(self._draw, self.step, threads_for(self.device)) as batches:
            while self.progress < 1.0:
                batch, rate = batches.take(), self.recipe.learning_rate_at(self.progress, self.step)
                losses.add(self._step(batch, rate))
                self.step += 1
                self.seconds = time.monotonic() - started
                if self._advance() >= 1.0 or self.step % self.recipe.validate_every == 0:
                    self._report(losses, rate, psnr=self._validate())
                elif self.step % 50 == 0:
                    self._report(losses, rate)
        self._save()

    def _draw(self, step: int) -> Batch:
        """This process's part of a step's batch."""
        return self.source.batch(step, self.recipe.batch, self.processes.rank, self.processes.world)

    def _step(self, batch: Batch, rate: float) -> Tensor:
        """Train on a batch, and save by the clock; the loss, on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["times"]
        loss = self._loss(batch)
        if self.step and time.monotonic() - self._saved_at >= self.recipe.save_every:
            # This loss is the first to tell whether the last update was a sound one.
            self._check(float(loss.detach()))
            self._save()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return loss.detach()

    def _loss(self, batch: Batch) -> Tensor:
        # Gumbel noise is the only other source of chance: tied to the step, so that a resumed run repeats it.
        torch.manual_seed(
            self.recipe.seed * 1_000_003 + self.step * self.processes.world + self.processes.rank
        )
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            restored = self.model(batch.input.contiguous(memory_format=self.form.layout), batch.level)
        return batch_loss(restored.float(), batch, self.recipe.loss, self.recipe.mean_color)

    def _validate(self) -> float:
        training = self.result.training
        try:
            psnr = self.validate(self.result.eval())  # as it will be used: no chance in what it chooses
        finally:
            self.result.train(training)
        self._check(psnr, "validation")
        if psnr > self.best and self.processes.leads:
            self._keep_best(psnr)
        return psnr

    def _keep_best(self, psnr: float) -> None:
        saved = Checkpoint(
            {"weights": self.result.state_dict()}, {"step": self.step, "seconds": self.seconds, "psnr": psnr}
        )
        try:
            checkpoint.save_best(self.run, saved)
            self.best = psnr
        except WriteError as error:
            self.listeners.warn(str(error))  # a full disk must not end days of work

    def _report(self, losses: "_Mean", rate: float, psnr: float | None = None) -> None:
        loss = self.processes.mean(losses.value())
        self._check(loss)
        losses.clear()
        if self.processes.leads:
            self.listeners.report(
                TrainingStatus(self.step, self.steps, self.progress, loss, rate, self.seconds, psnr)
            )

    def _check(self, value: float, what: str = "loss") -> None:
        if math.isnan(value) or (what == "loss" and math.isinf(value)):
            raise TrainingError(
                f"the {what} became NaN or infinite before step {self.step}; checkpoints from before are kept; "
                "start again with a lower --learning-rate and another --out"
            )

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if not self.processes.leads:
            return
        groups: dict[str, dict[str, Tensor]] = {
            "weights": dict(self.network.state_dict()),
            "optimizer": _flatten(self.optimizer.state_dict()["state"]),
        }
        if self.average is not None:
            groups["ema"] = dict(self.average.state_dict())
        state = {
            "seconds": self.seconds,
            "best": self.best,
            "recipe": self.recipe.to_dict(),
            # What checkpoints have always called the form.
            "way": {**self.form.to_dict(), "device": self.device.type},
            "conditions": self.conditions,
        }
        try:
            checkpoint.save(self.run, self.step, Checkpoint(groups, state))
        except WriteError as error:
            self.listeners.warn(str(error))  # a full disk must not end days of work


def make_optimizer(
    network: Network, learning_rate: float, selector_rate: float = 1.0
) -> torch.optim.Optimizer:
    """Adam in one pass over the parameters in place of a dozen, where the device has that; Metal has not.

    The matrices of selectors learn `selector_rate` times as fast. The mean features of a window, which they see, are
    small beside those of single pixels: at the kernels' rate the choice among groups stays nearly the same everywhere.
    """
    selector_ids = {id(layer.linear.weight) for layer in network.modules() if isinstance(layer, Selector)}
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters, "times": 1.0}]
    if selector_rate != 1.0 and selector_ids:
        groups = [
            {"params": [one for one in parameters if id(one) not in selector_ids], "times": 1.0},
            {"params": [one for one in parameters if id(one) in selector_ids], "times": selector_rate},
        ]
    return torch.optim.Adam(groups, lr=learning_rate, fused=parameters[0].device.type in ("cpu", "cuda"))


class _Mean:
    """Mean of losses that stay on the device until it is asked for: every transfer would hold up an accelerator."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        self._losses.append(loss)

    def value(self) -> float:
        return float(torch.stack(self._losses).mean())

    def clear(self) -> None:
        self._losses.clear()


def _flatten(state: dict[int, dict[str, Any]]) -> dict[str, Tensor]:
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def _unflatten(tensors: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> dict[int, dict[str, Tensor]]:
    """Inverse of `_flatten`. Moments lie in memory as their parameters do: fused Adam wants that on CUDA."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        same = tensor.shape == like.shape
        state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(tensor) if same else tensor
    return state
