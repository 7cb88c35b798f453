"""TIFF files written in bands: what is read again is what was given, with its metadata."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from nsr_cli.imaging import codec
from nsr_cli.imaging.ifd import Value
from nsr_cli.imaging.metadata import exif
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import bands
from nsr_cli.imaging.tiff import write as tiffwrite


def written(array: Any, **about: Any) -> bytes:
    height, width, channels = array.shape
    page = bands.hollow(width, height, channels, array.dtype, **about)
    asked: list[tuple[int, int]] = []

    def rows(top: int, bottom: int) -> Any:
        asked.append((top, bottom))
        return array[top:bottom]

    file = io.BytesIO()
    bands.write(file, [(page, rows)], array.nbytes)
    assert asked == [(top, min(top + 256, height)) for top in range(0, height, 256)]
    return file.getvalue()


@pytest.mark.parametrize("shape", [(1, 1, 3), (256, 256, 1), (300, 513, 3), (600, 5, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_size_and_depth(shape: tuple[int, int, int], dtype: type) -> None:
    array = np.random.default_rng(2).random(shape)
    array = array.astype(dtype) if dtype == np.float32 else (array * np.iinfo(dtype).max).astype(dtype)
    data = written(array)
    assert np.array_equal(codec.decode(data).pixels, array)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.pages.first.is_tiled


@pytest.mark.parametrize("limit", [tiffwrite.CLASSIC_LIMIT, 1000])
def test_metadata_goes_along_also_in_files_above_4_gb(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffwrite, "CLASSIC_LIMIT", limit)
    exposure = Value(0x829A, 5, 1, (1).to_bytes(4, "little") + (250).to_bytes(4, "little"))
    latitude = Value(1, 2, 2, b"N\0")
    block = exif.build_block([Value(271, 2, 5, b"Nice\0")], [exposure], [latitude])
    metadata = Metadata(exif=block, dpi=(300.0, 200.0), text=(("nsr", "a note"),))
    array = np.arange(300 * 40 * 3, dtype=np.uint16).reshape(300, 40, 3)
    data = written(array, metadata=metadata)
    assert (data[2] == 43) == (limit == 1000)
    found = codec.decode(data)
    assert np.array_equal(found.pixels, array)
    assert found.metadata.dpi == (300.0, 200.0)
    assert found.metadata.get_text("nsr") == "a note"
    main, inner, gps = exif.read_block(found.metadata.exif or b"")
    assert Value(271, 2, 5, b"Nice\0") in main
    assert exposure in inner and latitude in gps
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), array)


def test_whole_pictures_in_large_files_keep_their_exif_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffwrite, "CLASSIC_LIMIT", 100)
    exposure = Value(0x829A, 5, 1, (1).to_bytes(4, "little") + (250).to_bytes(4, "little"))
    picture = Picture(
        np.zeros((20, 20, 3), np.uint8), metadata=Metadata(exif=exif.build_block([], [exposure], []))
    )
    data = tiffwrite.encode([picture, picture])
    assert data[2] == 43
    pages = list(codec.decode_all(data))
    assert [exif.read_block(page.metadata.exif or b"")[1] for page in pages] == [[exposure]] * 2


@pytest.mark.parametrize("before", [0, 1 << 20, (1 << 20) - 5, 3 << 20])
def test_a_text_is_replaced_wherever_it_stands(before: int) -> None:
    old, new = b"0123456789", b"abcdefghij"
    file = io.BytesIO(b"x" * before + old + b"y" * 7)
    assert bands.replace_text(file, old, new) == 1
    assert file.getvalue() == b"x" * before + new + b"y" * 7
    assert bands.replace_text(file, old, new) == 0
    file = io.BytesIO(old + b"x" * before + old + old + b"z" * before + old)
    assert bands.replace_text(file, old, new) == 4
    assert file.getvalue() == new + b"x" * before + new + new + b"z" * before + new


def test_pages_follow_each_other_and_each_keeps_its_own() -> None:
    random = np.random.default_rng(3)
    drawn = [
        random.integers(0, 256, shape).astype(dtype)
        for shape, dtype in (((300, 40, 3), np.uint8), ((7, 260, 1), np.uint16), ((5, 6, 4), np.uint8))
    ]
    order: list[int] = []

    def pages() -> Any:
        for number, array in enumerate(drawn):
            order.append(number)
            page = bands.hollow(
                array.shape[1], len(array), 1 if number == 1 else 3, array.dtype, alpha=number == 2,
                metadata=Metadata(text=(("nsr", f"note {number}"),), dpi=(100.0 + number, 72.0)),
            )  # fmt: skip

            def rows(top: int, bottom: int, array: Any = array, number: int = number) -> Any:
                assert order[-1] == number, "a later page was asked for before this one was written"
                return array[top:bottom]

            yield page, rows

    file = io.BytesIO()
    bands.write(file, pages(), sum(array.nbytes for array in drawn))
    found = list(codec.decode_all(file.getvalue()))
    assert [page.metadata.get_text("nsr") for page in found] == [f"note {number}" for number in range(3)]
    assert [page.metadata.dpi for page in found] == [(100.0 + number, 72.0) for number in range(3)]
    assert np.array_equal(found[0].pixels, drawn[0]) and np.array_equal(found[1].pixels, drawn[1])
    assert np.array_equal(found[2].pixels, drawn[2][..., :3])
    assert found[2].alpha is not None and np.array_equal(found[2].alpha, drawn[2][..., 3])


def test_a_hollow_picture_takes_no_memory() -> None:
    page = bands.hollow(1 << 19, 1 << 19, 3, np.uint16, alpha=True)
    assert (page.width, page.channels, page.bits) == (1 << 19, 3, 16)
    assert page.alpha is not None
