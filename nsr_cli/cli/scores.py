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
# Of the paper's columns, those that stand in a table; JSON and CSV hold all of them.
SHOWN = ("Bicubic", "JPEG", "Baseline", "Sparse +", "Sparse -")


def as_markdown(rows: "Sequence[Row]") -> str:
    """Return a Markdown table with aligned columns."""
    cells = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADER))]
    lines = [_markdown_line(line, widths) for line in cells]
    rule = [("-" * (width - 1) + ":") if 3 <= i <= 6 else "-" * width for i, width in enumerate(widths)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


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


def as_json(rows: "Sequence[Row]", device: str, precision: str) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    return {
        "schema": 1,
        "version": nsr_cli.__version__,
        "torch": version("torch"),
        "device": device,
        "precision": precision,
        "rows": [row.as_json() for row in rows],
    }


def print_table(rows: "Sequence[Row]", color: bool) -> None:
    """Draw the table on stdout, a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for i, title in enumerate(HEADER):
        table.add_column(title, justify="right" if 3 <= i <= 6 else "left")
    previous = None
    for row in rows:
        if previous not in (None, row.set):
            table.add_section()
        previous = row.set
        table.add_row(*(Text(cell) for cell in _cells(row)))
    Console(no_color=not color, highlight=False).print(table)


def level(row: "Row") -> str:
    """How strongly the pictures were degraded: `x2`, `sigma 25` or `q 10`."""
    if row.task == "upscale":
        return f"x{row.scale}"
    return f"sigma {row.sigma:g}" if row.task == "denoise" else f"q {row.quality}"


def one_line(row: "Row") -> str:
    """A row in words, for a log."""
    return f"{row.set} {level(row)} {row.model}: {row.psnr:.2f} dB / {row.ssim:.4f}"


def _cells(row: "Row") -> tuple[str, ...]:
    paper = [
        f"{name} {figures['psnr']:.2f}" + (f" / {figures['ssim']:.4f}" if figures["ssim"] is not None else "")
        for name, figures in (row.paper or {}).items()
        if name in SHOWN
    ]
    return (
        row.set,
        level(row),
        row.model,
        str(row.images),
        f"{row.psnr:.2f}" if math.isfinite(row.psnr) else "inf",
        f"{row.ssim:.4f}",
        f"{row.seconds_per_image:.3f}",
        ", ".join(paper) or "-",
    )


def _markdown_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    padded = [
        cell.rjust(width) if 3 <= i <= 6 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(escaped, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"


def _flat(row: "Row") -> dict[str, Any]:
    record = row.as_json()
    del record["paper"]
    return {key: "" if value is None else value for key, value in record.items()}
