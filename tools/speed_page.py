"""Write docs/performance.md from docs/performance/*.json: figures in it are only ever what a command printed.

    python tools/measure_speed.py start > docs/performance/20-start.json
    python tools/speed_page.py

Files are the output of tools/measure_speed.py and tools/speed_rivals.py; their order is that of their names.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsr_cli.bench.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "docs" / "performance"
TARGET = ROOT / "docs" / "performance.md"

HEAD = """# Performance

Written by `python tools/speed_page.py` from what the commands above the tables printed (`docs/performance/*.json`);
edit those. What is compared was run in turn in one run, so that ratios hold where times do not. Below a table stands
how much of the machine other processes used meanwhile: where it is much, seconds are too high and ratios less sure.
A target is the project's own; where it is not met, the last column says how far the figure is from it. The networks on
full HD were not measured.
"""


def main() -> None:
    TARGET.write_text(document(SOURCES), encoding="utf-8")
    print(TARGET)


def document(folder: Path) -> str:
    """The whole page."""
    sections = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    figures = [Figure(**values) for one in sections for values in one["figures"]]
    aims = [figure for figure in figures if figure.met is not None]
    met = sum(figure.met is True for figure in aims)
    parts = [HEAD, f"{met} of {len(aims)} targets are met.", ""]
    for section in sections:
        parts += _section(section, folder.name)
    return "\n".join(parts)


def _section(section: Mapping[str, Any], folder: str) -> Iterator[str]:
    yield from (f"## {section['title']}", "", f"```sh\n{section['command']}\n```", "")
    yield from ("| figure | value | target | met |", "| --- | ---: | --- | --- |")
    for figure in (Figure(**values) for values in section["figures"]):
        name = figure.name.replace("|", "\\|")
        yield f"| {name} | {shown(figure.value, figure.unit)} | {figure.target} | {verdict(figure)} |"
    yield ""
    yield from (f"- {note}" for note in section["notes"])
    yield f"- {place(section['machine'])}"
    if section["plot"]:
        yield from ("", f"![time for one picture against its megapixels]({folder}/{section['plot']})")
    yield ""


def place(machine: Mapping[str, Any]) -> str:
    """The machine in words."""
    flags = f", {', '.join(machine['flags'])}" if machine["flags"] else ""
    where = f"{machine['processor']}{flags}, {machine['cores']} cores, torch {machine['torch']}, {machine['date']}"
    return f"{where}; others used {machine['others']:.0%} of it."


def shown(value: float, unit: str) -> str:
    """Three digits that count, and the unit: dB have two decimals."""
    decimals = 2 if unit == "dB" else max(0, 3 - len(str(int(abs(value))))) + (abs(value) < 1)
    sign = "−" if value < 0 and float(f"{value:.{decimals}f}") else ""
    return f"{sign}{abs(value):.{decimals}f}{f' {unit}' if unit else ''}"


def verdict(figure: Figure) -> str:
    """Whether a target is met; if not, by how much not."""
    if figure.met is None:
        return ""
    if figure.met:
        return "yes"
    missing = abs(figure.value - float(figure.target.split()[-1]))
    return f"no, by {shown(missing, figure.unit)}"


if __name__ == "__main__":
    main()
