"""Rows of a large TIFF file: never those of two versions of it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nsr_cli.batch.tiffsource import TiffSource, open_source
from nsr_cli.engine.tiles import Span
from nsr_cli.errors import DecodeError
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.tiff.parts import open_pages
from nsr_cli.sandbox.decoder import Decoder

OLD, NEW = (np.full((60, 20, 3), level, np.uint8) for level in (10, 200))


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=10, metadata=None)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / "a.tif", OLD)
    os.utime(tmp_path / "a.tif", (1, 1))
    return tmp_path / "a.tif"


@pytest.fixture
def source(path: Path) -> Iterator[TiffSource]:
    with Decoder() as decoder, FileBytes(path) as file:
        [parts] = open_pages(file, 1 << 20)
        yield open_source(parts, file, decoder, lambda: None, 1 << 20)


def rows(source: TiffSource, top: int, bottom: int) -> list[int]:
    return [int(level) for level in np.unique(source._made(Span(top, bottom)))]


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": lambda path: path.write_bytes(save(path.with_name("b.tif"), NEW)),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "emptied": lambda path: os.truncate(path, 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_somebody_writes_to_is_given_up(change: str, path: Path, source: TiffSource) -> None:
    assert rows(source, 0, 20) == [10]
    CHANGES[change](path)
    with pytest.raises(DecodeError, match=r"changed while it was read|become shorter"):
        rows(source, 20, 40)


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be replaced here")
def test_a_file_that_is_replaced_or_deleted_is_read_to_its_end(path: Path, source: TiffSource) -> None:
    save(path.with_name("b.tif"), NEW)
    path.with_name("b.tif").replace(path)
    assert rows(source, 0, 20) == [10]
    path.unlink()
    assert rows(source, 20, 60) == [10]
