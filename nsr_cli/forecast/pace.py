"""How long a run will take: multiplications of the networks, over those that an earlier run did in a second.

Every run records its pace in a small file in the user's cache, for each device and precision that can be asked for.
Without the file, only the estimate is missing.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nsr_cli.errors import NsrError
from nsr_cli.fetch import cache_root
from nsr_cli.files import write_atomic
from nsr_cli.forecast.networks import networks_of
from nsr_cli.planning.settings import Settings
from nsr_cli.reads import read_regular

NAME = "pace.json"
SCHEMA = 1

_LEAST = 0.5  # seconds of computing; shorter runs say little about longer ones
_SMALL = 64 * 64  # pixels; with fewer, most of the time goes into what is done once for each picture
_ENSEMBLE = 8  # runs of `--tta`
_LIMIT = 65_536  # bytes of the file
_ENTRIES = 50

Size = tuple[int, int]


class Pace:
    """Counts the pixels and seconds of a run, to record its pace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sizes: Counter[Size] = Counter()
        self._seconds = 0.0

    def add(self, sizes: Sequence[Size], seconds: float) -> None:
        """Count pictures of these widths and heights, which took `seconds` of computing together.

        Nothing is counted if all are small.
        """
        if any(math.prod(size) >= _SMALL for size in sizes):
            self._sizes.update(sizes)
            self._seconds += seconds

    def remember(self) -> None:
        """Record the pace of the run, if it was long enough; an unusable cache is ignored."""
        if self._seconds < _LEAST:
            return
        with suppress(OSError, NsrError, ValueError):
            work = _work(self._sizes, self._settings)
            if work is None:
                return
            known = {**_read(), _key(self._settings): round(work / self._seconds)}
            latest = dict(list(known.items())[-_ENTRIES:])
            path = cache_root() / NAME
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"schema": SCHEMA, "multiplications_per_second": latest}, indent=1)
            write_atomic(path, text.encode(), devices=False)


def estimate(sizes: Iterable[Size], settings: Settings) -> float | None:
    """Seconds of computing for pictures of these widths and heights; None if no pace is recorded."""
    pace = _read().get(_key(settings))
    if pace is None:
        return None
    with suppress(OSError, NsrError, ValueError):
        work = _work(Counter(sizes), settings)
        return None if work is None else work / pace
    return None


def _work(sizes: Mapping[Size, int], settings: Settings) -> float | None:
    """Multiplications for so many pictures of each size; None if the networks are unknown. Raises as `networks_of`."""
    if settings.task == "auto":  # the steps of a picture are known only once it is looked at
        return None
    pixels: Counter[float] = Counter()
    for size, count in sizes.items():
        factor = settings.factor(*size) if settings.task == "upscale" else 1.0
        pixels[factor] += count * math.prod(size)
    total = sum(count * _multiplications(factor, settings) for factor, count in pixels.items())
    return float(total * (_ENSEMBLE if settings.tta else 1))


def _key(settings: Settings) -> str:
    return f"{settings.device} {settings.precision}"


def _read() -> dict[str, float]:
    """The recorded paces; empty if the file is absent or damaged."""
    try:
        content: Any = json.loads(read_regular(cache_root() / NAME, _LIMIT))
    except (OSError, NsrError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return {}
    found = content.get("multiplications_per_second")
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: float(value) for key, value in pairs if type(value) in (int, float) and 0 < value < 1e30}


def _multiplications(factor: float, settings: Settings) -> int:
    """Multiplications for each pixel of the input, in all networks that it goes through. Raises as `networks_of`."""
    total, pixels = 0, 1
    # Networks for gray pictures differ by 1 %.
    for config in networks_of(settings, settings.task, factor, "rgb"):
        total += pixels * config.macs_per_pixel
        pixels *= config.scale**2
    return total
