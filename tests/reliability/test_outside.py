"""What is read of a stranger's file outside the decoding process: little, and never for long."""

import io
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.findings.inspect import jpeg_tables
from nsr_cli.imaging.heads.head import read_head
from nsr_cli.imaging.heads.pages import read_heads
from nsr_cli.imaging.metadata import xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from nsr_cli.imaging.rebuild import upright_metadata
from nsr_cli.imaging.tiff import tags as tifftags
from nsr_cli.imaging.tiff.kinds import check_file
from nsr_cli.imaging.tiff.parts import open_pages
from nsr_cli.notes import provenance, texts_of_file
from tests.promises import Reached
from tests.reliability import headers, mutants

SECONDS = 5.0
MUTANTS = 2000
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
NOTE = '{"version": "1", "command": "nsr denoise", "model": "a", "model_sha256": "b"}'
TEXTS = ((XMP_KEY, "<x:xmpmeta><rdf:RDF></rdf:RDF></x:xmpmeta>"), ("nsr", NOTE), ("Title", "a"))


def block() -> bytes:
    """An EXIF block with an orientation, a resolution, and a directory with the picture's size."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x011B], exif[0x0128] = 6, "Lumen", 300.0, 300.0, 2
    exif.get_ifd(0x8769)[0xA002] = 9
    return exif.tobytes().removeprefix(b"Exif\0\0")


def seeds(kind: str) -> list[bytes]:
    """Whole files with everything that is looked for."""
    pixels = np.arange(9 * 8 * 3, dtype=np.uint8).reshape(8, 9, 3)
    page = Picture(pixels, metadata=Metadata(block(), None, (300.0, 300.0), TEXTS))
    found = [codec.encode(page, kind), codec.encode(page.with_metadata(Metadata(text=TEXTS)), kind)]
    return found + ([codec.encode_pages([page, page], kind)] if kind == "TIFF" else [])


def damaged(kind: str, count: int) -> Iterator[bytes]:
    whole = seeds(kind)
    return (mutants.mutant(kind, number, whole) for number in range(count))


def look(path: Path) -> bool:
    """Look at a file as runs do before and after it is decoded; whether its note was found."""
    try:
        note = texts_of_file.find(path)
        provenance.read(path)
    except DecodeError:
        note = None
    with FileBytes(path) as data:
        read_head(data)
        try:
            for parts in open_pages(data, 1 << 20):
                tifftags.read(data, parts.place)
        except (DecodeError, ValueError):
            pass
    jpeg_tables(path.read_bytes())
    return note == NOTE


def check(kind: str, files: Iterator[bytes], path: Path, reached: Reached) -> None:
    slowest, found, total = 0.0, 0, 0
    for data in files:
        path.write_bytes(data)
        started = time.monotonic()
        found += look(path)
        slowest = max(slowest, time.monotonic() - started)
        total += 1
    reached(total)
    reached.note(f"{kind}: {found} with their note, {slowest:.2f} s at most")
    assert slowest < SECONDS
    assert 0 < found < total


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_looked_at_or_passed_over(kind: str, tmp_path: Path, reached: Reached) -> None:
    check(kind, damaged(kind, 100), tmp_path / "a", reached)


@pytest.mark.slow
@pytest.mark.promise(
    "Decoding: what is read of a file outside its decoding process (its size, its note, its tables and "
    "directories) takes at most 5 s and raises nothing, however the file is damaged",
    count=MUTANTS * len(FORMATS),
)
@pytest.mark.parametrize("kind", FORMATS)
def test_two_thousand_damaged_files_are_looked_at(kind: str, tmp_path: Path, reached: Reached) -> None:
    check(kind, damaged(kind, MUTANTS), tmp_path / "a", reached)


@pytest.mark.parametrize("kind", headers.FORMATS)
def test_files_with_impossible_heads_are_looked_at(kind: str, tmp_path: Path) -> None:
    started = time.monotonic()
    for data in list(headers.headers(kind).values())[::5]:
        (tmp_path / "a").write_bytes(data)
        look(tmp_path / "a")
    assert time.monotonic() - started < 10 * SECONDS


def directory(values: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A TIFF directory of tag, type, count and value or place."""
    rows = b"".join(struct.pack("<HHII", *value) for value in sorted(values))
    return struct.pack("<H", len(values)) + rows + struct.pack("<I", following)


def endless_pages() -> bytes:
    """Ten thousand directories of the most entries, the last of which says that it is a thumbnail."""
    found, size = [b"II*\0\x08\0\0\0"], 2 + 12 * 4096 + 4
    for number in range(10_000):
        rows = [(1000, 3, 1, 0)] * 4095
        found.append(directory([*rows, (2000, 3, 1, 1)], 8 + size * (number + 1)))
        if number == 300:  # as many as this test has room for; the last points to itself
            break
    return b"".join(found)


