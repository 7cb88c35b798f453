"""Write docs/results.md from docs/results/*.json: figures in it are only ever what a command printed.

    NSR_DATA=… nsr eval --set Set5 -s 2 -s 3 -s 4 --model bicubic --model lite --json > docs/results/10-set5-lite.json
    python tools/ablation.py …  and  cp runs/ablation/1500-steps/ablation.json docs/results/90-ablation.json
    python tools/make_results.py

A file is the output of `nsr eval --json`, or tables of text ("kind": "tables"). Sections are in the order of the files'
names; a number in front of a name is left out of the heading.
"""

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import shown  # type: ignore[import-not-found, unused-ignore]

from nsr_cli.evaluate import Row
from nsr_cli.scoreboard import scores

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "docs" / "results"
TARGET = ROOT / "docs" / "results.md"
# Options left out of commands: where things are on one machine (each with a value), and switches.
_PRIVATE, _PRIVATE_FLAGS = frozenset({"--data"}), frozenset({"--json", "--offline", "--quiet"})

HEAD = """# Results

Written by `python tools/make_results.py` from what the commands above the tables printed (`docs/results/*.json`); edit
those. `nsr eval --help` states the protocol. "paper" is *Neural Sparse Representation for Image Restoration* (2020),
tables 4 to 6. Seconds a picture are those of the machine that ran the command, other work on it included.
"""


def main() -> None:
    TARGET.write_text(document(SOURCES), encoding="utf-8")
    print(TARGET)


def document(folder: Path) -> str:
    """The whole page."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        parts.append(_tables(content) if content.get("kind") == "tables" else _benchmark(path.stem, content))
    return "\n".join(parts)


def _benchmark(stem: str, answer: Mapping[str, Any]) -> str:
    """The section for one output of `nsr eval --json`."""
    rows = [_row(values) for values in answer["rows"]]
    heading = re.sub(r"^\d+-", "", stem).replace("-", " ")
    return "\n".join(
        [
            f"## {heading[:1].upper()}{heading[1:]}",
            "",
            _block(public(answer["command"])),
            "",
            scores.as_markdown(rows),
            "",
            *_against_paper(rows),
            scores.note(answer),
            "",
        ]
    )


def _row(values: Mapping[str, Any]) -> Row:
    """The inverse of `Row.as_json`, without the single pictures: null for PSNR is infinity."""
    means = {name: value for name, value in values.items() if name != "per_image"}
    return Row(**{**means, "psnr": math.inf if values["psnr"] is None else values["psnr"]})


def public(command: str) -> str:
    """The command without private paths, and without options that change no score."""
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        if word in _PRIVATE:
            next(words, None)
        elif word not in _PRIVATE_FLAGS and not word.startswith(tuple(f"{name}=" for name in _PRIVATE)):
            kept.append(word)
    return str(shown(kept))


def _against_paper(rows: Iterable[Row]) -> list[str]:
    """How far the networks are from the paper's, in words."""
    lines = []
    for row in rows:
        theirs = {
            name: figures["psnr"]
            for name, figures in (row.paper or {}).items()
            if name.startswith("Sparse") and figures["psnr"] is not None
        }
        if row.model_sha256 is None or not theirs:
            continue
        best = max(theirs, key=lambda name: theirs[name] or 0)
        gap = row.psnr - (theirs[best] or 0)
        word = "above" if gap >= 0 else "below"
        lines.append(
            f"- {row.set} {scores.level(row)}, {row.model}: {abs(gap):.2f} dB {word} the paper's {best}."
        )
    return [*lines, ""] if lines else []


def _tables(content: Mapping[str, Any]) -> str:
    """The section for tables that a tool of this repository wrote as text."""
    parts = [f"## {content['title']}", "", _block(content["command"]), "", content["about"], ""]
    for table in content["tables"]:
        parts += [f"### {table['title']}", "", _markdown(table["header"], table["rows"]), ""]
        parts += [*(f"- {note}" for note in table["notes"]), ""]
    return "\n".join(parts)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _block(command: str) -> str:
    return f"```sh\n{command}\n```"


if __name__ == "__main__":
    main()
