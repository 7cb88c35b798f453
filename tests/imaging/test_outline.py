"""Files are looked through before a library gets them: what is too long is cut out, what is too much refused."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, limits, outline
from tests.reliability import bombs


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that small files reach."""
    monkeypatch.setattr(outline, "MOST_METADATA", 1000)
    monkeypatch.setattr(outline, "MOST_PICTURES", 5)


def photo(**options: object) -> bytes:
    pixels = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "JPEG", **options)
    return stored.getvalue()


def exif(size: int) -> bytes:
    return struct.pack(">BBH", 0xFF, 0xE1, size + 8) + b"Exif\0\0" + bytes(size)


def webp(size: int) -> bytes:
    return bombs.webp_of((b"EXIF", bytes(size)), (b"XMP ", b"y" * size), flags=12)


@pytest.mark.parametrize(
    "make, pass_on, names",
    [
        (lambda size: photo()[:2] + exif(size) + photo()[2:], outline.jpeg, ["EXIF block"]),
        (webp, outline.webp, ["EXIF block", "XMP packet"]),
        (
            lambda size: bombs.gif_comment(255 * -(-size // 255)),
            lambda data: outline.gif(data)[0],
            ["comment"],
        ),
    ],
    ids=["JPEG", "WebP", "GIF"],
)
def test_what_is_too_long_is_left_out_and_the_rest_stays(
    make: Callable[[int], bytes], pass_on: Callable[[bytes], outline.Cut], names: list[str]
) -> None:
    short, long = make(500), make(2000)
    assert pass_on(short) == (short, ())
    data, notes = pass_on(long)
    assert len(data) < len(long) - 2000 * len(names)
    assert notes == tuple(f"its {name} is too long: left out" for name in names)
    assert np.array_equal(codec.decode(data).pixels, codec.decode(long).pixels)
    assert not codec.decode(data).metadata.text
    assert pass_on(data) == (data, ())


def test_the_notes_reach_the_picture() -> None:
    found = codec.decode(photo()[:2] + exif(2000) + photo()[2:])
    assert found.notes == ("its EXIF block is too long: left out",)
    assert found.metadata.exif is None


@pytest.mark.parametrize(
    "make, what",
    [
        (bombs.gif_frames, "frames"),
        (bombs.webp_frames, "frames"),
        (bombs.apng_frames, "frames"),
        (bombs.tiff_pages, "pages"),
    ],
    ids=["GIF", "WebP", "APNG", "TIFF"],
)
def test_so_many_pictures_are_read_and_not_one_more(make: Callable[[int], bytes], what: str) -> None:
    assert len(list(codec.decode_all(make(5)))) == 5
    assert codec.decode(make(5)).remarks == (f"first of 5 {what}",)
    for read in (codec.decode, lambda data: list(codec.decode_all(data))):
        with pytest.raises(DecodeError, match=f"^it has more than the 5 {what} that are read of one file"):
            read(make(6))


def test_frames_are_counted_as_they_are_found() -> None:
    whole = bombs.gif_frames(3)
    for data in (whole, whole[:-1], whole + b",junk"):
        assert outline.gif(data)[1] == 3
    two = bombs.gif_frames(2)
    empty = two[:-1] + b"!\x01\0" + two[19:]  # Pillow takes what follows an empty extension for a part of it
    assert outline.gif(empty)[1] == 4
    assert len(list(codec.decode_all(empty))) < 4


def test_far_more_blocks_than_frames_need_are_refused() -> None:
    """Each is looked at, and a file may have hundreds of millions."""
    blocks = b"!\x01\0" * 70_000
    with pytest.raises(DecodeError, match=r"^the GIF file has more than 65741 blocks; it is damaged$"):
        codec.decode(bombs.gif_frames(1)[:-1] + blocks + b";")


def test_a_gif_that_is_cut_off_is_not_passed_as_a_shorter_one() -> None:
    whole = bombs.gif_frames(3)
    for cut in range(20, len(whole) - 1):
        with suppress(DecodeError):  # else it is cut off between two blocks
            assert outline.gif(whole[:cut])[0][1] == ("its end mark is missing: it may be cut off",)
    with pytest.raises(DecodeError, match="the GIF file is cut off"):
        codec.decode(whole[:-2])
    assert codec.decode(whole[:-1]).notes == ("its end mark is missing: it may be cut off",)
    assert codec.decode(whole).notes == ()


def test_scans_are_counted_up_to_the_end_of_the_picture() -> None:
    data = photo(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    for after in (b"", b"\xff\xda" * 1000):  # such bytes stand in the film behind a phone's picture
        assert outline.jpeg(data + after) == (data + after, ())
        assert outline.jpeg(data[:-2] + scan * 80 + b"\xff\xd9" + after)[1] == ()
    with pytest.raises(DecodeError, match="more than 100 scans"):
        outline.jpeg(data[:-2] + scan * 100 + b"\xff\xd9")


def test_an_ordinary_file_is_passed_on_without_a_copy() -> None:
    data = photo(progressive=True, exif=Image.Exif().tobytes())
    assert outline.jpeg(data)[0] is data
    assert outline.webp(webp(9))[1] == ()


def test_pages_in_a_circle_are_refused() -> None:
    with pytest.raises(DecodeError, match="circle"):
        outline.check_tiff(bombs.tiff_pages(4, circle=True))


def test_the_limits_are_those_of_the_documentation() -> None:
    assert (limits.MOST_PICTURES, limits.MOST_METADATA) == (10_000, 8 << 20)
