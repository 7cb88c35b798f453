"""The end of a TIFF file is told from its directories."""

import io
import struct
import time
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import extent

SHADES = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)


def tiff(**options: Any) -> bytes:
    """A file of two pages as tifffile writes it."""
    stored = io.BytesIO()
    big, order = options.pop("bigtiff", False), options.pop("byteorder", "<")
    with tifffile.TiffWriter(stored, bigtiff=big, byteorder=order) as writer:
        for page in (SHADES, SHADES[:9, :7]):
            writer.write(page, metadata=None, photometric="minisblack", **options)
    return stored.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True, "byteorder": ">"},
        {"tile": (16, 32), "compression": "zlib"},
        {"rowsperstrip": 3, "compression": "lzw", "byteorder": ">"},
    ],
)
def test_the_end_is_that_of_the_last_part(options: dict[str, Any]) -> None:
    data = tiff(**options)
    assert extent.end_of(data) == len(data)
    assert extent.end_of(data + data) == len(data)


def test_directories_below_a_page_belong_to_the_file(exif_block: Any) -> None:
    data = codec.encode(Picture(SHADES[..., np.newaxis], metadata=Metadata(exif=exif_block(1))), "TIFF")
    assert extent.end_of(data + b"II*\0") == len(data)
    smaller = io.BytesIO()
    with tifffile.TiffWriter(smaller) as writer:
        writer.write(SHADES, subifds=1, metadata=None)
        writer.write(SHADES[::2, ::2], subfiletype=1, metadata=None)
    assert extent.end_of(smaller.getvalue() * 2) == len(smaller.getvalue())


def test_a_file_of_pillow_ends_where_it_ends() -> None:
    stored = io.BytesIO()
    Image.fromarray(SHADES.astype(np.uint8)).save(stored, "TIFF", compression="tiff_lzw")
    assert extent.end_of(stored.getvalue()) == len(stored.getvalue())


def test_a_damaged_file_has_no_end() -> None:
    data = tiff()
    assert extent.end_of(data[: len(data) // 2]) is None
    assert extent.end_of(b"II*\0\xff\xff\xff\xff") is None
    assert extent.end_of(b"II*\0" + bytes(4)) is extent.end_of(b"II*\0" + bytes(20)) is None  # no directory
    circle = b"II*\0\x08\0\0\0" + b"\1\0" + bytes.fromhex("4a01040001000000") + b"\x08\0\0\0" + bytes(4)
    assert extent.end_of(circle) == len(circle)


def test_tables_that_lie_over_one_another_cost_little_time() -> None:
    rows = b"".join(struct.pack("<HHII", tag, 4, 1 << 20, 8) for tag in (273, 279, 324, 325))
    one = struct.pack("<H", 4) + rows
    starts = range(1 << 22, (1 << 22) + 2000 * (len(one) + 4), len(one) + 4)
    chain = b"".join(one + struct.pack("<I", after) for after in (*starts[1:], 0))
    data = b"II*\0" + struct.pack("<I", starts[0]) + bytes((1 << 22) - 8) + chain
    began = time.perf_counter()
    assert extent.end_of(data) is None
    assert time.perf_counter() - began < 20
