"""What defines a training run: task, network, schedule and seeds — everything but the data."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nsr_cli.errors import UsageError
from nsr_cli.model.config import PRESETS, NetworkConfig

Kind = Literal["upscale", "denoise", "dejpeg"]
Color = Literal["rgb", "gray"]
Schedule = Literal["step", "cosine"]
Loss = Literal["l1", "l2", "psnr"]
OptimizerName = Literal["adam", "muon"]


@dataclass(frozen=True, slots=True)
class Task:
    """What a network learns to undo."""

    name: str
    kind: Kind
    color: Color
    scale: int = 1

    @property
    def channels(self) -> int:
        """Channels of the pictures: 3 RGB, 1 gray."""
        return 3 if self.color == "rgb" else 1

    def network(self, preset: NetworkConfig) -> NetworkConfig:
        """The preset with this task's scale and channels; denoising and JPEG networks also take the level."""
        levels = 0 if self.kind == "upscale" else 1
        return dataclasses.replace(preset, scale=self.scale, channels=self.channels, levels=levels)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("upscale-x2", "upscale", "rgb", 2),
        Task("upscale-x3", "upscale", "rgb", 3),
        Task("upscale-x4", "upscale", "rgb", 4),
        Task("denoise-gray", "denoise", "gray"),
        Task("denoise-rgb", "denoise", "rgb"),
        Task("dejpeg-gray", "dejpeg", "gray"),
        Task("dejpeg-rgb", "dejpeg", "rgb"),
    )
}


def find_task(name: str) -> Task:
    """The task of that name. Raises `UsageError`, which names all tasks, if there is none."""
    if name not in TASKS:
        raise UsageError(f"no such training task: {name!r}; choose one of {', '.join(TASKS)}")
    return TASKS[name]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one run; the defaults are the paper's (Sec. 4.1)."""

    task: str
    network: NetworkConfig
    preset: str = "custom"  # the name the network was made from, for the record
    steps: int | None = None  # None: `epochs` of `crops` crops a picture
    time_budget: float | None = None  # seconds; the run ends by `steps` or this, whichever comes first
    epochs: int = 30
    crops: int = 100
    batch: int = 16  # patches a step, over all processes
    windows: int = 1  # a patch is windows × windows selection windows, with halos
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    selector_rate: float = 1.0  # the selectors' learning rate, as a multiple of the others'
    loss: Loss = "l1"
    mean_color: float = 0.0  # weight of the error of every patch's mean color, added to the loss
    schedule: Schedule = "step"
    warmup: int = 0  # steps of linearly rising learning rate
    ema: float = 0.0  # decay of the averaged weights; 0 keeps none
    flat: float = 0.0  # share of patches that become nearly one color
    intact: float = 0.0  # share of dejpeg patches left uncompressed: only their mean colors count
    seed: int = 0
    holdout: int = 8  # training pictures kept aside for validation
    validate_every: int = 1000  # steps
    save_every: float = 120.0  # seconds
    init: str | None = None  # weights the run started from

    @property
    def patch(self) -> int:
        """Side of a training patch in input pixels."""
        return self.windows * self.network.window

    def total_steps(self, pictures: int) -> int:
        """Steps of the whole run with this many training pictures."""
        if self.steps is not None:
            return self.steps
        return math.ceil(self.epochs * self.crops * pictures / self.batch)

    def learning_rate_at(self, progress: float, step: int) -> float:
        """Learning rate after `progress` in [0, 1] of the run: × 0.2 at 2/3 and 5/6 (paper), or a half cosine."""
        if self.schedule == "cosine":
            rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        else:
            rate = self.learning_rate * 0.2 ** ((progress >= 2 / 3) + (progress >= 5 / 6))
        return rate * min(1.0, (step + 1) / self.warmup) if self.warmup else rate

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `config.json` and checkpoints."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Inverse of `to_dict`. Raises `ValueError` for other values."""
        try:
            return cls(**{**values, "network": NetworkConfig.from_dict(values["network"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a training recipe: {error}") from None


def make_recipe(
    task: str, preset: str | None = None, changes: Mapping[str, Any] | None = None, **fields: Any
) -> Recipe:
    """A recipe by the names of task and preset; `changes` are fields of the network, `fields` those of the recipe.

    Raises:
        UsageError: an unknown task or preset, or changes or fields that contradict each other.
    """
    chosen = find_task(task)
    name = preset or ("sparse-plus" if chosen.kind == "upscale" else "restore-plus")  # as in the paper
    if name not in PRESETS:
        raise UsageError(f"no such network: {name!r}; choose one of {', '.join(PRESETS)}")
    if PRESETS[name].unshuffle > 1 and chosen.kind == "upscale":
        raise UsageError(
            f"{name} is for denoise and dejpeg; for {task} choose another --network, such as lite"
        )
    # A plain convolution has one group and one cardinal group, whatever the preset has.
    plain = {"groups": 1, "cardinality": 1} if (changes or {}).get("selection") == "none" else {}
    try:
        network = dataclasses.replace(chosen.network(PRESETS[name]), **{**plain, **(changes or {})})
    except ValueError as error:
        raise UsageError(f"this network cannot be built: {error}") from None
    recipe = Recipe(task=task, network=network, preset=name, **fields)
    if recipe.intact and chosen.kind != "dejpeg":
        raise UsageError(f"--intact is for dejpeg: the patches of {task} are always degraded")
    if recipe.intact and not recipe.mean_color:
        raise UsageError("--intact does nothing without --mean-color: nothing else of intact patches counts")
    return recipe
