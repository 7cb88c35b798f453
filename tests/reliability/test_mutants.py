"""Thousands of damaged pictures: each is read or refused, and none does more than that."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.promises import Reached
from tests.reliability import headers, mutants
from tests.reliability.examine import SECONDS, Examiner, Tally

MUTANTS = 2000
BROKEN_HEADERS = 1500
SMALL = 4096  # pixels of pictures that are restored too


@pytest.fixture
def examiner() -> Iterator[Examiner]:
    with Examiner() as made:
        yield made


def check(kind: str, tally: Tally, reached: Reached) -> None:
    reached(tally.total)
    reached.note(f"{kind}: {tally}")
    assert tally.wrong == []
    assert tally.slowest < SECONDS
    assert tally.read and tally.refused  # else the files are not what they are meant to be


def damaged(kind: str, count: int) -> Iterator[tuple[str, bytes]]:
    return ((f"{kind} {number}", data) for number, data in mutants.mutants(kind, count))


@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_a_damaged_picture_is_read_or_refused(kind: str, examiner: Examiner, reached: Reached) -> None:
    check(kind, examiner.examine(damaged(kind, 60)), reached)


@pytest.mark.slow
@pytest.mark.promise(
    "Decoding: damaged files of each format are read or refused within 5 s, and end no process",
    count=MUTANTS * len(mutants.FORMATS),
)
@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_two_thousand_damaged_pictures_are_read_or_refused(
    kind: str, examiner: Examiner, reached: Reached
) -> None:
    check(kind, examiner.examine(damaged(kind, MUTANTS)), reached)


@pytest.mark.promise(
    "Decoding: files with impossible, lying or endless headers are read or refused within 5 s",
    count=BROKEN_HEADERS,
)
@pytest.mark.parametrize("kind", headers.FORMATS)
def test_a_file_with_a_broken_header_is_read_or_refused(
    kind: str, examiner: Examiner, reached: Reached
) -> None:
    check(kind, examiner.examine(headers.headers(kind).items()), reached)


def test_mutants_are_the_same_in_every_run() -> None:
    for kind in mutants.FORMATS:
        once = [data for _, data in mutants.mutants(kind, 12)]
        assert once == [mutants.mutant(kind, number) for number in range(12)]
        assert len(set(once)) == 12


def fill(folder: Path, examiner: Examiner) -> set[str]:
    """Write a whole picture and some of every sort of broken ones; the names of those that can be read."""
    files = {"whole.png": _whole()}
    for kind in mutants.FORMATS:
        suffix = {"APNG": "png"}.get(kind, kind.lower())
        files |= {f"{kind}{number}.{suffix}": data for number, data in mutants.mutants(kind, 7)}
    for kind in headers.FORMATS:
        suffix = {"APNG": "png"}.get(kind, kind.lower())
        some = list(headers.headers(kind).values())[::60]
        files |= {f"{kind}-header{number}.{suffix}": data for number, data in enumerate(some)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name for name, data in files.items() if examiner.can_read(data, SMALL)}


def _whole() -> bytes:
    return headers.stored(Image.new("RGB", (9, 8), (40, 90, 200)), "PNG")


def test_a_folder_of_damaged_pictures_goes_through_the_command(
    examiner: Examiner, nsr: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = fill(folder, examiner)
    args = ("--model", tiny_model, "-s", "2", "--device", "cpu", "--max-pixels", str(SMALL))
    done = nsr("upscale", folder, "-o", tmp_path / "out", *args)
    failed = {path.name for path in folder.iterdir()} - good
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("nsr: ")]
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr and b"internal error" not in done.stderr
    assert sorted(line.split(": ")[1].rpartition("/")[2] for line in errors) == sorted(failed)
    made = {path.stem for path in (tmp_path / "out").iterdir()}
    assert made == {Path(name).stem for name in good}
