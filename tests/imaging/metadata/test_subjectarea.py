"""Where the subject is, as EXIF says it, stays where it is in the picture."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import exif, subjectarea
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rebuild import oriented
from tests.imaging.files import enlarged

WIDTH, HEIGHT = 90, 70


def block_of(
    area: tuple[int, ...], *, turn: int = 1, sides: tuple[int, int] | None = (WIDTH, HEIGHT)
) -> bytes:
    found = Image.Exif()
    found[0x0112] = turn
    found[0x010F] = "Lumen"
    inner = found.get_ifd(0x8769)
    inner[0x829A] = 0.005
    inner[0x9214] = area
    inner[0xA214] = area[:2]
    inner[0xA434] = "a lens with a long name"
    if sides:
        inner[0xA002], inner[0xA003] = sides
    return found.tobytes().removeprefix(exif.PREFIX)


def inner_of(block: bytes | None) -> dict[int, Any]:
    found = Image.Exif()
    found.load(block or b"")
    return dict(found.get_ifd(0x8769))


def jpeg(block: bytes) -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), "gray").save(stored, "JPEG", exif=exif.PREFIX + block)
    return stored.getvalue()


@pytest.mark.parametrize("turn", range(1, 9))
def test_it_turns_with_the_picture(turn: int) -> None:
    marked = np.zeros((HEIGHT, WIDTH))
    marked[20, 33] = 1
    (y,), (x,) = np.nonzero(oriented(marked, turn))
    picture = codec.decode(jpeg(block_of((33, 20, 10, 4), turn=turn)))
    inner = inner_of(picture.metadata.exif)
    assert inner[0x9214] == ((x, y, 4, 10) if turn >= 5 else (x, y, 10, 4))
    assert inner[0xA214] == (x, y)
    assert picture.notes == ()


@pytest.mark.parametrize("area", [(33, 20), (33, 20, 10), (33, 20, 10, 4)])
@pytest.mark.parametrize("turn", [1, 6])
def test_it_grows_with_the_picture(area: tuple[int, ...], turn: int) -> None:
    picture = codec.decode(jpeg(block_of(area, turn=turn)))
    before = inner_of(picture.metadata.exif)
    large = enlarged(picture, 3, 3)
    for found in (large, codec.decode(codec.encode(large, "TIFF"))):  # once more must not triple it again
        inner = inner_of(codec.decode(codec.encode(found, "PNG")).metadata.exif)
        assert inner[0x9214] == tuple(3 * value for value in before[0x9214])
        assert (inner[0xA002], inner[0xA003]) == (large.width, large.height)
    assert "its EXIF subject area is left out" not in codec.losses(large, "PNG")


def test_what_cannot_be_moved_is_left_out_with_a_note() -> None:
    picture = codec.decode(jpeg(block_of((33, 20), turn=6, sides=None)))
    assert picture.notes == ("its EXIF subject area does not fit the upright picture: left out",)
    inner = inner_of(picture.metadata.exif)
    assert set(inner) == {0x829A, 0xA434} and inner[0xA434] == "a lens with a long name"
    flat = codec.decode(jpeg(block_of((33, 20), sides=None)))
    large = enlarged(flat, 3, 3)
    assert "its EXIF subject area is left out" in codec.losses(large, "PNG")
    assert set(inner_of(codec.decode(codec.encode(large, "PNG")).metadata.exif)) == {0x829A, 0xA434}


def test_makers_notes_keep_their_place() -> None:
    block = block_of((33, 20, 10, 4), turn=6, sides=None)
    found, is_lost = subjectarea.turned(block, 6)
    assert is_lost and len(found) == len(block)
    place = block.index(b"a lens")
    assert found[place:] == block[place:]


def test_damaged_blocks_raise_nothing() -> None:
    block = block_of((33, 20, 10, 4))
    random = np.random.default_rng(0)
    for _ in range(2000):
        junk = bytearray(block)
        for place in random.integers(4, len(junk), 3):
            junk[place] = random.integers(256)
        for found, _ in (subjectarea.turned(bytes(junk), 6), subjectarea.scaled(bytes(junk), 500, 7)):
            assert len(found) == len(junk)


def test_a_picture_without_one_is_left_alone() -> None:
    picture = Picture(np.zeros((HEIGHT, WIDTH, 1), np.uint8))
    assert "its EXIF subject area is left out" not in codec.losses(picture, "PNG")
