"""The training loop: batches in, weights out, resumable at any moment."""

import copy
import math
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.model.network import Network
from nsr_cli.training import checkpoint
from nsr_cli.training.checkpoint import Checkpoint
from nsr_cli.training.distributed import Processes
from nsr_cli.training.forms import TrainingForm
from nsr_cli.training.loss import batch_loss
from nsr_cli.training.optimizer import flatten, make_optimizer, unflatten
from nsr_cli.training.patches import Batch, PatchSource
from nsr_cli.training.prefetch import Prefetcher, threads_for
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import Listeners, TrainingStatus

Validate = Callable[[Network], float]  # PSNR in dB
Stop = Callable[[], int]  # the number of a signal that asks to stop, 0 while there is none

_ACCELERATED_STEPS = 10  # between two questions to all processes whether to stop


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
        self.stopped = 0  # by which signal
        self.identity: str | None = uuid.uuid4().hex
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
        optimizer["state"] = unflatten(saved.tensors.get("optimizer", {}), parameters)
        self.optimizer.load_state_dict(optimizer)
        self.step, self.seconds, self.best = step, saved.state["seconds"], saved.state["best"]
        self.identity = saved.state.get("run")  # a run of before there was one stays without

    def fit(self, stop: Stop = lambda: 0) -> None:
        """Train to the end of the run or until it is asked to stop, and save.

        Args:
            stop: asked before every step; processes that train together stop together.

        Raises:
            TrainingError: the loss is NaN or infinite; the last good checkpoint is kept.
            WriteError: the run cannot be saved at its end.
        """
        started, losses = time.monotonic() - self.seconds, _Mean()
        self._saved_at = time.monotonic()
        if self._advance() >= 1.0:  # there is no loss to report, but perhaps no validation yet
            self._validate()
            return
        with Prefetcher(self._draw, self.step, threads_for(self.device)) as batches:
            while self.progress < 1.0:
                batch, rate = batches.take(), self.recipe.learning_rate_at(self.progress, self.step)
                if self._must_stop(stop):
                    self._save_unfinished(batch)
                    return
                losses.add(self._step(batch, rate))
                self.step += 1
                self.seconds = time.monotonic() - started
                if self._advance() >= 1.0 or self.step % self.recipe.validate_every == 0:
                    self._report(losses, rate, psnr=self._validate())
                elif self.step % 50 == 0:
                    self._report(losses, rate)
        self._save_last()

    def _must_stop(self, stop: Stop) -> bool:
        """Whether any process is asked to stop."""
        # To agree, the CPU has to wait for the accelerator.
        if self.processes.world == 1 or self.device.type == "cpu" or self.step % _ACCELERATED_STEPS == 0:
            self.stopped = int(self.processes.largest(stop()))
        return self.stopped != 0

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
        state = {"run": self.identity, "step": self.step, "seconds": self.seconds, "psnr": psnr}
        saved = Checkpoint({"weights": self.result.state_dict()}, state)
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
        """Save in the middle of a run: a full disk must not end days of work."""
        try:
            self._write_checkpoint()
        except WriteError as error:
            self.listeners.warn(str(error))

    def _save_unfinished(self, batch: Batch) -> None:
        """Save what there is before the step of a batch, if its loss tells that it is sound."""
        if self.step:
            with torch.no_grad():
                self._check(float(self._loss(batch)))
            self._save_last()

    def _save_last(self) -> None:
        """Save what would else be lost. Nobody leaves before: torchrun ends those who are left behind."""
        try:
            self._write_checkpoint()
        except WriteError as error:
            raise WriteError(f"{error}; give --resume once it can be written") from error
        finally:
            self.processes.wait()

    def _write_checkpoint(self) -> None:
        """Save on the leading process. Raises `WriteError`."""
        self._saved_at = time.monotonic()
        if not self.processes.leads:
            return
        groups: dict[str, dict[str, Tensor]] = {
            "weights": dict(self.network.state_dict()),
            "optimizer": flatten(self.optimizer.state_dict()["state"]),
        }
        if self.average is not None:
            groups["ema"] = dict(self.average.state_dict())
        state = {
            "run": self.identity,
            "seconds": self.seconds,
            "best": self.best,
            "recipe": self.recipe.to_dict(),
            "form": {**self.form.to_dict(), "device": self.device.type},
            "conditions": self.conditions,
        }
        checkpoint.save(self.run, self.step, Checkpoint(groups, state))


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
