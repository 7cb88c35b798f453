"""Three stages that overlap, in order and in bounded memory: decode, compute, encode.

    jobs ──▶ decoders ──▶ computers ──▶ encoders ──▶ results, in the order of the jobs

While one picture is restored, the next is being read and the last ones are being written. One picture is computed at
a time, unless it lets the next one begin. No stage runs ahead by more than a few pictures, and `Budget` keeps
pictures from being in flight together if they are too large for that.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

J = TypeVar("J")
W = TypeVar("W")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A")

GoOn = Callable[[], None]

# Seconds between checks for the stop event. Waits of the main thread are short too: the system may deliver a signal to
# another one, and Python acts on it only when the main one continues.
_TICK = 0.1
_PATIENCE = 1.2  # seconds that a stop waits for threads, so that they can finish a write


class Cancelled(BaseException):
    """The run is being stopped; not an `Exception`, so that nothing takes it for a picture's failure."""


def raise_if(stop: threading.Event) -> None:
    """Raise `Cancelled` if the run is being stopped."""
    if stop.is_set():
        raise Cancelled


@dataclass(slots=True)
class _Slot(Generic[J, W, R]):
    """One job on its way."""

    job: J
    decoded: "Future[W]" = field(default_factory=Future)
    computed: "Future[W]" = field(default_factory=Future)
    result: "Future[R]" = field(default_factory=Future)


class Budget:
    """Admits users of up to `limit` units together; one that needs more than that is admitted alone."""

    def __init__(self, limit: int, stop: threading.Event) -> None:
        self._limit = limit
        self._stop = stop
        self._used = 0
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        """Wait until `amount` fits, then hold it.

        Raises:
            Cancelled: the run was stopped.
        """
        with self._changed:
            while self._used and self._used + amount > self._limit:
                self._changed.wait(_TICK)
                raise_if(self._stop)
            self._used += amount

    def give(self, amount: int) -> None:
        """Release `amount`."""
        with self._changed:
            self._used -= amount
            self._changed.notify_all()


