"""What the tools that measure speed print: figures, the command, the machine, and how busy others kept it."""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from commands import shown  # type: ignore[import-not-found, unused-ignore]

from nsr_cli.bench.figures import Figure
from nsr_cli.machine import usable_threads

# CPU features that decide how fast convolutions are.
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
_IDLE = (3, 4)  # columns of /proc/stat: idle, waiting for a disk


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement, for a section of the page."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    plot: str | None = None  # a picture beside the JSON
    base: str | None = None  # the figure of which the others are shown as multiples, instead of targets


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """The machine on which the figures were measured."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in known.items()}
    has = facts.get("flags", facts.get("Features", "")).split()
    family = "/".join(facts[name] for name in ("cpu family", "model") if name in facts)
    return {
        "processor": facts.get("model name", "unknown") + (f" (family/model {family})" if family else ""),
        "flags": [flag for flag in _TELLING_FLAGS if flag in has],
        "cores": usable_threads(),
        "torch": version("torch"),
        "date": time.strftime("%Y-%m-%d"),
    }


def public(words: Sequence[str]) -> str:
    """The command of a tool of this repository, without private paths."""
    return f"python tools/{shown(words)}"


def report(measure: Callable[[], Measured]) -> None:
    """Measure, and print everything that the page needs as one JSON object."""
    begin, before = time.perf_counter(), busy_of_others()
    measured = measure()
    seconds = (time.perf_counter() - begin) * (os.cpu_count() or 1)
    others = max(0.0, busy_of_others() - before) / seconds
    about = {"schema": 1, "command": public(sys.argv), "machine": {**machine(), "others": round(others, 3)}}
    print(json.dumps({**about, **dataclasses.asdict(measured)}, indent=1, ensure_ascii=False))


def busy_of_others(stat: Path = Path("/proc/stat")) -> float:
    """Seconds that the processors have worked for other processes than this one and its ended children."""
    if not stat.exists():
        return 0.0
    columns = [int(word) for word in stat.read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]]
    worked = sum(ticks for index, ticks in enumerate(columns) if index not in _IDLE)
    return worked / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