def huge_values() -> bytes:
    """A sparse file whose width and strips claim to be hundreds of megabytes of numbers."""
    claimed = 1 << 26
    tags = [(256, 4, claimed, 8), (257, 4, claimed, 8), (273, 4, claimed, 8), (279, 4, claimed, 8)]
    return b"II*\0\x08\0\0\0" + directory(tags)


def overlapping_pages() -> bytes:
    """Ten thousand directories, each 12 bytes behind the one before, so that they share nearly all of their tags."""
    pages, tags = 10_000, 4095
    page = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 16)]
    rows = (struct.pack("<HHII", *page[i % len(page)]) for i in range(pages + tags + 2))
    data = bytearray(b"II*\0\x08\0\0\0\0\0" + b"".join(rows))
    for number in range(pages):
        start = 8 + 12 * number
        struct.pack_into("<H", data, start, tags)
        struct.pack_into("<I", data, start + 2 + 12 * tags, start + 12 if number + 1 < pages else 0)
    return bytes(data)


BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "PNG, a header of 300 MB": (
        lambda: b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 300 << 20, b"IHDR"),
        300 << 20,
    ),
    "PNG, millions of chunks": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tIMEabcd" * 1_000_000, 0),
    "PNG, texts and pixels by turns": (
        lambda: b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXtabcd\0\0\0\0IDATabcd" * 20_000,
        0,
    ),
    "WebP, millions of chunks": (lambda: b"RIFF\0\0\0\0WEBP" + b"abcd\0\0\0\0" * 5_000_000, 0),
    "JPEG, millions of segments": (lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 5_000_000, 0),
    "JPEG, millions of tables": (
        lambda: b"\xff\xd8" + (b"\xff\xdb" + struct.pack(">H", 2 + 65 * 1008) + bytes(65 * 1008)) * 800,
        0,
    ),
    "JPEG, padding": (lambda: b"\xff\xd8" + b"\xff" * 50_000_000, 0),
    "TIFF, endless pages": (endless_pages, 0),
    "TIFF, pages over one another": (overlapping_pages, 0),
    "TIFF, huge values": (huge_values, 300 << 20),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_would_cost_much_costs_little(name: str, tmp_path: Path) -> None:
    make, size = BOMBS[name]
    path = tmp_path / "a"
    path.write_bytes(make())
    if size:
        with path.open("rb+") as file:
            file.truncate(size)
    started = time.process_time()
    tracemalloc.start()
    try:
        for step in (find, heads, kinds, pages):
            step(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if name in ("JPEG, padding", "JPEG, millions of tables"):  # the decoder refuses millions of segments
        jpeg_tables(path.read_bytes())
    assert peak < 128 << 20
    assert time.process_time() - started < 4 * SECONDS  # tracing makes it several times slower


def find(path: Path) -> None:
    with suppress(DecodeError):
        texts_of_file.find(path)


def heads(path: Path) -> None:
    with FileBytes(path) as data:
        read_head(data)
        read_heads(data, every_frame=True)


def kinds(path: Path) -> None:
    with FileBytes(path) as data, suppress(DecodeError):
        check_file(data)


def pages(path: Path) -> None:
    with FileBytes(path) as data, suppress(DecodeError):
        open_pages(data, 1 << 29)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_results_are_written_whatever_the_exif_block_holds(kind: str) -> None:
    """A block that passed the decoder goes to the encoder, which runs in the program's own process."""
    pixels: Any = np.zeros((2, 3, 3), np.uint8)
    for number in range(400):
        raw = mutants.mutant("TIFF", number, [block()])
        meta, *_ = upright_metadata(Metadata(raw, None, (72.0, 72.0), TEXTS), None)  # as it is decoded
        codec.decode(codec.encode(Picture(pixels, metadata=meta), kind))


def test_a_result_of_every_format_is_found_by_its_note(tmp_path: Path) -> None:
    for kind in FORMATS:
        for data in seeds(kind):
            (tmp_path / "a").write_bytes(data)
            assert look(tmp_path / "a"), kind


def test_a_note_is_found_behind_padding_and_other_segments(tmp_path: Path) -> None:
    from PIL import Image

    stored = io.BytesIO()
    packet = (xmp.pack(TEXTS) or "").encode()
    Image.new("RGB", (9, 8)).save(stored, "JPEG", xmp=packet, exif=b"Exif\0\0" + block())
    data = stored.getvalue()
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xff\xff" + data[2:])
    assert texts_of_file.find(tmp_path / "a.jpg") == NOTE
