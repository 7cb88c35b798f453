"""PNG files written in rows: what any reader finds in them is what was given, with its metadata."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.ifd import Value
from nsr_cli.imaging.metadata import exif
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.png import rows as pngrows
from nsr_cli.imaging.png import write as pngwrite
from nsr_cli.imaging.tiff import bands

RANDOM = np.random.default_rng(3)
SAMPLE = Path(__file__).parents[3] / "nsr_cli" / "sample" / "sample.png"


def written(array: Any, metadata: Metadata | None = None) -> bytes:
    """The file of samples (H, W, S), of which two or four include alpha."""
    height, width, samples = array.shape
    alpha = samples in (2, 4)
    about = {"metadata": metadata or Metadata()}
    page = bands.hollow(width, height, samples - alpha, array.dtype, alpha=alpha, **about)
    file = io.BytesIO()
    pngrows.write(file, page, lambda top, bottom: array[top:bottom])
    return file.getvalue()


def joined(picture: Picture) -> Any:
    parts = [picture.pixels] + ([] if picture.alpha is None else [picture.alpha[..., np.newaxis]])
    return np.concatenate(parts, axis=2)


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (37, 53), (3, 400)])
def test_libpng_and_pillow_read_the_same(
    size: tuple[int, int], dtype: type, samples: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pngrows, "_BLOCK", block)
    monkeypatch.setattr(pngrows, "_PIECE", 700)
    smooth = np.cumsum(RANDOM.integers(-2, 3, (*size, samples)), axis=1) + 100
    array: NDArray[Any] = smooth.astype(dtype) * (257 if dtype == np.uint16 else 1)
    data = written(array)
    assert np.array_equal(joined(codec.decode(data)), array)
    if dtype == np.uint8 or samples == 1:  # Pillow reads other 16-bit pictures as 8 bits
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert np.array_equal(np.asarray(image).reshape(array.shape), array)


@given(st.binary(min_size=1, max_size=200), st.integers(1, 8), st.integers(1, 5))
def test_a_reader_undoes_every_filter(content: bytes, step: int, rows: int) -> None:
    """By the specification's own sums, sample after sample."""
    length = max(step, len(content) // rows // step * step)
    array = np.resize(np.frombuffer(content, np.uint8), (rows, length))
    packed = pngrows.filtered(array, np.zeros(length, np.uint8), step)
    above = [0] * length
    for row, expected in zip(packed.tolist(), array.tolist(), strict=True):
        kind, found = row[0], row[1:]
        for i in range(length):
            a, b = (found[i - step], above[i]) if i >= step else (0, above[i])
            c = above[i - step] if i >= step else 0
            near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            found[i] = (found[i] + (0, a, b, (a + b) // 2, near)[kind]) % 256
        assert found == expected
        above = found


def test_a_file_takes_hardly_more_room_than_from_libpng() -> None:
    picture = codec.decode(SAMPLE.read_bytes())
    assert len(written(picture.pixels)) <= 1.01 * len(pngwrite.encode(picture.with_metadata(Metadata())))


def test_metadata_are_those_of_the_ordinary_writer_and_can_be_replaced() -> None:
    block = exif.build_block([Value(271, 2, 5, b"Nice\0")], [], [])
    icc = b"\0" * 16 + b"RGB XYZ " + bytes(12) + b"acsp" + bytes(88)
    metadata = Metadata(block, icc, (300.0, 150.0), (("nsr", "token"), ("Title", "schön")))
    array = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data, ordinary = written(array, metadata), pngwrite.encode(Picture(array, metadata=metadata))
    assert codec.decode(data).metadata == codec.decode(ordinary).metadata
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        assert image.info["icc_profile"] == icc and image.info["Title"] == "schön"
        assert image.getexif()[271] == "Nice"
    file = io.BytesIO(data)
    signed = Metadata(block, icc, (300.0, 150.0), (("nsr", "OTHER"), ("Title", "schön")))
    pngrows.replace_metadata(file, Picture(array, metadata=signed))
    found = codec.decode(file.getvalue())
    assert found.metadata.get_text("nsr") == "OTHER" and np.array_equal(found.pixels, array)


def test_rows_are_asked_for_once_from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pngrows, "_BLOCK", 1000)
    asked: list[tuple[int, int]] = []
    array = np.zeros((25, 100, 1), np.uint8)

    def rows(top: int, bottom: int) -> Any:
        asked.append((top, bottom))
        return array[top:bottom]

    file = io.BytesIO()
    pngrows.write(file, bands.hollow(100, 25, 1, np.uint8), rows)
    assert asked == [(0, 10), (10, 20), (20, 25)]
    assert zlib.crc32(b"IEND").to_bytes(4, "big") == file.getvalue()[-4:]
