"""The paper's ablation at a small scale: every row trained on the same short schedule, scored, and ranked.

    python tools/ablation.py --data photos/ --data bsds500/ --sets-in benchmarks/ [--steps 1500] [--only NAME]

The network is ×2 with 2 blocks of 32 channels, 4 times as many inside; rows differ only in options of `nsr train`.
Each row is `nsr train`, `nsr weights publish` and `nsr eval` in separate processes. Finished rows are not repeated, and
an interrupted one is resumed. Rows with the same network share one run. The summary goes to OUT/N-steps/ablation.json,
which `tools/make_results.py` puts into docs/results.md.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from commands import shown  # type: ignore[import-not-found, unused-ignore]

# 32 channels, 4 times as many inside, k = 4, d = 16, softmax
NETWORK = ("--network", "lite", "--blocks", "2")
BASE = "softmax"
SPREAD_SEEDS = (1, 2)  # besides 0, which all rows use
_NUMBERS = {2: "two", 3: "three"}
PLAIN = ("--selection", "none", "--groups", "1", "--cardinality", "1")


@dataclass(frozen=True, slots=True)
class Run:
    """One network to train: a name for its folder and how it differs from the base."""

    name: str
    options: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its name, the run that it shows, and the paper's PSNR (dB, DIV2K ×2)."""

    label: str
    run: str
    paper: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Lines that are compared with each other."""

    title: str
    lines: tuple[Line, ...]


RUNS = (
    Run("plain", PLAIN),
    Run(BASE),
    Run("sigmoid", ("--selection", "sigmoid")),
    Run("gumbel", ("--selection", "gumbel")),
    Run("tau10", ("--temperature", "10")),
    Run("tau01", ("--temperature", "0.1")),
    Run("shared", ("--shared",)),
    Run("d1", ("--cardinality", "1")),
    Run("d4", ("--cardinality", "4")),
    Run("k2", ("--groups", "2")),
    Run("k8", ("--groups", "8")),
    Run("k16", ("--groups", "16")),
    Run("se", ("--selection", "sigmoid", "--groups", "1", "--cardinality", "0")),
    *(Run(f"{BASE}-seed{seed}", (), seed) for seed in SPREAD_SEEDS),
)

TABLES = (
    Table(
        "Constraint on the selection (the paper's Table 1: DIV2K, 16 blocks, its full schedule)",
        (
            Line("N/A: plain convolutions", "plain", 34.76),
            Line("sigmoid (CondConv)", "sigmoid", 34.81),
            Line("Gumbel-softmax", "gumbel", 34.45),
            Line("softmax τ = 10", "tau10", 34.86),
            Line("softmax τ = 1", BASE, 34.87),
            Line("softmax τ = 0.1", "tau01", 34.83),
            Line("one selection for both convolutions", "shared", 34.85),
        ),
    ),
    Table(
        "Sparsity groups k at equal arithmetic (the paper's Table 3: DIV2K, 2 blocks)",
        (
            Line("k = 1: plain convolutions", "plain", 33.91),
            Line("k = 2", "k2", 33.98),
            Line("k = 4", BASE, 34.07),
            Line("k = 8", "k8", 34.14),
            Line("k = 16", "k16", 34.17),
        ),
    ),
    Table(
        "Cardinal groups d, and Squeeze-and-Excitation as their limit",
        (
            Line("d = 1", "d1"),
            Line("d = 4", "d4"),
            Line("d = 16", BASE),
            Line("k = 1, d = every channel, sigmoid (SE)", "se"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Harness:
    """Where to run, and how long."""

    data: tuple[Path, ...]
    sets: tuple[str, ...]
    sets_in: Path | None
    out: Path
    steps: int
    device: str

    @property
    def folder(self) -> Path:
        """The folder for this length: runs of different lengths never mix."""
        return self.out / f"{self.steps}-steps"

    def train_command(self, run: Run) -> list[str]:
        """The arguments of `nsr train`."""
        data = [option for folder in self.data for option in ("--data", str(folder))]
        return [
            "train", "upscale-x2", *NETWORK, *run.options, *data, "--out", str(self.folder / run.name),
            "--steps", str(self.steps), "--batch", "4", "--schedule", "cosine", "--seed", str(run.seed),
            "--validate-every", str(2 * self.steps), "--device", self.device,
        ]  # fmt: skip

    def eval_command(self, run: Run) -> list[str]:
        """The arguments of `nsr eval`."""
        sets = [option for name in self.sets for option in ("--set", name)]
        where = ["--data", str(self.sets_in)] if self.sets_in else []
        weights = self.folder / "weights" / f"ablation-{run.name}.safetensors"
        return ["eval", *sets, "-s", "2", "--model", str(weights), *where, "--device", self.device, "--json"]

    def result(self, run: Run) -> dict[str, Any] | None:
        """The result of a finished run; None if it must be done (again)."""
        try:
            saved: dict[str, Any] = json.loads(self.file_of(run).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = saved.get("train") == self.train_command(run) and saved.get("eval") == self.eval_command(run)
        return saved if same else None

    def file_of(self, run: Run) -> Path:
        """The result's file."""
        return self.folder / f"{run.name}.json"

    def do(self, run: Run) -> dict[str, Any]:
        """Train, publish and score; returns the saved result."""
        weights = self.folder / "weights"
        weights.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        _nsr([*self.train_command(run), "--resume"])
        seconds = time.monotonic() - start
        name = f"ablation-{run.name}"
        _nsr(["weights", "publish", str(self.folder / run.name), "--name", name, "--which", "last",
              "--manifest", str(weights / "manifest.json"), "--folder", str(weights)])  # fmt: skip
        rows = json.loads(_nsr(self.eval_command(run)))["rows"]
        scores = {
            row["set"]: {"psnr": row["psnr"], "ssim": row["ssim"], "images": row["images"]} for row in rows
        }
        saved = {
            "train": self.train_command(run),
            "eval": self.eval_command(run),
            "seconds": seconds,
            "scores": scores,
        }
        partial = self.file_of(run).with_suffix(".part")
        partial.write_text(json.dumps(saved, indent=1), encoding="utf-8")
        partial.replace(self.file_of(run))
        return saved


