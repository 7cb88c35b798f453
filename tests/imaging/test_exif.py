"""What EXIF says of where things are in the picture stays true when it is turned and enlarged."""

from typing import Any

import pytest

from nsr_cli.imaging import exif


def entry(order: Any, tag: int, kind: int, value: int) -> bytes:
    width = {1: 1, 3: 2, 4: 4, 13: 4}[kind]
    slot = value.to_bytes(width, order).ljust(4, b"\0")
    return tag.to_bytes(2, order) + kind.to_bytes(2, order) + (1).to_bytes(4, order) + slot


def block_of(order: Any, *rows: bytes) -> bytes:
    head = b"II*\0\x08\0\0\0" if order == "little" else b"MM\0*\0\0\0\x08"
    return head + len(rows).to_bytes(2, order) + b"".join(rows) + bytes(4)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("kind", [3, 4, 13])
def test_an_orientation_of_any_type_that_is_applied_is_reset(kind: int, order: str) -> None:
    """Else a viewer would turn the upright picture once more."""
    block = block_of(order, entry(order, exif.ORIENTATION, kind, 6), entry(order, 0x0128, 3, 2))
    assert exif.orientation(block) == 6
    assert exif.make_upright(block, 6) == block_of(
        order, entry(order, exif.ORIENTATION, kind, 1), entry(order, 0x0128, 3, 2)
    )
