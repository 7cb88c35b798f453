"""How fast the command is: one JSON object on stdout, for docs/performance/*.json.

    python tools/measure_speed.py bench --precision fp32 --repeats 3 --plot docs/performance/growth.png
    python tools/measure_speed.py precision --data DIR
    python tools/measure_speed.py start [--repeats 7]
    python tools/measure_speed.py folder --photos DIR [--repeats 3]

`start` and `folder` time the whole command as a user runs it, each time in a new process; `folder` also times restoring
alone. tools/speed_rivals.py compares it with other programs, tools/speed_memory.py measures its memory.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed_report import Measured, report  # type: ignore[import-not-found, unused-ignore]

from nsr_cli import Restorer
from nsr_cli.bench.figures import Figure
from nsr_cli.datasets.pictures import list_pictures
from nsr_cli.imaging.codec import decode, encode
from nsr_cli.imaging.picture import Picture
from nsr_cli.machine import window_threads

NSR = (sys.executable, "-m", "nsr_cli")
# What `precision` scores.
SCORED = (
    "--model lite --task upscale -s 2 --set Set5 --set Urban100",
    "--model lite --task denoise --sigma 15 --sigma 50 --set Set12",
    "--model lite --task dejpeg -q 10 -q 40 --set Classic5",
)
CROP, ROWS = 128, 10  # ROWS² pictures of CROP² pixels in a folder, and one picture of the same pixels


@dataclass(frozen=True, slots=True)
class Run:
    """The time that one process took, including its children's."""

    wall: float
    cpu: float
    text: str


