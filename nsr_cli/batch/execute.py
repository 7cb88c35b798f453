"""From a plan to its run: torch, if it is needed, is loaded in a separate thread while the first picture is decoded."""

import gc
import threading
from collections.abc import Sequence
from contextlib import suppress

from nsr_cli.batch.run import run
from nsr_cli.errors import WeightsError
from nsr_cli.forecast.pace import Pace
from nsr_cli.machine import one_heap
from nsr_cli.planning.job import Job
from nsr_cli.planning.naming import format_of
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.restorers import Loader, RestorerLike
from nsr_cli.terminal.console import Console

_LARGE = 1 << 20  # bytes of a file that may hold a large picture


def carry_out(plan: Plan, settings: Settings, console: Console, *, mirror: str | None, offline: bool) -> int:
    """Carry out a plan and return the exit code, as `run`; `mirror` and `offline` are as for `WeightStore`."""
    if plan.jobs:
        if _any_large(plan.jobs):
            one_heap()
        if _needs_networks(plan.jobs, settings):
            with suppress(RuntimeError):  # no more threads: the loader will load it
                threading.Thread(target=_load_torch, daemon=True).start()
    pace, load = Pace(settings), _loader(settings, console, mirror, offline)
    return run(plan, settings, load, console, pace)


def _needs_networks(jobs: Sequence[Job], settings: Settings) -> bool:
    """Whether some picture will surely, or most likely, be restored; else torch is loaded once one is found to be.

    Other pictures than JPEG files, of which it is to be found out what they need, often need nothing.
    """
    finds_out = settings.task == "auto" or (settings.task == "dejpeg" and settings.jpeg_quality is None)
    if settings.enlarges or not finds_out:
        return True
    return any(job.source is None or format_of(job.source.suffix) == "JPEG" for job in jobs)


def _any_large(jobs: Sequence[Job]) -> bool:
    """Whether there may be a picture so large that saving memory by `one_heap` outweighs its cost in time.

    Runs over a hundred pictures of 128×128 were slower with one heap.
    """
    for job in jobs:
        if job.source is None:
            return True
        with suppress(OSError):  # reported when the file is read
            if job.source.stat().st_size >= _LARGE:
                return True
    return False


def _load_torch() -> None:
    # The collector would repeatedly examine half a million new objects, all of which stay.
    gc.disable()
    try:
        with suppress(Exception):  # the loader will raise and report the same error
            import nsr_cli.restore  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def _loader(settings: Settings, console: Console, mirror: str | None, offline: bool) -> Loader:
    """How a run loads its restorers: torch and the weights only when the first picture is ready."""

    def load(color: str, factor: float | None, task: str) -> RestorerLike:
        from nsr_cli.engine.runner import Limits
        from nsr_cli.restore import Restorer
        from nsr_cli.terminal.downloads import ShownStore

        try:
            return Restorer.load(
                task,
                scale=factor,
                color=color,
                model=settings.model_for(task),
                device=settings.device,
                precision=settings.precision,
                limits=Limits(settings.batch, settings.tile, settings.max_memory),
                store=ShownStore(console, mirror=mirror, offline=offline),
                notice=console.warning,
            )
        except WeightsError as error:
            if settings.task == "auto":  # for which --model must name the step
                told = str(error).replace("a file with --model", f"a file with --model {task}=FILE")
                raise WeightsError(told) from error
            raise

    return load
