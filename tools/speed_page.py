"""Write docs/performance.md from docs/performance/*.json: figures in it are only ever what a command printed.

    python tools/measure_speed.py start > docs/performance/20-start.json
    python tools/speed_page.py

Files are the output of tools/measure_speed.py, tools/speed_rivals.py, tools/speed_memory.py and
tools/speed_libraries.py; their order is that of their names.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsr_cli.bench.figures import Figure
from nsr_cli.bench.runs import SIZES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "docs" / "performance"
TARGET = ROOT / "docs" / "performance.md"

HEAD = """# Performance

Written by `python tools/speed_page.py` from what the commands above the tables printed (`docs/performance/*.json`);
edit those. What is compared was run in turn in one run, so that ratios hold where times do not; the authors' scheme ran
right after, in a process of its own, as their code does. Below a table stands how much of the machine other processes
used meanwhile: where it is much, seconds are too high and ratios less sure.
A target is the project's own; where it is not met, the last column says how far the figure is from it.
"""

PLAIN = ", plain network "  # in names of figures that are not of our own network
REASONS = """None was taken, for reasons besides speed. Here pictures have any size, partial windows included, and
every window chooses its kernels while the picture runs: the graphs have no operation for that, only a grouped
convolution over copies of the windows, and tiles, `--max-memory` and the edges of pictures would have to be built
again around them. PyTorch would stay, since it trains the networks and runs them on CUDA and MPS and in narrower
numbers by the same code; the packages `onnxruntime` and `openvino` would come on top of it and do not run on CUDA
cards. `torch.compile` needs a C++ compiler on the user's machine and compiles again for other sizes; TorchScript,
which leads to oneDNN's graph, is deprecated."""


def main() -> None:
    TARGET.write_text(document(SOURCES), encoding="utf-8")
    print(TARGET)


def document(folder: Path) -> str:
    """The whole page."""
    sections = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    figures = [Figure(**values) for one in sections for values in one["figures"]]
    aims = [figure for figure in figures if figure.met is not None]
    met = sum(figure.met is True for figure in aims)
    count = f"{met} of {len(aims)} targets are met."
    parts = [
        HEAD,
        count if _has_full_hd(figures) else f"{count} The networks on full HD were not measured.",
        "",
    ]
    for section in sections:
        parts += _section(section, folder.name)
    parts += libraries([section for section in sections if section.get("base")])
    return "\n".join(parts)


def _has_full_hd(figures: Sequence[Figure]) -> bool:
    """Whether `nsr bench` ran without `--quick`."""
    height, width = SIZES[-1]
    return any(f"{width}×{height}" in figure.name for figure in figures)


def _section(section: Mapping[str, Any], folder: str) -> Iterator[str]:
    yield from (f"## {section['title']}", "", f"```sh\n{section['command']}\n```", "")
    yield from _multiples(section) if section.get("base") else _targets(section)
    yield ""
    yield from (f"- {note}" for note in section["notes"])
    yield f"- {place(section['machine'])}"
    if section["plot"]:
        yield from ("", f"![time for one picture against its megapixels]({folder}/{section['plot']})")
    yield ""


def _targets(section: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| figure | value | target | met |", "| --- | ---: | --- | --- |")
    for figure in (Figure(**values) for values in section["figures"]):
        name = figure.name.replace("|", "\\|")
        yield f"| {name} | {shown(figure.value, figure.unit)} | {figure.target or ''} | {verdict(figure)} |"


def _multiples(section: Mapping[str, Any]) -> Iterator[str]:
    """A table of times, each also as a multiple of the first."""
    yield from ("| run by | time | over our engine |", "| --- | ---: | ---: |")
    times = multiples(section)
    for figure in (Figure(**values) for values in section["figures"]):
        yield f"| {figure.name} | {shown(figure.value, figure.unit)} | {shown(times[figure.name], '×')} |"


def multiples(section: Mapping[str, Any]) -> dict[str, float]:
    """The times of a section over that of its base."""
    values = {figure["name"]: figure["value"] for figure in section["figures"]}
    return {name: value / values[section["base"]] for name, value in values.items()}


def libraries(sections: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why other libraries are not used; nothing if none was measured."""
    plain: dict[str, float] = {}
    sparse: dict[str, float] = {}
    gains: list[float] = []  # of the fastest over PyTorch, on plain networks
    for section in sections:
        others = {name: times for name, times in multiples(section).items() if name != section["base"]}
        is_plain = any(PLAIN in name for name in others)
        (plain if is_plain else sparse).update(others)
        gains += [
            min(others.values()) / own
            for name, own in others.items()
            if is_plain and name.startswith("PyTorch ")
        ]
    if plain or sparse:
        yield from ("## Why no other library was taken", "")
        if sparse:
            yield f"- Our network itself, run by other means: {span(sparse)}."
        if plain:
            yield f"- A plain network of the same shape, which chooses no kernels: {span(plain)}."
        if gains:
            yield f"- The fastest of them on plain convolutions against PyTorch: {shown(min(gains), '×')} its time."
        yield ""
        yield from (REASONS, "")


def span(times: Mapping[str, float]) -> str:
    """The least and the greatest of some multiples, and whose they are."""
    least, most = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
    return (
        f"{shown(times[least], '×')} ({least}) to {shown(times[most], '×')} ({most}) the time of our engine"
    )


def place(machine: Mapping[str, Any]) -> str:
    """The machine in words."""
    flags = f", {', '.join(machine['flags'])}" if machine["flags"] else ""
    where = f"{machine['processor']}{flags}, {machine['cores']} cores, torch {machine['torch']}, {machine['date']}"
    return f"{where}; others used {machine['others']:.0%} of it."


def shown(value: float, unit: str) -> str:
    """A value with three significant digits and its unit; dB have two decimals."""
    decimals = 2 if unit == "dB" else max(0, 3 - len(str(int(abs(value))))) + (abs(value) < 1)
    sign = "−" if value < 0 and float(f"{value:.{decimals}f}") else ""
    return f"{sign}{abs(value):.{decimals}f}{f' {unit}' if unit else ''}"


def verdict(figure: Figure) -> str:
    """Whether a target is met; if not, by how much it is missed."""
    if figure.met is None:
        return ""
    if figure.met:
        return "yes"
    missing = abs(figure.value - float(figure.target.split()[-1]))
    return f"no, by {shown(missing, figure.unit)}"


if __name__ == "__main__":
    main()
