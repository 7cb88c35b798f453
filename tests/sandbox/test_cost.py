"""What the protection costs on a folder of photographs, and when nothing is decoded yet."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.sandbox.worker import pages

LIMIT = 1 << 29


def processor_seconds(number: int) -> float:
    return int(Path(f"/proc/{number}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/schedstat").is_file(), reason="needs Linux's count of processor time"
)
def test_a_hundred_photographs_cost_at_most_a_twentieth_more(shared_data: Path) -> None:
    files = [path.read_bytes() for path in sorted((shared_data / "train" / "photos").iterdir())[:100]]
    here: list[float] = []
    there: list[float] = []
    with Decoder() as decoder:
        decoder.pages(files[0])
        (process,) = decoder._all

        def spent(work: Callable[[bytes], object]) -> float:
            """Processor time of both processes: wall time says little on a machine in use."""
            before = time.process_time() + processor_seconds(process.number)
            for data in files:
                work(data)
            return time.process_time() + processor_seconds(process.number) - before

        for _ in range(7):
            here.append(spent(lambda data: list(pages(data, LIMIT, every_frame=False))))
            there.append(spent(decoder.pages))
    assert statistics.median(there) <= 1.05 * statistics.median(here)


def test_starting_does_not_wait_for_the_process() -> None:
    started = time.perf_counter()
    with Decoder():
        assert time.perf_counter() - started < 0.15
