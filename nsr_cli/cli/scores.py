"""A benchmark's rows as a table on the terminal, Markdown, CSV or JSON."""

import csv
import io
import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import nsr_cli

if TYPE_CHECKING:
    from nsr_cli.evaluate import Row

HEADER = ("set", "level", "model", "pictures", "PSNR dB", "SSIM", "s/picture", "paper (dB / SSIM)")
# With color JPEG in the table: its PSNR is that of RGB, and here is the one of Y, on which its SSIM is measured too.
ON_Y = "PSNR Y dB"
_NUMBERS = frozenset({"pictures", "PSNR dB", ON_Y, "SSIM", "s/picture"})
# Of the paper's columns, those that stand in a table; JSON and CSV hold all of them.
SHOWN = ("Bicubic", "JPEG", "Baseline", "Sparse +", "Sparse -")


def as_markdown(rows: "Sequence[Row]") -> str:
    """Return a Markdown table with aligned columns."""
    titles, *lines = ([cell.replace("|", "\\|") for cell in line] for line in cells(rows))
    right = [title in _NUMBERS for title in titles]
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    rule = [
        "-" * (width - 1) + (":" if numbers else "-") for width, numbers in zip(widths, right, strict=True)
    ]
    padded = [
        [
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(line, widths, right, strict=True)
        ]
        for line in (titles, rule, *lines)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def as_csv(rows: "Sequence[Row]") -> str:
    """Return CSV with full precision, plain newlines and two columns for each of the paper's."""
    names = list(dict.fromkeys(name for row in rows for name in row.paper or {}))
    records = [_flat(row) for row in rows]
    fields = list(records[0]) + [f"paper {name} {metric}" for name in names for metric in ("psnr", "ssim")]
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    for row, record in zip(rows, records, strict=True):
        for name, figures in (row.paper or {}).items():
            record |= {f"paper {name} {metric}": value for metric, value in figures.items()}
        writer.writerow(record)
    return out.getvalue().rstrip("\n")


def as_json(rows: "Sequence[Row]", device: str, precision: str, command: str) -> dict[str, Any]:
    """Return the object that `--json` prints; `command` is what was typed, so that tables can cite it."""
    return {
        "schema": 1,
        "version": nsr_cli.__version__,
        "torch": version("torch"),
        "device": device,
        "precision": precision,
        "command": command,
        "rows": [row.as_json() for row in rows],
    }


def print_table(rows: "Sequence[Row]", color: bool) -> None:
    """Draw the table on stdout, a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    titles, *lines = cells(rows)
    for title in titles:
        table.add_column(title, justify="right" if title in _NUMBERS else "left")
    previous = None
    for row, line in zip(rows, lines, strict=True):
        if previous not in (None, row.set):
            table.add_section()
        previous = row.set
        table.add_row(*(Text(cell) for cell in line))
    Console(no_color=not color, highlight=False).print(table)


def level(row: "Row") -> str:
    """How strongly the pictures were degraded: `x2`, `sigma 25` or `q 10`, and how if they were in color."""
    if row.task == "upscale":
        return f"x{row.scale}"
    if row.task == "denoise":
        return f"sigma {row.sigma:g}" + (" RGB" if row.color == "rgb" else "")
    return f"q {row.quality}" + (f" {row.subsampling}" if row.subsampling else "")


def one_line(row: "Row") -> str:
    """A row in words, for a log."""
    on_y = f" (Y {row.psnr_y:.2f} dB)" if row.psnr_y is not None else ""
    return f"{row.set} {level(row)} {row.model}: {row.psnr:.2f} dB{on_y} / {row.ssim:.4f}"


def cells(rows: "Sequence[Row]") -> list[list[str]]:
    """The table as text, its header first; PSNR on Y has a column only if a row has that figure."""
    on_y = any(row.psnr_y is not None for row in rows)
    place = HEADER.index("PSNR dB") + 1
    titles = [*HEADER[:place], *([ON_Y] if on_y else []), *HEADER[place:]]
    lines = [_cells(row) for row in rows]
    if on_y:
        for line, row in zip(lines, rows, strict=True):
            line.insert(place, "-" if row.psnr_y is None else _decibels(row.psnr_y))
    return [titles, *lines]


def _cells(row: "Row") -> list[str]:
    paper = [
        f"{name} {figures['psnr']:.2f}" + (f" / {figures['ssim']:.4f}" if figures["ssim"] is not None else "")
        for name, figures in (row.paper or {}).items()
        if name in SHOWN
    ]
    return [
        row.set,
        level(row),
        row.model,
        f"{row.images} of {row.set_images}" if row.is_partial else str(row.images),
        _decibels(row.psnr),
        f"{row.ssim:.4f}",
        f"{row.seconds_per_image:.3f}",
        ", ".join(paper) or "-",
    ]


def _decibels(psnr: float) -> str:
    return f"{psnr:.2f}" if math.isfinite(psnr) else "inf"


def _flat(row: "Row") -> dict[str, Any]:
    record = row.as_json()
    del record["paper"]
    return {key: "" if value is None else value for key, value in record.items()}
