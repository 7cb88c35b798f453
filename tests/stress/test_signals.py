"""A run that is asked to stop does so at once, cleanly, and says how to go on."""

import random
import signal
import sys
import time

import pytest

from tests.promises import Reached
from tests.stress.running import Stage, hidden, listens, paint, tree, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX"),
]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
SECONDS = 2.0


@pytest.mark.promise(
    "Signals: SIGINT and SIGTERM at 20 random moments (start, loading, inference, writing): it stops within 2 s with "
    "130 or 143, says in one line how to go on, and leaves whole files alone",
    count=20,
)
def test_stopped_at_random_moments(crowd: Stage, reached: Reached) -> None:
    inputs = paint(crowd.folder / "d", 80, (30, 24))
    whole = tree(crowd.folder / "clean") or clean(crowd)
    chance, slowest, seen, stops = random.Random(11), 0.0, {"before": 0, "within": 0}, 0
    while stops < 20:
        number = list(CODES)[stops % 2]
        out = crowd.folder / f"out{stops}"
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
        assert process.returncode == CODES[number], crowd.said()
        errors = [line for line in said if line.startswith("nsr: ")]
        assert len(errors) == 1 and errors[0] == said[-1] and errors[0].startswith("nsr: interrupted")
        assert "Traceback" not in crowd.said()
        assert made.items() <= whole.items() and hidden(out) == []
        if made:
            assert "run the same command again for the other" in errors[0]
        seen["within" if made else "before"] += 1
        stops += 1
        slowest = max(slowest, took)
        assert took < SECONDS, f"stop {stops} took {took:.2f} s after {len(made)} results: {errors[0]}"
    reached(stops)
    reached.note(
        f"slowest stop {slowest:.2f} s; {seen['before']} before the first result, {seen['within']} later"
    )


def clean(stage: Stage) -> dict[str, str]:
    done = stage.run(stage.upscale("d", "-o", "clean", "--quiet"))
    assert done.returncode == 0, done.stderr
    return tree(stage.folder / "clean")
