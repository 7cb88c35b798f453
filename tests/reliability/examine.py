"""Give damaged files to one decoding process after another, and keep the books."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox.process import Gone, Process
from nsr_cli.sandbox.protocol import Extent, Limits, Order

SECONDS = 5.0
LIMITS = Limits(SECONDS, 2 << 30, 2 << 30)
MAX_PIXELS = 1 << 24
EXTENTS: tuple[Extent, ...] = ("first", "pages", "frames")


@dataclass(slots=True)
class Tally:
    """What became of the files."""

    read: int = 0
    refused: int = 0
    crashed: int = 0
    """Those that ended their process, or made it send an invalid reply."""
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """What must not be, one line each."""

    @property
    def total(self) -> int:
        return self.read + self.refused + self.crashed

    def __str__(self) -> str:
        return (
            f"{self.read} read, {self.refused} refused, {self.crashed} crashes contained, {self.slowest:.2f} s "
            "at most"
        )


class Examiner:
    """Reads files in a process that is replaced when it ends; use it as a context."""

    def __init__(self) -> None:
        self._process = Process(threading.Event())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.close()

    def examine(self, files: Iterable[tuple[str, bytes]]) -> Tally:
        """Read each file, to the one extent or the other by turns."""
        tally = Tally()
        for index, (name, data) in enumerate(files):
            extent = EXTENTS[index % len(EXTENTS)]
            attempt, problem, taken = self._timed(data, extent)
            if problem:
                tally.wrong.append(f"{name}: {problem}")
            tally.read += attempt.read
            tally.refused += attempt.refused
            tally.crashed += attempt.crashed
            tally.slowest = max(tally.slowest, taken)
        return tally

    def can_read(self, data: bytes, max_pixels: int) -> bool:
        try:
            return bool(self._process.decode(data, Order(len(data), max_pixels, "pages", LIMITS)))
        except DecodeError:
            return False

    def _timed(self, data: bytes, extent: Extent) -> tuple[Tally, str, float]:
        attempt, started = Tally(), time.monotonic()
        problem = self._problem(data, extent, attempt)
        return attempt, problem, time.monotonic() - started

    def _problem(self, data: bytes, extent: Extent, tally: Tally) -> str:
        try:
            pictures = self._process.decode(data, Order(len(data), MAX_PIXELS, extent, LIMITS))
        except DecodeError as error:
            tally.refused += 1
            # So says the process of what is no DecodeError where the file is read, or is a mistake of ours.
            ours = str(error).startswith(("it cannot be read (", "internal error"))
            return repr(str(error)) if ours or not str(error).isprintable() else ""
        except Gone as gone:
            tally.crashed += 1
            self._process.close()
            self._process = Process(threading.Event())
            return f"its process is gone: {gone}"
        tally.read += 1
        return "" if pictures and all(map(is_sound, pictures)) else "not a sound picture"


def is_sound(picture: Picture) -> bool:
    arrays = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    return (
        all(bool(np.isfinite(array).all()) for array in arrays)
        and picture.width * picture.height <= MAX_PIXELS
    )
