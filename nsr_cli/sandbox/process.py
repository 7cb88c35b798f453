"""The program's side of one decoding process: starting it, one picture at a time, and ending it."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, cast

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox import launch, protocol
from nsr_cli.sandbox.protocol import Order, ProtocolError
from nsr_cli.sandbox.shared import SharedFile
from nsr_cli.shown import safe_text

_TICK = 0.1  # seconds between looks at the clock
# Seconds in which the interpreter and the libraries must load; they need 2, on a busy machine 10.
_STARTING = 30.0
_FROM_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"})  # never from a library


class Gone(Exception):
    """The process has ended, was ended, or sent an invalid reply; it must not be used again.

    `reading` says whether it was working on a picture, and `late` whether its time was up; `str` is one line.
    """

    def __init__(self, reason: str, *, reading: bool, late: bool = False) -> None:
        super().__init__(reason)
        self.reading = reading
        self.late = late


class Process:
    """A decoding process. One thread at a time may call `decode`; `stop` ends it from outside.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._reading = self._ready = self._late = False
        self.busy = False
        """Whether it is in the middle of a picture, so that it cannot take another one."""
        self._left: float | None = None
        self._lock, self._in_use = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._shared = SharedFile.new()
        try:
            self._process = launch.start(self._shared)
        except BaseException:
            self._shared.close()
            raise
        self._orders, self._answers = cast(Any, self._process.stdin), cast(Any, self._process.stdout)
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="decoding clock")
        try:
            self._watcher.start()
        except RuntimeError as error:  # no more threads
            self.close()
            raise OSError(str(error)) from error

    def wait_ready(self) -> None:
        """Wait until it has loaded. Raises `Gone` if it does not start."""
        if not self._ready:
            self._answer(_STARTING, "ready")
            self._ready = True

    def decode(self, data: bytes, order: Order) -> list[Picture]:
        """The pictures of a file.

        Raises:
            DecodeError: the file cannot be read.
            Gone: the process ended, or had to be ended.
        """
        self.wait_ready()
        with self._in_use:
            return self._decode(data, order)

    def _decode(self, data: bytes, order: Order) -> list[Picture]:
        self.busy = True
        self._reading = self._process.poll() is None  # else it ended between two pictures
        self._shared.write(data)
        self._send(asdict(order))
        found: list[Picture] = []
        room = order.limits.result
        answer = self._answer(order.limits.seconds, "picture", "done", "loading")
        if "loading" in answer:
            answer = self._loaded(order)
        while self.busy:
            if "picture" in answer:
                found.append(self._picture(answer["picture"], room))
                room -= sum(array.nbytes for array in protocol.arrays(found[-1]))
            if "done" in answer:
                self.busy = False
            else:
                self._send({"next": True})
                answer = self._answer(order.limits.seconds, "picture", "done")
        self._shared.shrink()
        return found

    def _loaded(self, order: Order) -> dict[str, Any]:
        """Wait while the process loads a library, which is not yet work on the picture; returns its next answer."""
        reading, self._reading = self._reading, False
        self._answer(_STARTING, "reading")
        self._reading = reading
        return self._answer(order.limits.seconds, "picture", "done")

    def close(self) -> None:
        """End it at once: it has nothing to clean up."""
        self._closed.set()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        if self._watcher.is_alive():
            self._watcher.join(1)
        # While another thread still writes, descriptors must stay open: their numbers could become other files.
        if not self._in_use.acquire(timeout=1):
            return
        for stream in (self._orders, self._answers):
            with suppress(OSError):
                stream.close()
        self._shared.close()

    def _send(self, record: dict[str, Any]) -> None:
        try:
            protocol.send(self._orders, record)
        except (OSError, ValueError) as error:
            raise self._gone() from error

    def _answer(self, seconds: float, *expected: str) -> dict[str, Any]:
        """The next answer. DecodeError if it says what is wrong with the picture."""
        try:
            with self._clock(seconds):
                answer = protocol.receive(self._answers)
        except (EOFError, OSError, ValueError) as error:
            raise self._gone() from error
        except ProtocolError as error:
            raise Gone(f"its decoder sent an invalid reply: {error}", reading=True) from error
        if "error" in answer and self.busy:
            self.busy = False
            raise _told(answer)
        if not any(isinstance(answer.get(name), bool | dict) for name in expected):
            raise Gone("its decoder sent an invalid reply", reading=True)
        return answer

    def _picture(self, record: dict[str, Any], room: int) -> Picture:
        """The picture whose samples are in the shared file now."""
        try:
            picture = protocol.rebuild(record, room)
            self._shared.read_samples(*protocol.arrays(picture))
        except MemoryError as error:
            raise Gone("it unpacks to more than this machine's memory takes", reading=True) from error
        except (ProtocolError, EOFError) as error:
            raise Gone(f"its decoder sent an invalid reply: {error}", reading=True) from error
        return picture

    def _gone(self) -> Gone:
        """The reason why the process has ended."""
        if self._late and not self._reading:
            return Gone(
                f"its decoder was not ready within {_STARTING:g} seconds; try again when the machine is less busy",
                reading=False,
                late=True,
            )
        if self._late:
            return Gone("reading it takes too long; it is given up", reading=self._reading, late=True)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        code = self._process.poll()
        # Signals from outside come from the system or the user: the picture is not to blame.
        return Gone(_manner(code), reading=self._reading and _name(code) not in _FROM_OUTSIDE)

    @contextmanager
    def _clock(self, seconds: float) -> Iterator[None]:
        """End the process if the body takes longer."""
        with self._lock:
            self._left = seconds
        try:
            yield
        finally:
            with self._lock:
                self._left = None

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._closed.wait(_TICK):
            now = time.monotonic()
            # Time in which this program was suspended does not count: the process was suspended too.
            step, last = min(now - last, 2 * _TICK), now
            with self._lock:
                if self._left is not None:
                    self._left -= step
                    self._late = self._left < 0
                over = self._late or self._stop.is_set()
            if over:
                self._process.kill()
                return


def _told(answer: dict[str, Any]) -> DecodeError:
    """The error that the process reports, with its traceback as a note for --debug."""
    error = DecodeError(" ".join(str(answer["error"]).split()))
    if trace := str(answer.get("trace") or "")[: protocol.LONGEST_TRACE]:
        error.add_note("\n".join(["In the decoding process:", *map(safe_text, trace.splitlines())]))
    return error


def _manner(code: int | None) -> str:
    """How a process ended, as the reason why its picture cannot be read."""
    match _name(code):
        case "":
            return f"its decoder ended unexpectedly (code {code}); the file is damaged"
        case "SIGXCPU":
            return "reading it takes too long; it is given up"
        case "SIGKILL":
            return "its decoder was killed, perhaps for want of memory"
        case name if name in _FROM_OUTSIDE:
            return f"its decoder was ended from outside ({name})"
        case name:
            return f"it makes the decoder crash ({name}); the file is damaged"


def _name(code: int | None) -> str:
    """The signal that ended a process; empty if none did."""
    if code is None or code >= 0:
        return ""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
