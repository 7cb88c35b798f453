"""How much memory the command takes for a large picture, with a limit and without: JSON for docs/performance/*.json.

python tools/speed_memory.py --photos DIR --form PNG --limit 400M
python tools/speed_memory.py --photos DIR --form TIFF --limit 300M
python tools/speed_memory.py --photos DIR --form TIFF --size 10000x10000 --limit 1G --bounded
"""

import argparse
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure_speed import mosaic, run, small_pictures, upscale, write  # type: ignore[import-not-found, unused-ignore]
from speed_report import Measured, report  # type: ignore[import-not-found, unused-ignore]

from nsr_cli.bench.figures import Figure
from nsr_cli.bench.networks import folded
from nsr_cli.model.checkpoint import save_network
from nsr_cli.options.values import parse_amount

_LOOK_EVERY = 0.05  # seconds between two looks at the memory


def memory(arguments: argparse.Namespace, folder: Path) -> Measured:
    """The most memory that a large picture takes, with a limit and without."""
    form, limit = arguments.form, ["--max-memory", arguments.limit]
    width, height = map(int, arguments.size.split("x"))
    crops = small_pictures(Path(arguments.photos), 100, side=250)
    sheet = mosaic(crops, 10)
    repeats = (math.ceil(height / sheet.shape[0]), math.ceil(width / sheet.shape[1]), 1)
    tiles = np.tile(sheet, repeats)[:height, :width]
    large = write(folder / f"large.{form.lower()}", tiles, form)
    small = write(folder / f"small.{form.lower()}", tiles[:64, :64], form)
    model: list[str | Path] = (
        ["--model", tiny_weights(folder / "tiny.safetensors")] if arguments.network == "tiny" else []
    )
    model += ["--precision", "fp32"]
    out = folder / f"out.{form.lower()}"
    base = peak_memory([*upscale(small, out), *model])
    figures = [Figure("the command for 64×64 pixels (libraries, weights)", base[0] / 1e6, "MB")]
    unlimited: dict[str, list[str]] = {} if arguments.bounded else {"no limit": []}
    for name, extra in ({f"`--max-memory {arguments.limit}`": limit} | unlimited).items():
        words = [*upscale(large, out), *model, *extra]
        told = re.search(r"about ([\d.]+ [kMG]B) of memory", run([*words, "--dry-run"]).text)
        taken, wall = peak_memory(words)
        more = (taken - base[0]) / 1e6
        forecast = f"{name}: `--dry-run` says {told.group(1) if told else '?'}; measured beyond the base"
        known = Figure.at_most(parse_amount(arguments.limit) / 1e6, forecast, more, "MB")
        figures += [known if extra else Figure(forecast, more, "MB"), Figure(f"{name}: time", wall, "s")]
    notes = [
        f"{width}×{height} pixels ×2, {form} in and out, {arguments.network} network, fp32.",
        "Proportional set size of the command and its decoding process together.",
    ]
    return Measured(f"Memory, {width * height / 1e6:.0f} megapixels, {form}", figures, notes)


def peak_memory(command: Sequence[str | Path]) -> tuple[int, float]:
    """The most bytes that a command and its children hold at once, and its seconds."""
    begin, most = time.perf_counter(), 0
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        while process.poll() is None:
            most = max(most, sum(map(held, family(process.pid))))
            time.sleep(_LOOK_EVERY)
        if process.returncode:
            raise SystemExit(f"{words}: {process.stderr.read() if process.stderr else process.returncode}")
    return most, time.perf_counter() - begin


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            tasks = [task / "children" for task in Path(f"/proc/{parent}/task").iterdir()]
            found += [int(child) for task in tasks for child in task.read_text().split()]
        except OSError:  # it has ended in the meantime
            continue
    return found


def held(pid: int) -> int:
    """Bytes that a process holds, with shared memory divided among its users; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def tiny_weights(path: Path) -> Path:
    """A small network with random weights, which computes as little as possible."""
    path.write_bytes(save_network(folded("tiny", scale=2)))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--form", choices=("PNG", "TIFF"), default="PNG")
    parser.add_argument("--size", default="4000x3000", help="width and height of the picture")
    parser.add_argument("--limit", default="400M")
    parser.add_argument("--bounded", action="store_true", help="leave out the run without a limit")
    parser.add_argument("--network", choices=("tiny", "lite"), default="tiny")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(lambda: memory(arguments, Path(folder)))


if __name__ == "__main__":
    main()
