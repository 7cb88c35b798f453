"""How the values of options are read: factors, levels, amounts, times, places in a picture, devices, formats.

Each function takes what the user typed (or the option's default); its BadParameter says what would be right.
"""

import math
import re
from typing import NamedTuple

import typer

from nsr_cli.imaging.formats import SUFFIXES
from nsr_cli.model.levels import MAX_SCALE, MAX_SIGMA

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Point(NamedTuple):
    """A pixel of the result, counted from the top left one."""

    x: int
    y: int


def parse_scale(text: str) -> float:
    """'4', '2.5' and 'x4' as a factor; BadParameter unless it is above 1 and at most 16."""
    factor = _number(text.lower().removeprefix("x").removesuffix("x"))
    if not 1 < factor <= MAX_SCALE:
        raise typer.BadParameter(
            f"{text!r} is not possible; give a factor above 1, up to {MAX_SCALE:g}, such as 2 or 2.5"
        )
    return factor


def parse_sigma(text: str) -> float | None:
    """A noise level in 8-bit steps, 0 to 75; None for 'auto'."""
    return _level(text, "noise level", 0, MAX_SIGMA)


def parse_jpeg_quality(text: str) -> float | None:
    """The quality with which a JPEG was made, 1 to 100; None for 'auto'."""
    return _level(text, "quality", 1, 100)


def parse_strength(text: str | float) -> float:
    """How much of the effect to take, 0 to 1."""
    strength = _number(str(text))
    if not 0 <= strength <= 1:
        raise typer.BadParameter(f"{text!r} is not possible; give a number from 0 (none) to 1 (all)")
    return strength


def parse_amount(text: str | int) -> int:
    """'500M', '2 GB' (both decimal), '2GiB' or a plain number as a whole number of at least 1."""
    match = re.fullmatch(r"([\d.]+)\s*([kmgt]?)(ib|b|px)?", str(text).strip().lower())
    amount = math.nan
    if match:
        amount = _number(match[1]) * (1024 if match[3] == "ib" else 1000) ** _POWERS[match[2]]
    if not 1 <= amount < 1 << 62:
        raise typer.BadParameter(f"{text!r} is not an amount; give a number such as 500000000, 500M or 2G")
    return int(amount)


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `25m` or `2h`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 25m or 2h")
    return float(found[1]) * _SECONDS[found[2]]


def parse_positive(text: str | float) -> float:
    """A finite number above 0."""
    number = _number(str(text))
    if not 0 < number < math.inf:
        raise typer.BadParameter(f"{text!r} is not possible; give a number above 0")
    return number


def parse_size(text: str) -> int:
    """Side of the region in pixels, at least 8; 0 for 'all'."""
    if text.lower() == "all":
        return 0
    if not text.isascii() or not text.isdigit() or not 8 <= int(text) <= 8192:
        raise typer.BadParameter(f"{text!r} is not possible; give pixels from 8 to 8192, or all")
    return int(text)


def parse_point(text: str) -> Point:
    """'X,Y' in pixels."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not a position; give X,Y in pixels of the result, such as 640,480"
        )
    return Point(int(parts[0]), int(parts[1]))


def parse_device(text: str) -> str:
    """A device by name; whether the machine has it is known only once torch is loaded."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", text):
        raise typer.BadParameter(f"{text!r} is not a device; give auto, cpu, cuda, cuda:N or mps")
    return text


def parse_format(text: str) -> str:
    """A file format by name or suffix, in capitals as in `imaging.formats`."""
    found = SUFFIXES.get("." + text.lower().removeprefix("."))
    if found is None:
        known = ", ".join(sorted({name.lower() for name in SUFFIXES.values()}))
        raise typer.BadParameter(f"{text!r} is not a format of results; give one of {known}")
    return found


def _level(text: str, what: str, low: float, high: float) -> float | None:
    if text.lower() == "auto":
        return None
    level = _number(text)
    if not low <= level <= high:
        raise typer.BadParameter(f"{text!r} is not possible; give a {what} from {low:g} to {high:g}, or auto")
    return level


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
