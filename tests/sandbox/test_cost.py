"""What the protection costs on a folder of photographs, and when nothing is decoded yet."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nsr_cli.imaging import codec
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
    """Of what a run takes to read them and write them at twice the size, without any network."""
    files = [path.read_bytes() for path in sorted((shared_data / "train" / "photos").iterdir())[:100]]
    with Decoder() as decoder:
        decoder.pages(files[0])
        (process,) = decoder._all

        def spent(work: Callable[[bytes], object]) -> float:
            """Processor time of both processes: wall time says little on a machine in use."""
            before = time.process_time() + processor_seconds(process.number)
            for data in files:
                work(data)
            return time.process_time() + processor_seconds(process.number) - before

        def read_and_write(data: bytes) -> None:
            (picture,) = pages(data, LIMIT, every_frame=False)
            codec.encode(picture.with_pixels(picture.pixels.repeat(2, axis=0).repeat(2, axis=1), None), "PNG")

        here = statistics.median(spent(lambda data: pages(data, LIMIT, every_frame=False)) for _ in range(5))
        there = statistics.median(spent(decoder.pages) for _ in range(5))
        assert there - here <= 0.05 * spent(read_and_write)


def test_starting_does_not_wait_for_the_process() -> None:
    started = time.perf_counter()
    with Decoder():
        assert time.perf_counter() - started < 0.15
