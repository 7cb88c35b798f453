"""The training loop: batches in, weights out, resumable at any moment."""

import math
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsr_cli.errors import WriteError
from nsr_cli.training import checkpoint
from nsr_cli.training.best import save_best
from nsr_cli.training.distributed import is_lost_peer
from nsr_cli.training.learner import Learner
from nsr_cli.training.loss import check_sound, has_diverged
from nsr_cli.training.patches import Batch, PatchSource
from nsr_cli.training.prefetch import Prefetcher, threads_for
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import Listeners, TrainingStatus, Unvalidated
from nsr_cli.training.storage import Checkpoint
from nsr_cli.training.validate import Validate

Stop = Callable[[], int]  # the number of a signal that asks to stop, 0 while there is none

_ACCELERATED_STEPS = 10  # between two times that all processes agree whether to stop


class _Stopped(Exception):
    """A signal asked to stop during a validation."""


class Trainer:
    """One run: when its learner learns, is validated and is saved.

    Args:
        recipe: schedule, and how often to validate and to save.
        learner: made for the same recipe.
        source: where batches come from.
        run: folder for checkpoints and the best weights.
        validate: returns the PSNR in dB of a network in evaluation mode.
        listeners: told of progress, and of what could not be saved.
        conditions: what a resumed run must have in common besides the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        learner: Learner,
        source: PatchSource,
        run: Path,
        *,
        validate: Validate,
        listeners: Listeners,
        conditions: Mapping[str, Any],
    ) -> None:
        self.recipe, self.learner, self.source, self.run = recipe, learner, source, run
        self.processes = learner.processes  # the leading one writes and reports
        self.validate, self.listeners, self.conditions = validate, listeners, dict(conditions)
        self.steps = recipe.total_steps(len(source))
        self.step, self.seconds, self.best = 0, 0.0, -math.inf
        self.progress = 0.0
        self.stopped = 0  # by which signal
        self.unvalidated: Unvalidated | None = None  # where a validation was interrupted
        self.first = -math.inf  # the loss of the first step
        self.diverged = False  # by the last validation
        self.losses: list[Tensor] = []  # since the last report, on the device: every transfer would stall it
        self.identity: str | None = uuid.uuid4().hex
        self._saved_at = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.progress >= 1.0 and self.unvalidated is None

    def _advance(self) -> float:
        """How much of the run is done, 0…1, by steps or by time, whichever is further; the same in all processes."""
        self.progress = self.step / self.steps
        if self.recipe.time_budget:
            by_time = self.processes.mean(self.seconds / self.recipe.time_budget)
            self.progress = max(self.progress, by_time)
        self.progress = min(self.progress, 1.0)
        return self.progress

    def resume(self, saved: Checkpoint, step: int) -> None:
        """Continue from a checkpoint of the same recipe."""
        self.learner.load(saved.tensors)
        self.step, self.seconds, self.best = step, saved.state["seconds"], saved.state["best"]
        self.identity = saved.state.get("run")  # runs of older versions have none
        self.first = saved.state.get("first", -math.inf)
        # Those of the leading process, which alone saves; checkpoints of older versions have none.
        self.losses = list(torch.tensor(saved.state.get("losses", []), device=self.learner.device))
        left = saved.state.get("unvalidated")
        self.unvalidated = None if left is None else Unvalidated(**left)

    def fit(self, stop: Stop) -> None:
        """Train to the end of the run or until it is asked to stop, and save.

        Args:
            stop: asked before every step and between the pictures of a validation; processes that train together
                stop together.

        Raises:
            TrainingError: the loss is NaN or infinite; the last good checkpoint is kept.
            WriteError: the run cannot be saved at its end.
        """
        try:
            self._fit(stop)
        except RuntimeError as error:
            if is_lost_peer(error):
                self._save_alone()
            raise

    def _fit(self, stop: Stop) -> None:
        started = time.monotonic() - self.seconds
        self._saved_at = time.monotonic()
        if not self._catch_up(stop) or self.progress >= 1.0:
            return
        with Prefetcher(self._draw, self.step, threads_for(self.learner.device)) as batches:
            while self.progress < 1.0:
                batch, rate = batches.take(), self.recipe.learning_rate_at(self.progress, self.step)
                if self._must_stop(stop):
                    self._save_unfinished(batch)
                    return
                self.losses.append(self._step(batch, rate))
                if not self.step:
                    self.first = float(self.losses[0])
                self.step += 1
                self.seconds = time.monotonic() - started
                validates = self._advance() >= 1.0 or self.step % self.recipe.validate_every == 0
                if validates or self.step % 50 == 0:
                    loss = self.processes.mean(float(torch.stack(self.losses).mean()))
                    self.losses.clear()
                    check_sound(loss, self.step)
                    if validates:
                        self.unvalidated = Unvalidated(loss, rate)
                        self._validate_and_report(stop)
                    else:
                        self._report(loss, rate)
        self._save_last()

    def _catch_up(self, stop: Stop) -> bool:
        """Catch up on a validation that was interrupted; False if that is asked to stop again."""
        finishes = self._advance() >= 1.0
        if self.unvalidated is None:
            return True
        if not self._validate_and_report(stop):
            return False
        if finishes:  # nothing else will be saved
            self._save_last()
        return True

    def _must_stop(self, stop: Stop) -> bool:
        """Whether any process is asked to stop before this step."""
        # Not before every step on an accelerator, since the CPU must wait for it to agree.
        on_cpu = self.learner.device.type == "cpu"
        if self.processes.world == 1 or on_cpu or self.step % _ACCELERATED_STEPS == 0:
            self._ask(stop)
        return self.stopped != 0

    def _ask(self, stop: Stop) -> int:
        """The signal that asks any process to stop, 0 for none."""
        self.stopped = int(self.processes.largest(stop()))
        return self.stopped

    def _draw(self, step: int) -> Batch:
        """This process's part of a step's batch."""
        return self.source.batch(step, self.recipe.batch, self.processes.rank, self.processes.world)

    def _step(self, batch: Batch, rate: float) -> Tensor:
        """Train on a batch, and save by the clock; the loss, on the device."""
        loss = self.learner.loss(batch, self.step)
        if self.step and time.monotonic() - self._saved_at >= self.recipe.save_every:
            # Only this loss tells whether the last update was sound.
            check_sound(float(loss.detach()), self.step)
            self._save()
        self.learner.update(loss, rate, self.step)
        return loss.detach()

    def _validate_and_report(self, stop: Stop) -> bool:
        """Validate the present step and report it; if asked to stop, leave that for when the run goes on."""
        psnr, left = self._validate(stop), self.unvalidated
        if psnr is None or left is None:
            return False
        self.unvalidated = None
        self._report(left.loss, left.learning_rate, psnr)
        self._warn_of_divergence(left.loss)
        return True

    def _warn_of_divergence(self, loss: float) -> None:
        """Say that the network is of no use: where that begins, and at the end of the run."""
        before, recipe = self.diverged, self.recipe
        self.diverged = has_diverged(loss, self.first, recipe.loss, recipe.mean_color)
        if self.diverged and self.processes.leads and (not before or self.progress >= 1.0):
            self.listeners.warn(
                f"the loss at step {self.step}, {loss:.4g}, is worse than at the start and than that of a plain gray "
                "picture: the training has diverged; start again with a lower --learning-rate and another --out"
            )

    def _validate(self, stop: Stop) -> float | None:
        """PSNR in dB of the result; None if asked to stop before it is known."""

        def between() -> None:
            if self._ask(stop):
                raise _Stopped

        network = self.learner.result
        training = network.training
        try:
            psnr = self.validate(network.eval(), between)  # as it will be used: without random choices
        except _Stopped:
            return None
        finally:
            network.train(training)
        check_sound(psnr, self.step, "validation")
        if psnr > self.best and self.processes.leads:
            self._keep_best(psnr)
        return psnr

    def _keep_best(self, psnr: float) -> None:
        state = {"run": self.identity, "step": self.step, "seconds": self.seconds, "psnr": psnr}
        try:
            save_best(self.run, Checkpoint({"weights": self.learner.result.state_dict()}, state))
            self.best = psnr
        except WriteError as error:
            self.listeners.warn(str(error))  # a full disk must not end days of work

    def _report(self, loss: float, rate: float, psnr: float | None = None) -> None:
        if self.processes.leads:
            self.listeners.report(
                TrainingStatus(self.step, self.steps, self.progress, loss, rate, self.seconds, psnr)
            )

    def _save(self) -> None:
        """Save in the middle of a run: a full disk must not end days of work."""
        try:
            self._write_checkpoint()
        except WriteError as error:
            self.listeners.warn(str(error))

    def _save_unfinished(self, batch: Batch) -> None:
        """Save the weights as they are before the step of a batch, if its loss shows that they are sound."""
        if self.step:
            with torch.no_grad():
                check_sound(float(self.learner.loss(batch, self.step)), self.step)
            self._save_last()

    def _save_last(self) -> None:
        """Save at the end. No process may leave before that, since torchrun then ends the others."""
        try:
            self._write_checkpoint()
        except WriteError as error:
            raise WriteError(f"{error}; give --resume once it can be written") from error
        finally:
            self.processes.wait()

    def _save_alone(self) -> None:
        """Save after another process was lost: between updates, all processes have the same weights."""
        if self.step and self.processes.leads and self.learner.is_finite:
            self._save()
            self.listeners.notify(f"saved at step {self.step}")

    def _write_checkpoint(self) -> None:
        """Save on the leading process. Raises `WriteError`."""
        self._saved_at = time.monotonic()
        if not self.processes.leads:
            return
        state = {
            "run": self.identity,
            "seconds": self.seconds,
            "best": self.best,
            "first": self.first,
            "losses": torch.stack(self.losses).tolist() if self.losses else [],
            "unvalidated": None if self.unvalidated is None else asdict(self.unvalidated),
            "recipe": self.recipe.to_dict(),
            "form": {**self.learner.form.to_dict(), "device": self.learner.device.type},
            "conditions": self.conditions,
        }
        checkpoint.save(self.run, self.step, Checkpoint(self.learner.tensors(), state))
