"""One entry of the manifest, and the strict check of everything in it.

A manifest may come from a stranger: names that could lead out of a folder, addresses without encryption, and
unknown or duplicate keys are refused, not repaired.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from nsr_cli.errors import WeightsError
from nsr_cli.shown import safe_text

TASKS = ("upscale", "denoise", "dejpeg")
COLORS = ("rgb", "gray")
TIERS = ("base", "lite")
BASELINES = ("bicubic", "input")
"""What `nsr eval` and `nsr compare` accept in place of weights."""
PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")
"""Suffixes of files that may run code when they are loaded."""
FILE_SUFFIXES = (".safetensors", *PICKLES)
"""A --model that ends like this is taken for a file, even if it is then refused."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # names that Windows reserves
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"[!-~]{1,2000}")
_RELATIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_BYTES = 1 << 32
MAX_TEXT = 2000  # characters of a free text in the manifest


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """What is known about one file of weights.

    `scale` is set for upscaling only; `levels` is the range of noise levels (sigma of 255) or JPEG qualities
    that the network was made for. `preset` names its configuration; `custom` means none of the named ones. `window` is
    the selection window in input pixels. A name that is just the task and its scale or color belongs to the tier
    `base`, one with `-lite` behind that to the tier `lite`.
    """

    name: str
    task: str
    scale: int | None
    levels: tuple[float, float] | None
    color: str
    preset: str
    window: int
    file: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]
    bundled: bool
    trained_on: str
    scores: Mapping[str, Any]
    license: str

    @property
    def tier(self) -> str | None:
        """`base` for `upscale-x2`, `denoise-gray` and the like, `lite` where that follows, else None."""
        plain = f"{self.task}-x{self.scale}" if self.scale else f"{self.task}-{self.color}"
        return {plain: "base", f"{plain}-lite": "lite"}.get(self.name)

    def purpose(self) -> str:
        """Return what the network is for, such as `upscale x2 (rgb)`."""
        return describe(self.task, self.scale, self.color)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it stands in the manifest; `parse_entry` reads it back."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["levels"] = list(self.levels) if self.levels else None
        values["urls"] = list(self.urls)
        values["scores"] = dict(self.scores)
        return values


def describe(task: str, scale: int | None, color: str) -> str:
    """Return a task in words."""
    return f"{task} x{scale} ({color})" if scale else f"{task} ({color})"


def parse_entry(value: Any) -> WeightEntry:
    """Check one entry of a parsed manifest.

    Raises:
        WeightsError: one line with the entry's name, the key and what is wrong with it.
    """
    if not isinstance(value, dict):
        raise WeightsError("the weights manifest is damaged: an entry is not an object; get it again")
    name = value.get("name")
    where = name if isinstance(name, str) else "an entry without a name"
    missing = sorted(_CHECKS.keys() - value.keys())
    unknown = sorted(value.keys() - _CHECKS.keys())
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has the unknown key {unknown[0]}"
        raise _damaged(where, what)
    checked: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        try:
            checked[key] = check(value[key])
        except (TypeError, ValueError) as error:
            raise _damaged(where, f"{key} {error}") from None
    entry = WeightEntry(**checked)
    if (entry.task == "upscale") != (entry.scale is not None):
        raise _damaged(where, "scale goes with the task upscale, and only with it")
    if entry.task != "upscale" and entry.levels is None:
        raise _damaged(where, "levels are needed for this task")
    return entry


def _damaged(where: str, what: str) -> WeightsError:
    return WeightsError(
        f"the weights manifest is damaged: {safe_text(where[:120])}: {safe_text(what[:300])}; get it again"
    )


def check_name(value: Any) -> str:
    """Return the name; ValueError, in words that follow "it", if weights cannot have it."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value.endswith("."):
        raise ValueError(
            "must consist of a-z, 0-9, dot, dash and underscore, start with a letter or digit, and be short"
        )
    if _DEVICES.fullmatch(value):
        raise ValueError("must not be the name of a device")
    return value


def check_new_name(value: Any) -> str:
    """Return a name for new weights; ValueError as `check_name`, also if --model would not find weights by it."""
    name = check_name(value)
    if name in (*TIERS, *BASELINES):
        raise ValueError("means something else to --model: choose another name")
    if name.endswith(FILE_SUFFIXES):
        raise ValueError("ends as a file does, for which --model would take it: choose another name")
    return name


def check_file(value: Any) -> str:
    """Return the name of a file of weights; ValueError as `check_name`."""
    name = check_name(value)
    if not name.endswith(".safetensors"):
        raise ValueError("must end in .safetensors")
    return name


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return check


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return check


def _scale(value: Any) -> int | None:
    return None if value is None else _integer(2, 16)(value)


def _levels(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(part) for part in value):
        low, high = float(value[0]), float(value[1])
        if 0 <= low <= high <= 255:
            return low, high
    raise ValueError("must be null or two numbers from 0 to 255, the lower one first")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("must be 64 lower-case hexadecimal digits")
    return value


def _urls(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("must be a list of addresses")
    return tuple(_url(part) for part in value)


def _url(value: Any) -> str:
    if isinstance(value, str) and _URL.fullmatch(value):
        try:
            parts = urlsplit(value)
            is_plain = parts.hostname is not None and "@" not in parts.netloc
            if is_plain and (
                parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
            ):
                return value
        except ValueError:
            pass
        if _RELATIVE.fullmatch(value):
            return value
    raise ValueError("must hold https addresses, or paths relative to the manifest without '..'")


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_TEXT:
        raise ValueError(f"must be one line of text of at most {MAX_TEXT} characters")
    return value


def _scores(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("must be an object")
    return MappingProxyType(dict(value))


_CHECKS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "name": check_name,
        "task": _one_of(TASKS),
        "scale": _scale,
        "levels": _levels,
        "color": _one_of(COLORS),
        "preset": check_name,
        "window": _integer(1, 4096),
        "file": check_file,
        "bytes": _integer(1, MAX_BYTES),
        "sha256": _sha256,
        "urls": _urls,
        "bundled": _flag,
        "trained_on": _text,
        "scores": _scores,
        "license": _text,
    }
)