def _nsr(arguments: Sequence[str]) -> str:
    """Run nsr; what it prints on stderr stays visible, stdout is returned."""
    command = [sys.executable, "-m", "nsr_cli", *arguments]
    print("+ nsr " + shlex.join(arguments), flush=True)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


def differences(
    table: Table, ours: dict[str, float], spread: float | None
) -> Iterable[tuple[Line, Line, float, bool]]:
    """Pairs whose order differs from the paper's.

    Each is the line that is better there, the one that is better here, by how much, and whether that is within the
    spread.

    Args:
        table: its lines with the paper's figures.
        ours: PSNR of each run.
        spread: highest minus lowest of one network with several seeds; None if unknown.
    """
    known = [line for line in table.lines if line.paper is not None and line.run in ours]
    for one, other in combinations(known, 2):
        first, second = sorted((one, other), key=lambda line: -(line.paper or 0))
        if first.paper != second.paper and ours[first.run] < ours[second.run]:
            gap = ours[second.run] - ours[first.run]
            yield first, second, gap, spread is not None and gap <= spread


def summary(harness: Harness) -> dict[str, Any]:
    """Everything that is done, as tables of text for `tools/make_results.py`."""
    done = {run.name: result for run in RUNS if (result := harness.result(run)) is not None}
    sets = [name for name in harness.sets if all(name in result["scores"] for result in done.values())]
    psnr = {name: {run: result["scores"][name]["psnr"] for run, result in done.items()} for name in sets}
    spreads = {name: _spread(figures) for name, figures in psnr.items()}
    tables = [_table(table, psnr, spreads) for table in TABLES]
    example = harness.train_command(RUNS[1])
    data = [part for folder in harness.data for part in ("--data", str(folder))]
    words = ["ablation.py", *data, "--steps", str(harness.steps)]
    return {
        "kind": "tables",
        "title": "Ablation",
        "command": f"python tools/{shown(words)}",
        "about": f"Every row: ×2, 2 blocks of 32 channels ×4, {harness.steps} steps of 4 patches, cosine, seed 0:\n"
        f"`nsr {shown(example)}`.\n{_about_seeds(psnr)}",
        "tables": tables,
        "runs": {
            name: {"scores": r["scores"], "seconds": round(r["seconds"], 1)} for name, r in done.items()
        },
    }


