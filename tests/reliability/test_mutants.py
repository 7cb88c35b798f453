"""Thousands of damaged pictures: each is read or refused, and none does more than that."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox.process import Gone, Process
from nsr_cli.sandbox.protocol import Limits, Order

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
SECONDS = 5.0
LIMITS = Limits(SECONDS, 2 << 30, 2 << 30)
MAX_PIXELS = 1 << 24
SMALL = 4096  # for pictures that are restored too
Tell = Callable[[str, object], None]


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process(threading.Event())
    yield made
    made.close()


def is_sound(picture: Picture) -> bool:
    arrays = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    return (
        all(bool(np.isfinite(array).all()) for array in arrays)
        and picture.width * picture.height <= MAX_PIXELS
    )


def decode_all(mutants: ModuleType, kind: str, count: int, process: Process, tell: Tell) -> list[str]:
    """What was wrong with the reading of each of `count` damaged files; the figures go to `tell`."""
    wrong, read, slowest = [], 0, 0.0
    for number, data in mutants.mutants(kind, count):
        started = time.monotonic()
        try:
            pictures = process.decode(data, Order(len(data), MAX_PIXELS, bool(number % 2), LIMITS))
            read += 1
            if not pictures or not all(map(is_sound, pictures)):
                wrong.append(f"{kind} {number}: not a sound picture")
        except DecodeError as error:
            line = str(error)
            # So says the process of what is no DecodeError where the file is read.
            if not line.isprintable() or line.startswith("it cannot be read ("):
                wrong.append(f"{kind} {number}: {line!r}")
        except Gone as gone:
            wrong.append(f"{kind} {number}: {gone}")
            process.close()
            process.__init__(threading.Event())  # type: ignore[misc]
        slowest = max(slowest, time.monotonic() - started)
    tell("read", f"{read} of {count}, the slowest in {slowest:.2f} s")
    assert 0 < read < count
    assert slowest < SECONDS
    return wrong


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_picture_is_read_or_refused(
    kind: str, mutants: ModuleType, process: Process, tell: Tell
) -> None:
    assert decode_all(mutants, kind, 60, process, tell) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_two_thousand_damaged_pictures_are_read_or_refused(
    kind: str, mutants: ModuleType, process: Process, tell: Tell
) -> None:
    assert decode_all(mutants, kind, 2000, process, tell) == []


def test_mutants_are_the_same_in_every_run(mutants: ModuleType) -> None:
    for kind in FORMATS:
        once = [data for _, data in mutants.mutants(kind, 12)]
        assert once == [mutants.mutant(kind, number) for number in range(12)]
        assert len(set(once)) == 12


def test_a_folder_of_damaged_pictures_goes_through_the_command(
    mutants: ModuleType, process: Process, nsr: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = set()
    for kind in FORMATS:
        for number, data in mutants.mutants(kind, 7):
            name = f"{kind.lower()}{number}.{kind.lower()}"
            (folder / name).write_bytes(data)
            try:
                process.decode(data, Order(len(data), SMALL, False, LIMITS))
                good.add(name)
            except DecodeError:
                pass
    Image.new("RGB", (9, 8), (40, 90, 200)).save(folder / "whole.png")
    good.add("whole.png")
    args = ("--model", tiny_model, "-s", "2", "--device", "cpu", "--max-pixels", str(SMALL))
    done = nsr("upscale", folder, "-o", tmp_path / "out", *args)
    failed = {path.name for path in folder.iterdir()} - good
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("nsr: ")]
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr and b"internal error" not in done.stderr
    assert sorted(line.split(": ")[1].rpartition("/")[2] for line in errors) == sorted(failed)
    made = {path.stem for path in (tmp_path / "out").iterdir()}
    assert made == {Path(name).stem for name in good}
