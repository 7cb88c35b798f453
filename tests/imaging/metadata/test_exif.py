"""What EXIF says of where things are in the picture stays true when it is turned and enlarged."""

import io
from typing import Any

import pytest
from PIL import Image

from nsr_cli.imaging import codec, ifd
from nsr_cli.imaging.metadata import exif


def entry(order: Any, tag: int, kind: int, value: int) -> bytes:
    width = {1: 1, 3: 2, 4: 4, 13: 4}[kind]
    slot = value.to_bytes(width, order).ljust(4, b"\0")
    return tag.to_bytes(2, order) + kind.to_bytes(2, order) + (1).to_bytes(4, order) + slot


def block_of(order: Any, *rows: bytes) -> bytes:
    head = b"II*\0\x08\0\0\0" if order == "little" else b"MM\0*\0\0\0\x08"
    return head + len(rows).to_bytes(2, order) + b"".join(rows) + bytes(4)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("kind", [1, 3, 4, 13])
def test_an_orientation_of_any_type_that_is_applied_is_reset(kind: int, order: str) -> None:
    """Else a viewer would turn the upright picture once more."""
    block = block_of(order, entry(order, ifd.ORIENTATION, kind, 6), entry(order, 0x0128, 3, 2))
    assert exif.orientation(block) == 6
    assert exif.make_upright(block, 6) == block_of(
        order, entry(order, ifd.ORIENTATION, kind, 1), entry(order, 0x0128, 3, 2)
    )


def test_a_comment_in_utf_16_follows_the_byte_order_into_a_tiff_file() -> None:
    """Else other programs read it as Chinese: the blocks of many cameras and phones are big-endian, results are not."""
    said, stored = "Grüße ✓", io.BytesIO()
    block = Image.Exif()  # big-endian, as Pillow writes it
    block.get_ifd(exif.EXIF_DIRECTORY)[0x9286] = b"UNICODE\0" + said.encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(stored, "JPEG", exif=block)
    for _ in range(2):  # the second time from little-endian
        stored = io.BytesIO(codec.encode(codec.decode(stored.getvalue()), "TIFF"))
        with Image.open(stored) as image:
            comment = image.getexif().get_ifd(exif.EXIF_DIRECTORY)[0x9286]
        assert comment == b"UNICODE\0" + said.encode("utf-16-le")
