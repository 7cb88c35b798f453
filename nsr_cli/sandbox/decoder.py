"""`Decoder`: untrusted files are decoded where neither a crash nor endless work can take the run down.

    thread ──▶ Decoder ──▶ Process ═══ pipes and a shared file ═══ worker.main ──▶ codec

Picture libraries are large, written in C, and fed with anything. Here they run in a process of their own, with
limits to time and memory. If that process fails, its picture has failed, and the next one gets a new process.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from nsr_cli.errors import DecodeError, NotReady
from nsr_cli.imaging import codec
from nsr_cli.imaging.boxed import heif, jp2
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rasters import read as rasterread
from nsr_cli.imaging.whites import as_one
from nsr_cli.sandbox.process import Gone, Process
from nsr_cli.sandbox.protocol import Extent, Limits, Order
from nsr_cli.sandbox.worker import pages

_PATIENCE = 4.0  # seconds for even the smallest picture, on a busy machine
_SLOWEST = 10e6  # pixels a second that decoding must reach beyond that
_SLOWER = {"JP2": 0.2e6, "HEIC": 0.5e6, "AVIF": 0.5e6}  # the same of formats that take more time for a pixel
_PIXELS_PER_BYTE = {"JPEG": 1024, "PNG": 8256, "GIF": 2731, "BMP": 1000, "PPM": 8, "TIFF": 20_000}
# Sizes as files state them, in formats that compress without a bound.
_STATED: dict[str, Callable[[bytes], tuple[int, int]]] = {
    "WEBP": rasterread.webp_size,
    "JP2": lambda data: jp2.header(data).size,
    "AVIF": lambda data: heif.header(data).coded,
    "HEIC": lambda data: heif.header(data).coded,
}
_SPARE_MEMORY = 1 << 29
_BYTES_PER_PIXEL = 64  # room for four copies with four float channels
_ATTEMPTS = 2


class Decoder:
    """Decodes in as many processes as there are threads that call it; use it as a context manager.

    Args:
        max_pixels: pictures with more pixels are refused.
        every_frame: decode all frames of animations, not only the first.
        stop: when set, decoding is given up.
        notice: gets one line if no process can be started and pictures are decoded in this one.
    """

    def __init__(
        self,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        *,
        every_frame: bool = False,
        stop: threading.Event | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._max_pixels = max_pixels
        self._every_frame = every_frame
        self._stop = stop or threading.Event()
        self._notice = notice
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._alone = self._closed = False

    def __enter__(self) -> Self:
        """Start the first process, which loads while the program does other things."""
        if (first := self._new()) is not None:
            self._idle.append(first)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def pages(
        self, data: bytes, *, every_frame: bool | None = None, max_pixels: int | None = None
    ) -> list[Picture]:
        """The pictures of a file: every page of a TIFF, and one frame of an animation or all of them.

        All pages with 16 bits have the same white, see `whites.united`.

        Args:
            data: the file.
            every_frame, max_pixels: for this file, if not those of the decoder.

        Raises:
            DecodeError: it cannot be read, for whatever reason.
            NotReady: two processes were not ready in time, as would be those for the next file.
        """
        every = self._every_frame if every_frame is None else every_frame
        return as_one(self._decoded(data, "frames" if every else "pages", max_pixels))

    def first(self, data: bytes) -> Picture:
        """The first picture of a file, with a note if there are more. Raises as `pages`."""
        return self._decoded(data, "first")[0]

    def part(self, data: bytes, max_pixels: int | None = None) -> Picture:
        """The picture of a TIFF file that holds some rows of another, as `codec.decode_part`. Raises as `pages`."""
        return self._decoded(data, "part", max_pixels)[0]

    def _decoded(self, data: bytes, extent: Extent, max_pixels: int | None = None) -> list[Picture]:
        most = max_pixels or self._max_pixels
        failure: DecodeError | NotReady = DecodeError("its decoder cannot be started")
        for _ in range(_ATTEMPTS):
            if (process := self._take()) is None:
                return list(pages(data, most, extent))
            try:
                return process.decode(data, _order(data, extent, most))
            except Gone as gone:
                failure = _failure(gone)
                if gone.reading:
                    break
            except OSError as error:  # the shared file: no memory, no space, no descriptors
                raise DecodeError(f"cannot be decoded: {error.strerror or error}") from error
            finally:
                self._give_back(process)
        raise DecodeError("decoding was stopped") if self._stop.is_set() else failure

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
            running, self._all, self._idle = list(self._all), set(), []
        for process in running:
            process.close()

    def _take(self) -> Process | None:
        """A process that is ready; None if none can be started. NotReady if two take too long to start."""
        failures = 0
        while not self._stop.is_set():
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None and (process := self._new()) is None:
                return None
            try:
                process.wait_ready()
            except Gone as gone:
                self._drop(process)
                failures += 1
                # A single one may have been killed for lack of memory: no reason to give up the protection.
                if failures < _ATTEMPTS or self._stop.is_set():
                    continue
                if gone.late:  # the machine is too busy, so decoding in this process would not help
                    raise _failure(gone) from gone
                self._go_alone(str(gone))
                return None
            else:
                return process
        raise DecodeError("decoding was stopped")

    def _new(self) -> Process | None:
        if self._alone:
            return None
        try:
            process = Process(self._stop)
        except OSError as error:
            self._go_alone(error.strerror or str(error))
            return None
        with self._lock:
            if not self._closed:
                self._all.add(process)
                return process
        process.close()
        raise DecodeError("decoding was stopped")

    def _go_alone(self, reason: str) -> None:
        first, self._alone = not self._alone, True
        if first and self._notice is not None:
            self._notice(f"pictures are decoded without the protection of a process of their own: {reason}")

    def _give_back(self, process: Process) -> None:
        if process.busy:
            self._drop(process)
            return
        with self._lock:
            if process in self._all:
                self._idle.append(process)

    def _drop(self, process: Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


def _failure(gone: Gone) -> DecodeError | NotReady:
    """The error that the end of a process is: for one picture, or for the whole run."""
    return NotReady(str(gone)) if gone.late and not gone.reading else DecodeError(str(gone))


def _order(data: bytes, extent: Extent, max_pixels: int) -> Order:
    kind = ""
    with suppress(DecodeError):
        kind = codec.sniff(data)
    pixels = min(max_pixels, _most_pixels(data, kind))
    memory = min(pixels * _BYTES_PER_PIXEL + 8 * len(data) + _SPARE_MEMORY, machine_memory())
    seconds = _PATIENCE + pixels / _SLOWER.get(kind, _SLOWEST)
    return Order(len(data), max_pixels, extent, Limits(seconds, memory, machine_memory() // 2))


def _most_pixels(data: bytes, kind: str) -> int:
    """Roughly the most pixels that a file of this format and length can hold; 0 if it does not say."""
    if kind not in _STATED:
        return len(data) * _PIXELS_PER_BYTE.get(kind, 0)
    with suppress(DecodeError):
        width, height = _STATED[kind](data)
        return width * height
    return 0


def machine_memory() -> int:
    """Bytes of memory of this machine; a guess where the system does not say."""
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 33
