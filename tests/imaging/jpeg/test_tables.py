"""Quality and subsampling come from the file's own tables."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.jpeg import tables

Make = Callable[..., bytes]


@pytest.mark.parametrize(("code", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_every_ijg_quality_is_read_exactly(code: int, name: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.rgb8)
    for quality in range(1, 101):
        found = tables.read_tables(pillow_file(image, "JPEG", quality=quality, subsampling=code))
        assert found == tables.JpegTables(quality, True, name)


def test_gray_and_cmyk_files(samples: Any, pillow_file: Make) -> None:
    gray = tables.read_tables(pillow_file(Image.fromarray(samples.gray8), "JPEG", quality=37))
    assert gray == tables.JpegTables(37, True, "gray")
    ink = pillow_file(Image.fromarray(samples.ink, "CMYK"), "JPEG", quality=37)
    assert tables.read_tables(ink).quality == 37


@pytest.mark.parametrize(
    ("preset", "quality"), [("web_medium", 70), ("web_high", 87), ("low", 82), ("maximum", 94)]
)
def test_other_tables_give_the_quality_that_loses_as_much(
    preset: str, quality: int, samples: Any, pillow_file: Make
) -> None:
    # Expected: the quality with the same mean squared error on six photographs, compressed with each table.
    found = tables.read_tables(pillow_file(Image.fromarray(samples.rgb8), "JPEG", quality=preset))
    assert not found.exact
    assert found.quality == pytest.approx(quality, abs=4)


def test_tables_near_a_quality_are_not_exact(samples: Any, pillow_file: Make) -> None:
    luma = tables.standard_table(60).ravel()
    luma[9] += 1
    table = [int(value) for value in luma]
    found = tables.read_tables(pillow_file(Image.fromarray(samples.gray8), "JPEG", qtables=[table]))
    assert (found.quality, found.exact) == (60, False)


def test_16_bit_tables_are_read() -> None:
    table = tables.standard_table(5, largest=32_767)
    assert table.max() > 255
    stored = table.ravel()[tables.zigzag()].astype(">u2").tobytes()
    frame = bytes([8, 0, 16, 0, 16, 1, 1, 0x11, 0])
    data = b"\xff\xd8\xff\xdb" + (3 + 128).to_bytes(2, "big") + b"\x10" + stored
    data += b"\xff\xc1" + (2 + len(frame)).to_bytes(2, "big") + frame + b"\xff\xda\0\x02"
    assert tables.read_tables(data) == tables.JpegTables(5, True, "gray")
    assert tables.frame_size(data) == (16, 16)


def test_zigzag_begins_and_ends_as_in_the_standard() -> None:
    order = tables.zigzag()
    assert order[:10].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert order[-3:].tolist() == [55, 62, 63]
    assert np.array_equal(np.sort(order), np.arange(64))


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\0\x02", b"\xff\xd8\0\0\0\0"]
)
def test_damaged_headers_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        tables.read_tables(data)


def test_cut_off_headers_raise_nothing_else(samples: Any, pillow_file: Make) -> None:
    data = pillow_file(Image.fromarray(samples.rgb8), "JPEG")
    for end in range(0, 620, 7):
        outcome = "read"
        try:
            tables.read_tables(data[:end])
        except DecodeError:
            outcome = "refused"
        assert outcome == "refused" or end > 160
