"""Files of a run for people to read: `config.json`, `metrics.csv` while it goes on, and `curve.png` at its end."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw

from nsr_cli.files import write_atomic
from nsr_cli.imaging.codec import encode
from nsr_cli.imaging.picture import Picture
from nsr_cli.reads import read_regular, refuse_others
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import TrainingStatus

_COLUMNS = ("step", "seconds", "loss", "learning_rate", "psnr")
_NEWLINE = "\r\n"  # as CSV has it (RFC 4180)
_SIZE, _MARGIN = (900, 520), 60
_COLORS = {"loss": (31, 119, 180), "psnr": (214, 39, 40)}


def write_config(run: Path, recipe: Recipe, data: Sequence[str]) -> None:
    """Write the recipe and the training pictures into the folder of a run.

    Raises:
        WriteError: it cannot be written.
    """
    document = {"recipe": recipe.to_dict(), "data": list(data)}
    write_atomic(run / "config.json", json.dumps(document, indent=2).encode(), devices=False)


def data_of(run: Path) -> list[str]:
    """The training pictures in the words of RUN/config.json; empty if it cannot be read."""
    try:
        return [_in_new_words(str(item)) for item in json.loads(read_regular(run / "config.json"))["data"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _in_new_words(data: str) -> str:
    """The words of older versions as they would be today, so that runs compare as the same."""
    return data.replace("1 pictures", "1 picture", 1) if data.startswith("1 pictures of ") else data


def append(run: Path, status: TrainingStatus) -> None:
    """Add one line to RUN/metrics.csv; after an incomplete one, left by a crash or a full disk, begin a new line.

    Raises:
        OSError: it cannot be written.
    """
    path = run / "metrics.csv"
    refuse_others(path)
    psnr = "" if status.psnr is None else f"{status.psnr:.4f}"
    line = f"{status.step},{status.seconds:.1f},{status.loss:.6f},{status.learning_rate:.3e},{psnr}{_NEWLINE}"
    with path.open("a+b") as file:
        if not file.tell():  # new, or empty since a disk was full
            line = f"{','.join(_COLUMNS)}{_NEWLINE}{line}"
        elif not _ends_a_line(file):
            line = f"{_NEWLINE}{line}"
        file.write(line.encode())


def _ends_a_line(file: BinaryIO) -> bool:
    """Whether a file, which must not be empty, ends with a newline."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def read(run: Path) -> list[dict[str, float]]:
    """The lines of RUN/metrics.csv, without broken ones; of several for one step, the last."""
    rows: dict[int, dict[str, float]] = {}
    try:
        lines = read_regular(run / "metrics.csv").decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    for line in lines:
        try:
            row = {name: float(value) for name, value in zip(_COLUMNS, line.split(","), strict=True) if value}
            if len(row) >= len(_COLUMNS) - 1:
                rows[int(row["step"])] = row
        except (ValueError, KeyError, OverflowError):
            continue
    return [rows[step] for step in sorted(rows)]


def draw_curve(run: Path) -> Path | None:
    """Draw loss (left, blue) and validation PSNR (right, red) over steps; None with fewer than two lines."""
    rows = read(run)
    if len(rows) < 2:
        return None
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    box = (_MARGIN, _MARGIN // 2, _SIZE[0] - _MARGIN, _SIZE[1] - _MARGIN)
    draw.rectangle(box, outline="gray")
    span = (rows[0]["step"], rows[-1]["step"])
    for name, left_side in (("loss", True), ("psnr", False)):
        points = [(row["step"], row[name]) for row in rows if name in row]
        if len(points) >= 2:
            _draw_line(draw, box, span, points, name, left_side=left_side)
    for step in span:
        x = _scaled(step, span, box[0], box[2])
        draw.text((x, box[3] + 8), f"step {step:g}", fill="black", anchor="mt")
    path = run / "curve.png"
    write_atomic(path, encode(Picture(np.asarray(image)), "PNG"), devices=False)
    return path


def _draw_line(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    span: tuple[float, float],
    points: list[tuple[float, float]],
    name: str,
    *,
    left_side: bool,
) -> None:
    """One curve on its own axis; the first eighth of a run, often far above the rest, may exceed the top."""
    settled = [value for _, value in points[len(points) // 8 :]]
    low, high = min(settled), max(settled)
    high = high if high > low else low + 1e-6
    xy = [
        (
            _scaled(step, span, box[0], box[2]),
            min(max(_scaled(value, (low, high), box[3], box[1]), box[1]), box[3]),
        )
        for step, value in points
    ]
    draw.line(xy, fill=_COLORS[name], width=2)
    for value, y in ((high, box[1]), (low, box[3])):
        x, anchor = (box[0] - 6, "rm") if left_side else (box[2] + 6, "lm")
        draw.text((x, y), f"{value:.4g}", fill=_COLORS[name], anchor=anchor)
    x = box[0] + 20 if left_side else box[2] - 20
    draw.text((x, box[1] + 8), name, fill=_COLORS[name], anchor="lt" if left_side else "rt")


def _scaled(value: float, span: tuple[float, float], start: float, end: float) -> float:
    return start + (value - span[0]) / ((span[1] - span[0]) or 1.0) * (end - start)