class Pipeline(Generic[J, W, R]):
    """Runs jobs through `decode`, `compute` and `encode`; an exception of a stage ends the run.

    Stages return failures of single pictures as values. `compute` also gets a function; once it calls that, the next
    picture may be computed as well, in up to `computers` threads in total.
    """

    def __init__(
        self,
        decode: Callable[[J], W],
        compute: Callable[[W, GoOn], W],
        encode: Callable[[W], R],
        *,
        stop: threading.Event,
        decoders: int = 1,
        computers: int = 1,
        encoders: int = 1,
    ) -> None:
        self._decode, self._compute, self._encode = decode, compute, encode
        self._stop = stop
        self._decoders, self._computers, self._encoders = decoders, computers, encoders
        self._turn = threading.Lock()  # held by a computer until its picture lets the next one begin
        self._computing = computers  # computers that have not reached the end
        self._ended = False
        self._started: list[threading.Thread] = []
        self._is_begun = threading.Event()  # it is known how many threads there are
        self._is_short = False  # the system does not allow all of them
        self._to_decode: Queue[_Slot[J, W, R] | None] = Queue(1)
        self._to_compute: Queue[_Slot[J, W, R] | None] = Queue(max(1, decoders))
        self._to_encode: Queue[_Slot[J, W, R] | None] = Queue(1)
        self._to_deliver: Queue[_Slot[J, W, R] | None] = Queue(computers + encoders)

    def run(self, jobs: Iterable[J]) -> Generator[R, None, None]:
        """Yield one result for each job, in order, as soon as it and all before it are done.

        `jobs` is read in a separate thread, a little ahead. Whatever ends the iteration (an exception of a stage, a
        signal, the caller closing the generator) also stops the threads. If the system does not allow all threads, each
        stage has one.

        Raises:
            RuntimeError: there are not enough threads even for that.
        """
        try:
            self._start_all(jobs)
            while (slot := self._get(self._to_deliver)) is not None:
                yield self._wait(slot.result)
        finally:
            self._stop.set()
            deadline = time.monotonic() + _PATIENCE
            for thread in self._started:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _start_all(self, jobs: Iterable[J]) -> None:
        """Start the threads; if the system does not allow all of them, one for each stage.

        Raises:
            RuntimeError: it does not allow these either.
        """
        stages = (self._decode_all, self._compute_all, self._encode_all)
        counts = (self._decoders, self._computers, self._encoders)
        for stage in stages:
            self._start(stage)
        self._start(self._feed, jobs)
        try:
            for stage, count in zip(stages, counts, strict=True):
                for _ in range(count - 1):
                    self._start(self._help, stage)
        except RuntimeError:  # the helpers end again: computing needs threads of its own
            self._decoders = self._computers = self._encoders = self._computing = 1
            self._is_short = True
        self._is_begun.set()

    def _help(self, stage: Callable[[], None]) -> None:
        """Work in a stage beside its first thread, if all helpers could be started."""
        self._await_begin()
        if not self._is_short:
            stage()

    def _await_begin(self) -> None:
        while not self._is_begun.wait(_TICK):
            raise_if(self._stop)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=_quietly, args=(work, *args), daemon=True, name=work.__name__)
        thread.start()
        self._started.append(thread)

    def _feed(self, jobs: Iterable[J]) -> None:
        self._await_begin()
        try:
            for job in jobs:
                slot: _Slot[J, W, R] = _Slot(job)
                self._put(self._to_decode, slot)
                self._put(self._to_compute, slot)
        except Exception as error:  # noqa: BLE001 (it is raised again for the consumer)
            slot = _Slot(None)  # type: ignore[arg-type]
            slot.decoded.set_exception(error)
            self._put(self._to_compute, slot)
        self._put(self._to_compute, None)
        for _ in range(self._decoders):
            self._put(self._to_decode, None)

    def _decode_all(self) -> None:
        while (slot := self._get(self._to_decode)) is not None:
            _fulfill(slot.decoded, self._decode, slot.job)

    def _compute_all(self) -> None:
        while self._compute_next():
            pass
        self._computing -= 1
        if not self._computing:
            self._put(self._to_deliver, None)
            for _ in range(self._encoders):
                self._put(self._to_encode, None)
        self._turn.release()

    def _compute_next(self) -> bool:
        """Compute the next picture when it is its turn; False at the end, with the turn kept."""
        while not self._turn.acquire(timeout=_TICK):
            raise_if(self._stop)
        slot = None if self._ended else self._get(self._to_compute)
        if slot is None:
            self._ended = True
            return False
        waiting = [self._turn]

        def go_on() -> None:
            if waiting:
                waiting.pop().release()

        self._put(self._to_deliver, slot)
        _fulfill(slot.computed, lambda future: self._compute(self._wait(future), go_on), slot.decoded)
        slot.decoded = Future()  # frees the pixels
        go_on()
        self._put(self._to_encode, slot)
        return True

    def _encode_all(self) -> None:
        while (slot := self._get(self._to_encode)) is not None:
            _fulfill(slot.result, self._encoded, slot)
            slot.computed = Future()

    def _encoded(self, slot: _Slot[J, W, R]) -> R:
        return self._encode(slot.computed.result())

    def _wait(self, future: "Future[T]") -> T:
        while not self._stop.is_set():
            if wait([future], _TICK).done:
                return future.result()
        raise Cancelled

    def _put(self, queue: "Queue[T]", item: T) -> None:
        while not self._stop.is_set():
            with suppress(Full):
                queue.put(item, timeout=_TICK)
                return
        raise Cancelled

    def _get(self, queue: "Queue[T]") -> T:
        while not self._stop.is_set():
            with suppress(Empty):
                return queue.get(timeout=_TICK)
        raise Cancelled


def _fulfill(future: "Future[T]", work: Callable[[A], T], argument: A) -> None:
    """Put the outcome of `work`, a value or an exception, into `future`."""
    try:
        future.set_result(work(argument))
    except Cancelled:
        raise
    except BaseException as error:  # noqa: BLE001 (raised again where the result is awaited)
        future.set_exception(error)


def _quietly(work: Callable[..., None], *args: object) -> None:
    try:
        work(*args)
    except Cancelled:
        return