def run(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; SystemExit if it fails."""
    start = time.perf_counter()
    before = os.times()
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}: {done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, cpu, done.stdout + done.stderr)


def in_turn(commands: Mapping[str, Sequence[str | Path]], repeats: int) -> dict[str, list[Run]]:
    """Each command `repeats` times, one after the other, after one round that does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(repeats + 1):
        for name, command in commands.items():
            done = run(command)
            runs[name] += [done] if number else []
    return runs


def bench(arguments: argparse.Namespace, folder: Path) -> Measured:
    """`nsr bench` with the given options."""
    plot = folder / "growth.png"
    drawing: list[str | Path] = ["--plot", plot] if arguments.plot else []
    quick = ["--quick"] if arguments.quick else []
    how = ["--precision", arguments.precision, "--repeats", str(arguments.repeats)]
    words: list[str | Path] = ["bench", *how, *quick, *drawing, "--json"]
    (answer,) = records(run([*NSR, *words]).text)
    if arguments.plot:
        shutil.copyfile(plot, arguments.plot)
    about = ", ".join(f"{name} {answer[name]}" for name in ("device", "precision", "threads", "repeats"))
    notes = [f"`nsr bench`: {about}."]
    notes += ["Full HD and 16 megapixels were left out (`--quick`)."] if arguments.quick else []
    figures = [Figure(**values) for values in answer["figures"]]
    title = f"The networks, {arguments.precision}"
    return Measured(title, figures, notes, arguments.plot and Path(arguments.plot).name)


def precision(arguments: argparse.Namespace, _: Path) -> Measured:
    """What the bundled networks lose in narrower number types, on the sets that the project is judged by."""
    rows: dict[str, dict[str, Mapping[str, float]]] = {}
    for number in ("fp32", *arguments.by):
        for words in SCORED:
            data: list[str | Path] = ["--data", arguments.data, "--precision", number, "--json"]
            (answer,) = records(run([*NSR, "eval", *words.split(), *data]).text)
            for row in answer["rows"]:
                level = next(f"{what} {row[what]:g}" for what in ("scale", "sigma", "quality") if row[what])
                name = f"{row['model']}, {row['set']} at {level}"
                rows.setdefault(name, {})[number] = row
    figures = [
        Figure.at_most(0.01, f"lost in {number}: {name}", each["fp32"]["psnr"] - each[number]["psnr"], "dB")
        for name, each in rows.items()
        for number in arguments.by
    ]
    return Measured("Narrower numbers", figures, ["`nsr eval`, means over all pictures of a set."])


def start(arguments: argparse.Namespace, folder: Path) -> Measured:
    """How long the command takes to start."""
    small = write(folder / "small.png", np.full((64, 64, 3), 128, np.uint8))
    commands: dict[str, list[str | Path]] = {
        "python": [sys.executable, "-c", "pass"],
        "torch": [sys.executable, "-c", "import torch"],
        "help": [*NSR, "--help"],
        "upscale": upscale(small, folder / "out.png"),
    }
    runs = in_turn(commands, arguments.repeats)
    wall = {name: median([one.wall for one in each]) for name, each in runs.items()}
    cpu = {name: median([one.cpu for one in each]) for name, each in runs.items()}
    beyond = wall["upscale"] - wall["torch"]
    figures = [
        Figure("`python -c pass`", wall["python"], "s"),
        Figure('`python -c "import torch"`', wall["torch"], "s"),
        Figure.at_most(0.2, "`nsr --help`, wall", wall["help"], "s"),
        Figure.at_most(0.2, "`nsr --help`, processor", cpu["help"], "s"),
        Figure("`nsr upscale` of 64×64 ×2, wall", wall["upscale"], "s"),
        Figure.at_most(0.25, "`nsr upscale` of 64×64 ×2 beyond `import torch`, wall", beyond, "s"),
        Figure("the same, processor", cpu["upscale"] - cpu["torch"], "s"),
    ]
    return Measured("Start", figures, [f"Medians of {arguments.repeats} new processes each, run in turn."])


def folder_of_many(arguments: argparse.Namespace, folder: Path) -> Measured:
    """Many small pictures against one picture of the same pixels."""
    crops = small_pictures(Path(arguments.photos), ROWS**2)
    alone = restoring_alone(crops, arguments.repeats)
    for number, crop in enumerate(crops):
        write(folder / "many" / f"{number:03}.png", crop)
    one = write(folder / "one.png", mosaic(crops, ROWS))
    tiny = write(folder / "tiny.png", crops[0][:64, :64])
    commands = {
        "one": upscale(one, folder / "one_x2.png"),
        "many": upscale(folder / "many", folder / "many_x2"),
        "start": upscale(tiny, folder / "tiny_x2.png"),
    }
    runs = in_turn(commands, arguments.repeats)
    infer = {name: median([seconds(one.text, "infer") for one in each]) for name, each in runs.items()}
    wall = {name: median([one.wall for one in each]) for name, each in runs.items()}
    wait = median([seconds(one.text, "wait") for one in runs["many"]])
    count, size, whole = ROWS**2, f"{CROP}×{CROP}", f"{CROP * ROWS}×{CROP * ROWS}"
    beyond = (wall["one"] - wall["start"]) / (wall["many"] - wall["start"])
    throughput = "throughput, small pictures over one"
    figures = [
        Figure(f"one picture of {whole}, restoring alone", alone["one"], "s"),
        Figure(f"{count} pictures of {size}, restoring alone", alone["many"], "s"),
        Figure.at_least(0.9, f"{throughput}, restoring alone", alone["one"] / alone["many"], "×"),
        Figure(f"one picture of {whole}, whole command", wall["one"], "s"),
        Figure(f"{count} pictures of {size}, whole command", wall["many"], "s"),
        Figure.at_least(0.9, f"{throughput}, whole command beyond start-up", beyond, "×"),
        Figure(f"one picture of {whole}, restoring within the command", infer["one"], "s"),
        Figure(f"{count} pictures of {size}, restoring within the command", infer["many"], "s"),
        Figure("the device waited for pictures, first one's start included", wait, "s"),
    ]
    padded = (CROP + 2) ** 2 / CROP**2 - 1
    (record,) = records(runs["one"][0].text)
    network = f"`{record['model']}` in {record['precision']}"
    notes = [
        f"`nsr upscale -s 2 --model lite --json` with {network}, medians of {arguments.repeats} runs in turn.",
        "Restoring alone: pictures in memory, in one process, side by side on the cores if small, as in the command.",
        "Within the command it is `infer`: there small pictures are read and written on the same cores meanwhile.",
        "Start-up is the whole command for 64×64 pixels.",
        f"A pixel is added around every picture: {padded:.0%} more arithmetic for {size}.",
    ]
    return Measured("Many small pictures", figures, notes)


def restoring_alone(crops: Sequence[NDArray[np.uint8]], repeats: int) -> dict[str, float]:
    """Seconds for `many` crops side by side, as `nsr upscale` does it, and for `one` mosaic of them."""
    pictures, whole = [Picture(crop) for crop in crops], Picture(mosaic(crops, ROWS))
    restorer, cores = Restorer.load("upscale", scale=2, model="lite", device="cpu"), window_threads()
    beside = restorer.on_one_core(pictures[0], cores) if cores > 1 else restorer
    if beside is None:
        raise SystemExit(f"pictures of {CROP}×{CROP} pixels are not restored side by side")
    times: dict[str, list[float]] = {"one": [], "many": []}
    with ThreadPoolExecutor(cores) as threads:
        for number in range(repeats + 1):
            started = time.perf_counter()
            restorer(whole)
            between = time.perf_counter()
            list(threads.map(beside, pictures))
            if number:  # the first round does not count
                times["one"].append(between - started)
                times["many"].append(time.perf_counter() - between)
    return {name: median(each) for name, each in times.items()}


def upscale(source: Path, target: Path) -> list[str | Path]:
    """The command that writes `target`, even if it exists."""
    how = ["-s", "2", "--model", "lite", "--if-exists", "overwrite", "--json", "--device", "cpu"]
    return [*NSR, "upscale", source, "-o", target, *how]


def seconds(text: str, step: str) -> float:
    """The sum of a step's seconds over the objects of `--json`."""
    found = records(text)
    if not found or any(record["status"] != "ok" for record in found):
        raise SystemExit(f"not every picture was restored: {text}")
    return float(sum(record["seconds"][step] for record in found))


def records(text: str) -> list[dict[str, Any]]:
    """The objects that a command printed for `--json`."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def small_pictures(photos: Path, count: int, side: int = CROP) -> list[NDArray[np.uint8]]:
    """The centers of the first photographs that are large enough."""
    crops: list[NDArray[np.uint8]] = []
    for path in list_pictures(photos):
        pixels = decode(path.read_bytes()).pixels
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        if min(top, left) >= 0 and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
            crops.append(pixels[top : top + side, left : left + side])
        if len(crops) == count:
            return crops
    raise SystemExit(f"{photos}: fewer than {count} pictures of at least {side}×{side} pixels")


def mosaic(crops: Sequence[NDArray[np.uint8]], rows: int) -> NDArray[np.uint8]:
    """Pictures of one size side by side, in `rows` rows."""
    cols = len(crops) // rows
    lines = [np.concatenate(crops[row * cols : (row + 1) * cols], axis=1) for row in range(rows)]
    return np.concatenate(lines)


def write(path: Path, pixels: NDArray[np.uint8], form: str = "PNG") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode(Picture(pixels), form))
    return path


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("bench")
    one.set_defaults(work=bench)
    one.add_argument("--quick", action="store_true")
    one.add_argument("--repeats", type=int, default=5)
    one.add_argument("--plot", metavar="FILE")
    one.add_argument("--precision", default="auto")
    one = commands.add_parser("precision")
    one.set_defaults(work=precision)
    one.add_argument("--data", required=True)
    one.add_argument("--by", nargs="+", default=["bf16"])
    one = commands.add_parser("start")
    one.set_defaults(work=start)
    one.add_argument("--repeats", type=int, default=7)
    one = commands.add_parser("folder")
    one.set_defaults(work=folder_of_many)
    one.add_argument("--photos", required=True)
    one.add_argument("--repeats", type=int, default=3)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(lambda: arguments.work(arguments, Path(folder)))


if __name__ == "__main__":
    main()
