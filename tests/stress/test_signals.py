"""A run that is asked to stop does so at once, cleanly, and says how to go on."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.promises import Reached
from tests.stress.running import Stage, hidden, listens, paint, tree, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX"),
]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
HANGUP = {signal.SIGHUP: 129} if hasattr(signal, "SIGHUP") else {}
SECONDS = 2.0


@pytest.mark.promise(
    "Signals: SIGINT and SIGTERM at 20 random moments (start, loading, inference, writing): it stops within 2 s with "
    "130 or 143, says in one line how to go on, and leaves whole files alone",
    count=20,
)
def test_stopped_at_random_moments(crowd: Stage, reached: Reached) -> None:
    stop_at_random_moments(crowd, reached, CODES, 20)


@pytest.mark.promise(
    "Signals: SIGHUP at 8 random moments: the same, with 129",
    count=8,
)
def test_hung_up_at_random_moments(crowd: Stage, reached: Reached) -> None:
    stop_at_random_moments(crowd, reached, HANGUP, 8)


def stop_at_random_moments(
    crowd: Stage, reached: Reached, codes: dict[signal.Signals, int], wished: int
) -> None:
    inputs = paint(crowd.folder / "d", 80, (30, 24))
    whole = tree(crowd.folder / "clean") or crowd.undisturbed("d")
    chance, slowest, seen, stops = random.Random(11), 0.0, {"before": 0, "within": 0}, 0
    for attempt in itertools.count():
        if stops == wished:
            break
        number = list(codes)[stops % len(codes)]
        out = crowd.folder / f"out{attempt}"  # a new one also after a run that was faster and made everything
        with crowd.started(crowd.upscale(inputs, "-o", out), afresh=stops % 4 == 3) as process:
            assert wait_for(lambda process=process: listens(process, signal.SIGTERM), process)  # type: ignore[misc]
            if chance.random() < 0.5:
                time.sleep(chance.uniform(0, 1.5))
            else:
                wanted = chance.randint(1, 60)
                wait_for(lambda out=out, wanted=wanted: len(tree(out)) >= wanted, process)  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.05))
            started = time.monotonic()
            process.send_signal(number)
            process.wait()
            took = time.monotonic() - started
        said, made = crowd.said().splitlines(), tree(out)
        if process.returncode == 0:  # it was faster
            assert made == whole
            continue
        assert process.returncode == codes[number], crowd.said()
        errors = crowd.complained()
        assert len(errors) == 1 and errors[0] == said[-1] and errors[0].startswith("nsr: interrupted")
        assert made.items() <= whole.items() and hidden(out) == []
        if made == whole:  # it was just about to end
            assert errors == [f"nsr: interrupted: {len(whole)} of {len(whole)} pictures are done"]
        elif made:
            assert "run the same command again for the other" in errors[0]
        seen["within" if made else "before"] += 1
        stops += 1
        slowest = max(slowest, took)
        assert took < SECONDS, f"stop {stops} took {took:.2f} s after {len(made)} results: {errors[0]}"
    reached(stops)
    reached.note(
        f"slowest stop {slowest:.2f} s; {seen['before']} before the first result, {seen['within']} later"
    )


@pytest.mark.promise(
    "Signals: the terminal is closed while its progress bar is drawn: the run stops within 2 s with 129, nothing is "
    "half-written; one that ignores SIGHUP (nohup) or is not told of it (disown) goes on to its end, exit code 0",
    count=4,
)
@pytest.mark.parametrize("told", ["told", "ignoring", "nohup", "in the background"])
def test_the_terminal_is_closed(stage: Stage, reached: Reached, told: str) -> None:
    paint(stage.folder / "d", 60, (30, 24))
    whole, out = stage.undisturbed("d"), stage.folder / "out"
    command = stage.upscale("d", "-o", out)
    prepare = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if told == "ignoring" else None
    with terminal(stage, ["nohup", *command] if told == "nohup" else command, prepare, told) as (
        process,
        close,
    ):
        assert wait_for(lambda: len(tree(out)) >= 3, process)
        started = time.monotonic()
        close()
        process.wait(120)
        took = time.monotonic() - started
    assert tree(out).items() <= whole.items() and hidden(out) == []
    if told == "told":
        assert process.returncode == 129 and took < SECONDS and len(tree(out)) < len(whole)
    else:
        assert process.returncode == 0 and tree(out) == whole
    reached()


@contextmanager
def terminal(
    stage: Stage, command: list[str], prepare: Callable[[], object] | None, told: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], None]]]:
    """Start a command that has a terminal, and give what closes that."""
    import fcntl
    import termios

    master, slave = os.openpty()

    def own_it() -> None:
        os.setsid()
        if told != "in the background":
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        if prepare is not None:
            prepare()

    environment = {**stage.environment, "TERM": "xterm"}
    process = subprocess.Popen(
        command,
        cwd=stage.folder,
        env=environment,
        preexec_fn=own_it,  # noqa: PLW1509 (no thread runs yet)
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    watched = os.dup(master)
    done = threading.Event()

    def drain() -> None:
        with suppress(OSError):
            while not done.is_set() and os.read(watched, 1 << 16):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()

    def close() -> None:
        os.set_blocking(watched, False)
        done.set()
        reader.join(10)
        os.close(watched)
        os.close(master)

    try:
        yield process, close
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
