"""The models that `nsr eval` and `nsr compare` compare: networks, and baselines without one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nsr_cli.errors import UsageError
from nsr_cli.planning.models import check_model
from nsr_cli.shown import did_you_mean
from nsr_cli.terminal.console import Console
from nsr_cli.weights.entry import BASELINES

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Where networks run, and where their weights come from."""

    device: str = "auto"
    precision: str = "auto"
    batch: int | None = None
    offline: bool = False
    mirror: str | None = None


def check_name(name: str | None, task: str) -> None:
    """UsageError if a model's name means nothing for a task; nothing is loaded."""
    if name == "bicubic" and task != "upscale":
        raise UsageError(f"bicubic is for upscale: use input to show what {task} starts from")
    if name is None or name in BASELINES:
        return
    try:
        check_model(name, task)
    except UsageError as error:
        hint = did_you_mean(name, BASELINES)
        raise UsageError(f"{str(error).partition('; ')[0]}{hint}" if hint else str(error)) from error


def load(
    model: str | None,
    task: str,
    scale: float,
    color: str,
    options: LoadOptions,
    console: Console,
    notice: Callable[[str], None] | None = None,
) -> "Restorer":
    """As `Restorer.load`, which has the same arguments; `scale` counts only for `upscale`.

    The console shows downloads; without a `notice` it also shows what would be said there, as warnings.
    """
    from nsr_cli.engine.runner import Limits
    from nsr_cli.restore import Restorer
    from nsr_cli.terminal.downloads import ShownStore  # only now: torch loads slowly

    return Restorer.load(
        task,
        scale=scale if task == "upscale" else None,
        color=color,
        model=model,
        device=options.device,
        precision=options.precision,
        limits=Limits(batch=options.batch),
        store=ShownStore(console, mirror=options.mirror, offline=options.offline),
        notice=notice or console.warning,
    )
