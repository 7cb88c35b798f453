"""Camera raw files are no pictures yet, though most of them are TIFF files."""

import io
import struct
import time
from typing import Any, Literal

import numpy as np
import pytest
import tifffile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.tiff.cameraraw import refuse
from nsr_cli.imaging.tiff.parts import open_pages

Order = Literal["<", ">"]

PREVIEW = np.full((48, 64, 3), 90, np.uint8)
MEASURED = np.arange(120 * 160, dtype=np.uint16).reshape(120, 160)
FILTER = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((0, 1, 1, 2)), True)]


def tiff_of(*pages: dict[str, Any], bigtiff: bool = False, order: Order = "<") -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=order) as writer:
        for page in pages:
            writer.write(**page)
    return file.getvalue()


def raw() -> dict[str, Any]:
    return {"data": MEASURED, "photometric": 32803, "extratags": FILTER}


def preview(**more: Any) -> dict[str, Any]:
    return {"data": PREVIEW, "photometric": "rgb", **more}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    "pages",
    [
        [raw()],  # PEF, some DNG
        [{"data": np.dstack([MEASURED] * 3), "photometric": 34892}],  # linear DNG
        [preview(subfiletype=1, subifds=1), raw()],  # NEF, ARW, DNG
        [preview(subifds=1), raw()],  # where the preview is not called one
        [preview(subifds=2), preview(), raw()],
        [preview(), raw()],
    ],
)
def test_raw_files_are_refused_for_what_they_are(
    pages: list[dict[str, Any]], bigtiff: bool, order: Order
) -> None:
    data = tiff_of(*pages, bigtiff=bigtiff, order=order)
    with pytest.raises(DecodeError, match=r"camera raw file.*develop it to TIFF first$"):
        codec.decode(data)
    with pytest.raises(DecodeError, match="camera raw file"):
        list(codec.decode_all(data))
    with pytest.raises(DecodeError, match="camera raw file"):
        open_pages(data, 1 << 30)  # as large pictures are read


def test_a_canon_file_is_known_by_its_head() -> None:
    """CR2: after the TIFF header come "CR" and a version; the raw page says nothing of its colors."""
    data = bytearray(tiff_of(preview()))
    first = struct.unpack("<I", data[4:8])[0]
    assert first >= 8
    moved = bytes(data[:4]) + struct.pack("<I", 16) + b"CR\2\0" + bytes(4)
    with pytest.raises(DecodeError, match="camera raw file"):
        codec.decode(moved + bytes(data[8:]))


def test_only_tiff_files_can_be_meant() -> None:
    """The bytes in which Canon's sign stands are anything in other files."""
    refuse(b"\xff\xd8\xff\xe0\0\x10JFCR\2\0" + bytes(64))
    refuse(b"")


def test_pages_below_others_do_not_mean_a_raw_file() -> None:
    """Pyramids of microscopes and maps keep smaller copies there."""
    data = tiff_of(preview(subifds=2), preview(subfiletype=1), preview(subfiletype=1))
    assert np.array_equal(codec.decode(data).pixels, PREVIEW)


def test_a_file_whose_tags_point_anywhere_is_read_as_before() -> None:
    data = tiff_of(preview(subifds=1), preview())
    place = data.find(struct.pack("<HH", 330, 13))
    place = place if place >= 0 else data.find(struct.pack("<HH", 330, 4))
    assert place > 0
    broken = data[: place + 8] + struct.pack("<I", len(data) + 999) + data[place + 12 :]
    assert np.array_equal(codec.decode(broken).pixels, PREVIEW)


def test_thousands_of_tags_take_no_time() -> None:
    """Every page that is looked at has as many tags as a directory may have, and so have those below it."""
    tags = 4096
    long = b"".join(struct.pack("<HHII", 262, 3, 1, 2) for _ in range(tags - 1))
    size = 2 + 12 * tags + 4
    below = struct.pack("<HHII", 330, 4, 200, 8 + 4 * size)  # the same page 200 times
    pages = [
        struct.pack("<H", tags) + long + below + struct.pack("<I", 8 + (i + 1) * size if i < 3 else 0)
        for i in range(4)
    ]
    data = b"II*\0" + struct.pack("<I", 8) + b"".join(pages) + struct.pack("<200I", *[8] * 200)
    started = time.process_time()
    with pytest.raises(DecodeError):
        codec.decode(data)
    assert time.process_time() - started < 2
