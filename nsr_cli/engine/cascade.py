"""Networks in a row, each on the result of the one before, and the exact factor that they reach together.

array (H, W, C) ─> network ─> network ─> ... ─> bicubic to the exact size
"""

from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, prod
from operator import mul

from torch import Tensor

from nsr_cli.engine.arrays import Unit, run_array, run_ensemble
from nsr_cli.engine.progress import OverallProgress, Progress
from nsr_cli.engine.stages import Stage
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.model.footprint import FLOAT_BYTES, SHARE, bytes_per_pixel

# Windows for each core up to which small pictures are restored side by side, each on one core. With eight, the last
# round wastes little, and a single picture does not take long.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Cascade:
    """The loaded networks of a task, run as one."""

    stages: tuple[Stage, ...]
    """In the order in which they run."""
    scale: float
    """Factor of the result; if the networks exceed it, their result is resized."""

    @property
    def memory(self) -> int:
        """Bytes that one picture may take: those of the limits, else half of what is free."""
        return self.stages[0].runner.memory

    @property
    def precision(self) -> str:
        """Number types of the arithmetic since `forget_precision`, joined with `+`; before any, the configured one."""
        used = set[str]().union(*(stage.runner.used for stage in self.stages))
        return "+".join(sorted(used)) or self.stages[0].runner.precision

    def forget_precision(self) -> None:
        """Begin another picture: `precision` no longer includes the ones before."""
        for stage in self.stages:
            stage.runner.used.clear()

    def float_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes that a picture (H, W, C) takes if it is restored in one piece, without its stored samples."""
        colors, most, side = shape[2], 0.0, 1
        for number, stage in enumerate(self.stages):
            inside = stage.runner.shares_memory
            each = bytes_per_pixel(stage.config, colors, stage.runner.item_bytes, inside=inside)
            # The picture, which is kept for the blend; for the first network it is counted already.
            picture = FLOAT_BYTES * colors if number else 0
            most = max(most, side**2 * each + picture)
            side *= stage.config.scale
        finishing = FLOAT_BYTES * colors * (side**2 + 1 + 2 * max(self.scale, 1) ** 2)
        return int(prod(shape[:2]) * max(most / SHARE, finishing))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result of a picture."""
        return round(height * self.scale), round(width * self.scale)

    def run(
        self, array: Unit, level: Tensor | None, progress: Progress | None, *, tta: bool, by_channel: bool
    ) -> Unit:
        """(H, W, C) about [0, 1] -> (*size(H, W), C), not clipped.

        Args:
            array, level, by_channel: as for `run_array`.
            progress: called with parts done and parts in total.
            tta: as for `run_ensemble`.

        Raises:
            MemoryExhausted, PictureError: as for `Runner.run`.
        """
        runs = len(self.stages) * (8 if tta else 1) * (array.shape[2] if by_channel else 1)
        watch, once = OverallProgress(progress, runs), run_ensemble if tta else run_array
        size, out = self.size(*array.shape[:2]), array
        for stage in self.stages:
            out = once(stage.runner, out, level, watch, by_channel=by_channel)
        return out if out.shape[:2] == size else resize(out, *size)

    def on_one_core(self, picture: Picture, side_by_side: int) -> "Cascade | None":
        """As for `Restorer.on_one_core`."""
        taken = picture.pixels.nbytes + self.float_bytes(picture.pixels.shape)
        fits = taken * side_by_side <= self.memory
        small = self._most_windows(picture.height, picture.width) <= _FEW * side_by_side
        if not (small and fits and all(stage.runner.shares_memory for stage in self.stages)):
            return None
        runners = {stage.runner: stage.runner.on_one_core() for stage in self.stages}
        stages = tuple(replace(stage, runner=runners[stage.runner]) for stage in self.stages)
        return replace(self, stages=stages)

    def _most_windows(self, height: int, width: int) -> int:
        """Windows of the stage with the most: later stages see the picture enlarged by those before."""
        side = max(accumulate((stage.config.scale for stage in self.stages[:-1]), mul, initial=1))
        window = min(stage.config.window for stage in self.stages)
        return ceil(height * side / window) * ceil(width * side / window)