def _spread(figures: dict[str, float]) -> float | None:
    seeds = _of_seeds(figures)
    return max(seeds) - min(seeds) if len(seeds) > 1 else None


def _of_seeds(figures: dict[str, float]) -> list[float]:
    """The scores of one network, trained with different seeds."""
    return [figures[name] for name in (BASE, *(f"{BASE}-seed{s}" for s in SPREAD_SEEDS)) if name in figures]


def _about_seeds(psnr: dict[str, dict[str, float]]) -> str:
    """How much chance matters, in words; a run has scores on all sets or none."""
    counts = {len(_of_seeds(figures)) for figures in psnr.values()}
    if max(counts, default=0) < 2:
        return "No row was trained with several seeds."
    spreads = ", ".join(f"{name} {_decibels(_spread(figures))} dB" for name, figures in psnr.items())
    return f"Highest minus lowest of {_NUMBERS[max(counts)]} seeds of one row: {spreads}."


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(
    table: Table, psnr: dict[str, dict[str, float]], spreads: dict[str, float | None]
) -> dict[str, Any]:
    header = ["row", "paper dB", *(f"{name} dB" for name in psnr)]
    rows = [
        [line.label, "–" if line.paper is None else f"{line.paper:.2f}"]
        + [_decibels(figures.get(line.run)) for figures in psnr.values()]
        for line in table.lines
    ]
    notes = []
    if any(line.paper is not None for line in table.lines):
        notes.append(f"Paper: {_order((line.label, line.paper) for line in table.lines)}.")
    for name, figures in psnr.items():
        notes.append(f"{name}: {_order((line.label, figures.get(line.run)) for line in table.lines)}.")
        against = [
            f"{second.label} above {first.label} by {gap:.3f} dB" + (" (within the spread)" if small else "")
            for first, second, gap, small in differences(table, figures, spreads[name])
        ]
        if against:
            notes.append(f"{name}, other than in the paper: {'; '.join(against)}.")
        elif any(line.paper is not None for line in table.lines):
            notes.append(f"{name}: the order is the paper's.")
    return {"title": table.title, "header": header, "rows": rows, "notes": notes}


def _order(figures: Iterable[tuple[str, float | None]]) -> str:
    known = sorted(
        ((label, value) for label, value in figures if value is not None), key=lambda pair: -pair[1]
    )
    return " > ".join(label for label, _ in known)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True, help="training pictures")
    parser.add_argument("--set", action="append", dest="sets", help="to score on [Set5, BSD100]")
    parser.add_argument("--sets-in", type=Path, help="folder that holds SET/*")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only", action="append", choices=[run.name for run in RUNS], help="these rows alone"
    )
    arguments = parser.parse_args()
    harness = Harness(
        tuple(arguments.data),
        tuple(arguments.sets or ("Set5", "BSD100")),
        arguments.sets_in,
        arguments.out,
        arguments.steps,
        arguments.device,
    )
    target = harness.folder / "ablation.json"
    for run in RUNS:
        if arguments.only and run.name not in arguments.only:
            continue
        if harness.result(run) is None:
            result = harness.do(run)
            print(f"{run.name}: {result['seconds']:.0f} s, {result['scores']}", flush=True)
        else:
            print(f"{run.name}: done before", flush=True)
        target.write_text(json.dumps(summary(harness), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for table in summary(harness)["tables"]:
        print(f"\n{table['title']}")
        for line in (table["header"], *table["rows"]):
            print("  " + "  ".join(line))
        print("\n".join(table["notes"]))
    print(f"\n{target}")


if __name__ == "__main__":
    main()
