"""A benchmark's rows as a table on the terminal, Markdown, CSV or JSON."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import nsr_cli
from nsr_cli.evaluate import PictureScore, Row
from nsr_cli.terminal.texts import padded

HEADER = ("set", "level", "model", "pictures", "PSNR dB", "SSIM", "s/picture", "paper (dB / SSIM)")
# A column for color JPEG, whose PSNR is on RGB: this one is on Y, as is its SSIM.
ON_Y = "PSNR Y dB"
PICTURE_HEADER = ("set", "level", "model", "picture", "PSNR dB", "SSIM", "s")
# The columns of figures.
NUMBERS = frozenset({"pictures", "PSNR dB", ON_Y, "SSIM", "s/picture", "s"})
# The paper's columns that are shown in a table; JSON and CSV hold all of them.
SHOWN = ("Bicubic", "JPEG", "Baseline", "Sparse +", "Sparse -")


def as_markdown(rows: Sequence[Row], *, per_image: bool = False) -> str:
    """Return a Markdown table with aligned columns; with `per_image` also one of the single pictures."""
    return "\n\n".join(_markdown(table) for table in tables(rows, per_image=per_image))


def _markdown(table: list[list[str]]) -> str:
    right = [i for i, title in enumerate(table[0]) if title in NUMBERS]
    titles, *lines = padded([[cell.replace("|", "\\|") for cell in line] for line in table], right)
    rule = ["-" * (len(title) - 1) + (":" if i in right else "-") for i, title in enumerate(titles)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (titles, rule, *lines))


def as_csv(rows: Sequence[Row], made: dict[str, str], *, per_image: bool = False) -> str:
    """Return CSV with full precision and plain newlines, with two columns for each of the paper's, and those of `made`.

    With `per_image` each row is followed by its single pictures, named in the column `picture`, which is empty in the
    row of their means.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.paper or {}))
    records = []
    for row in rows:
        means = _flat(row)
        paper = {
            f"paper {name} {metric}": value
            for name, figures in (row.paper or {}).items()
            for metric, value in figures.items()
        }
        records.append(({"picture": ""} if per_image else {}) | means | paper | made)
        records += [_of_picture(means, one) | made for one in row.pictures if per_image]
    columns = [f"paper {name} {metric}" for name in names for metric in ("psnr", "ssim")]
    fields = [*(["picture"] if per_image else []), *_flat(rows[0]), *columns, *made]
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().rstrip("\n")


def as_json(
    rows: Sequence[Row], device: str, precision: str, command: str, *, per_image: bool = False
) -> dict[str, Any]:
    """Return the object that `--json` prints; `command` is what the user typed, for tables to cite."""
    return {
        **made_by(device, precision),
        "command": command,
        "rows": [row.as_json(per_image=per_image) for row in rows],
    }


def made_by(device: str, precision: str) -> dict[str, str]:
    """What scores depend on besides the models: the versions of nsr and torch, device and precision."""
    return {
        "version": nsr_cli.__version__,
        "torch": version("torch"),
        "device": device,
        "precision": precision,
    }


def note(made: Mapping[str, str]) -> str:
    """What `made_by` returns, as the line below a table."""
    return f"nsr {made['version']}, torch {made['torch']}, {made['device']}, {made['precision']}."


def print_table(rows: Sequence[Row], color: bool, *, per_image: bool = False) -> None:
    """Draw the table on stdout, which is a terminal; with `per_image` also the one of the single pictures."""
    from nsr_cli.terminal.grid import draw  # Rich loads slowly

    for table in tables(rows, per_image=per_image):
        draw(table, NUMBERS, color)


def level(row: Row) -> str:
    """How strongly the pictures were degraded: `x2`, `sigma 25` or `q 10`, with the mode of a color case behind."""
    if row.task == "upscale":
        return f"x{row.scale}"
    if row.task == "denoise":
        return f"sigma {row.sigma:g}" + (" RGB" if row.color == "rgb" else "")
    return f"q {row.quality}" + (f" {row.subsampling}" if row.subsampling else "")


def one_line(row: Row) -> str:
    """A row in words, for a log."""
    on_y = f" (Y {row.psnr_y:.2f} dB)" if row.psnr_y is not None else ""
    return f"{row.set} {level(row)} {row.model}: {row.psnr:.2f} dB{on_y} / {row.ssim:.4f}"


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The table as text, its header first, with a column for PSNR on Y if a row has one."""
    return _with_y([list(HEADER), *(_cells(row) for row in rows)], [row.psnr_y for row in rows])


def picture_cells(rows: Sequence[Row]) -> list[list[str]]:
    """`cells` for the single pictures."""
    every = [(row, one) for row in rows for one in row.pictures]
    lines = [
        [
            row.set,
            level(row),
            row.model,
            one.name,
            _decibels(one.psnr),
            f"{one.ssim:.4f}",
            _seconds(one.seconds),
        ]
        for row, one in every
    ]
    return _with_y([list(PICTURE_HEADER), *lines], [one.psnr_y for _, one in every])


def tables(rows: Sequence[Row], *, per_image: bool) -> list[list[list[str]]]:
    """The table of `cells`, and with `per_image` that of `picture_cells`."""
    return [cells(rows), *([picture_cells(rows)] if per_image else [])]


def _with_y(table: list[list[str]], on_y: Sequence[float | None]) -> list[list[str]]:
    """A table, its header first, with a column for PSNR on Y added if a line has one."""
    if all(psnr is None for psnr in on_y):
        return table
    place = table[0].index("PSNR dB") + 1
    column = [ON_Y, *("-" if psnr is None else _decibels(psnr) for psnr in on_y)]
    return [[*line[:place], cell, *line[place:]] for line, cell in zip(table, column, strict=True)]


def _cells(row: Row) -> list[str]:
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
        _seconds(row.seconds_per_image),
        ", ".join(paper) or "-",
    ]


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"


def _decibels(psnr: float) -> str:
    return f"{psnr:.2f}" if math.isfinite(psnr) else "inf"


def _flat(row: Row) -> dict[str, Any]:
    record = row.as_json()
    del record["paper"]
    return _blank_none(record)


def _of_picture(means: Mapping[str, Any], one: PictureScore) -> dict[str, Any]:
    """The record of a single picture, in the form of that of the means."""
    figures = one.as_json()
    own = {"picture": figures.pop("name"), "images": 1, "seconds_per_image": figures.pop("seconds")}
    return {**means, **_blank_none(own | figures)}


def _blank_none(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: "" if value is None else value for key, value in record.items()}
