"""Bands of TIFF files: the small files that are cut out hold the very samples of the large one."""

import io
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.tiff import parts as tiffparts
from nsr_cli.imaging.tiff import read as tiffread
from nsr_cli.imaging.tiff.parts import Parts, open_pages
from tests.imaging.files import tiff

RANDOM = np.random.default_rng(5)
PIXELS = RANDOM.integers(0, 256, (83, 70, 3), dtype=np.uint8)


def written(array: Any, **options: Any) -> bytes:
    photometric = options.pop("photometric", "rgb" if array.shape[-1] in (3, 4) else "minisblack")
    return tiff(array, photometric=photometric, metadata=None, **options)


def parts_of(data: bytes, max_pixels: int = 1 << 20) -> Parts:
    [found] = open_pages(data, max_pixels)
    return found


def bands(data: bytes, step: int) -> np.ndarray:
    """The picture put together from bands of `step` rows."""
    parts, rows = parts_of(data), []
    for top in range(0, parts.height, step):
        bottom = min(top + step, parts.height)
        first, last = parts.whole(top, bottom)
        assert first <= top and bottom <= last <= parts.height
        rows.append(tiffread.decode(parts.cut(first, last), 1 << 20).pixels[top - first : bottom - first])
    return np.concatenate(rows)


@pytest.mark.parametrize("step", [1, 16, 50, 83])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"rowsperstrip": 7, "byteorder": ">"},
        {"bigtiff": True, "rowsperstrip": 10},
        {"compression": "lzw", "predictor": True, "rowsperstrip": 9},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 83},
        {"compression": "packbits", "rowsperstrip": 8},
        {"tile": (16, 32)},
        {"tile": (32, 16), "compression": "zlib", "byteorder": ">"},
        {"tile": (96, 96), "compression": "zstd"},
    ],
)
def test_bands_are_the_rows_of_the_whole(options: dict[str, Any], step: int) -> None:
    data = written(PIXELS, **options)
    assert np.array_equal(bands(data, step), PIXELS)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_depths_and_planes(kind: type, planes: str) -> None:
    array = PIXELS.astype(kind) / (256 if kind == np.float32 else 1)
    array = array.astype(kind)
    stored = array.transpose(2, 0, 1) if planes == "separate" else array
    data = written(stored, planarconfig=planes, photometric="rgb", rowsperstrip=11)
    assert np.array_equal(bands(data, 20), array)


@pytest.mark.parametrize("compression", ["jpeg", "group4", "raw"])
def test_what_libtiff_writes(compression: str) -> None:
    file = io.BytesIO()
    image = Image.fromarray(PIXELS) if compression == "jpeg" else Image.fromarray(PIXELS[..., 0] > 99)
    image.save(file, "TIFF", compression=compression, strip_size=2048)
    assert np.array_equal(bands(file.getvalue(), 24), codec.decode(file.getvalue()).pixels)


def test_only_what_a_band_needs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(written(PIXELS, rowsperstrip=5))
    with FileBytes(path) as file:
        [parts] = open_pages(file, 1 << 20)
        assert len(parts.cut(10, 20)) < 10 * 70 * 3 + 400
        assert file[2:4] == b"*\0" and len(file) == path.stat().st_size


@pytest.mark.parametrize("count", [1, 60])
def test_thumbnails_are_no_pages(count: int) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(count):
            writer.write(PIXELS, photometric="rgb")
            writer.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)
    found = [(parts.width, parts.height) for parts in open_pages(file.getvalue(), 1 << 20)]
    assert found == [(70, 83)] * count


def test_every_page_has_parts_of_its_own() -> None:
    drawn: list[Any] = [PIXELS, PIXELS[:40, :, 0], PIXELS[:9].astype(np.uint16) * 257]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for array in drawn:
            options = {"compression": "lzw", "rowsperstrip": 8} if array.ndim == 2 else {"rowsperstrip": 7}
            writer.write(array, photometric="rgb" if array.ndim == 3 else "minisblack", **options)
    pages = open_pages(file.getvalue(), 1 << 20)
    found = [tiffread.decode(parts.cut(0, parts.height), 1 << 20).pixels.squeeze() for parts in pages]
    assert [(one.dtype, one.shape) for one in found] == [(one.dtype, one.shape) for one in drawn]
    assert all(np.array_equal(one, array) for one, array in zip(found, drawn, strict=True))


def test_many_pages_that_share_one_table_are_left_to_the_ordinary_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(3):
            writer.write(PIXELS, photometric="rgb", rowsperstrip=1)
    assert len(open_pages(file.getvalue(), 1 << 20)) == 3
    monkeypatch.setattr(tiffparts, "_MOST_PARTS", 2 * len(PIXELS))
    assert open_pages(file.getvalue(), 1 << 20) == []


def test_a_file_that_is_not_whole_is_left_to_the_ordinary_reader() -> None:
    data = written(PIXELS, rowsperstrip=5)
    assert open_pages(data[:-1], 1 << 20) == []


def test_too_many_pixels_are_refused_with_the_usual_line() -> None:
    with pytest.raises(DecodeError, match="--max-pixels 5810"):
        open_pages(written(PIXELS), 5000)


def test_pages_in_a_circle_end() -> None:
    data = bytearray(written(PIXELS))
    place = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, place)[0]
    struct.pack_into("<I", data, place + 2 + 12 * count, place)
    with pytest.raises(DecodeError, match="circle"):
        open_pages(bytes(data), 1 << 20)


def test_damaged_directories_are_refused_or_left_alone_but_never_crash() -> None:
    data = written(PIXELS, compression="zlib", rowsperstrip=5)
    place = struct.unpack_from("<I", data, 4)[0]
    for _ in range(400):
        mutant = bytearray(data)
        for _ in range(3):
            mutant[int(RANDOM.integers(place, place + 200)) % len(data)] = int(RANDOM.integers(256))
        with suppress(DecodeError):
            for parts in open_pages(bytes(mutant), 1 << 20):
                codec.decode(parts.cut(*parts.whole(0, 1)), max_pixels=1 << 20)
