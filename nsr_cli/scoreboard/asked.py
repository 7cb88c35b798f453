"""What `nsr eval` was asked for: tasks, levels and color from its options, and the cases that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from nsr_cli.datasets import PictureSet
from nsr_cli.errors import UsageError
from nsr_cli.evaluate import Case, Color, Task
from nsr_cli.imaging.degrade import Subsampling
from nsr_cli.planning.tasks import task_of

# The levels of the paper's tables, used if none is asked for.
PAPER_LEVELS: dict[str, tuple[int, ...]] = {
    "upscale": (2, 3, 4),
    "denoise": (15, 25, 50),
    "dejpeg": (10, 20, 30, 40),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for: every set at every level with every model; the model None is the manifest's choice."""

    sets: tuple[str, ...]
    task: Task
    levels: tuple[float, ...]
    models: tuple[str | None, ...]
    color: Color | None = None
    subsamplings: tuple[Subsampling, ...] = ("4:2:0",)
    limit: int | None = None  # pictures of each set
    tta: bool = False  # networks are scored as self-ensembles

    def cases(self, one: PictureSet) -> list[Case]:
        """One set at every level, and for JPEG in color with every subsampling."""
        if self.task == "upscale":
            return [Case(one, self.task, scale=int(level)) for level in self.levels]
        if self.task == "denoise":
            return [Case(one, self.task, sigma=level, color=self.color) for level in self.levels]
        cases = [
            Case(one, self.task, quality=int(level), color=self.color, subsampling=subsampling)
            for subsampling in self.subsamplings
            for level in self.levels
        ]
        return cases[: len(self.levels)] if cases[0].on_gray else cases


def choose_levels(
    task: str | None, scale: Sequence[float], sigma: Sequence[float], quality: Sequence[float]
) -> tuple[Task, tuple[float, ...]]:
    """Find the task and its levels from the options; UsageError if they do not go together."""
    given: dict[Task, Sequence[float]] = {"upscale": scale, "denoise": sigma, "dejpeg": quality}
    wanted = task_of(task, [name for name, levels in given.items() if levels])
    chosen = next(name for name in given if name == wanted)
    return chosen, tuple(dict.fromkeys(given[chosen])) or PAPER_LEVELS[chosen]


def choose_color(
    task: Task, color: Color | None, subsampling: Sequence[str]
) -> tuple[Color | None, tuple[Subsampling, ...]]:
    """Find how color pictures are treated; UsageError if the options do not go together."""
    if color and task == "upscale":
        raise UsageError("--color is for --task denoise and dejpeg: upscale is scored as the papers do")
    if subsampling and (task != "dejpeg" or color == "gray"):
        raise UsageError("--subsampling is for --task dejpeg --color rgb: gray pictures have no chroma")
    known = {name: name for name in get_args(Subsampling)}
    for name in subsampling:
        if name not in known:
            raise UsageError(f"--subsampling: no such value {name!r}; use {', '.join(known)}")
    chosen = tuple(dict.fromkeys(known[name] for name in subsampling))
    return "rgb" if chosen else color, chosen or ("4:2:0",)
