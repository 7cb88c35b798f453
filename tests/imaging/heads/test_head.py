"""The size of a picture from its head alone, as the decoder finds it; and no head is too odd."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.heads.head import Head, read_head
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png.chunks import HEAD_END, chunk
from tests.cli.kinds import Case, cases
from tests.reliability import headers

PAM = b"P7\nWIDTH 3\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
PNM = {
    b"P5 3 2 255\n": Head(3, 2, 1),
    b"P6 7 2 65535\n": Head(7, 2, 6),
    b"P4\n# bits\n9 4\n": Head(9, 4, 1),
    PAM: Head(3, 2, 4, alpha=True),
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_head_says_what_the_decoder_finds(case: Case, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(case.data)
    with FileBytes(tmp_path / "a") as data:
        head = read_head(data)
    picture = codec.decode(case.data)
    assert head is not None
    assert (head.width, head.height) == (picture.width, picture.height)
    assert head.alpha == (picture.alpha is not None)


def profile_text(block: bytes, name: str) -> bytes:
    """A PNG text that holds an EXIF block, as ImageMagick writes it."""
    digits = (b"Exif\0\0" + block).hex()
    text = f"\nexif\n{len(digits) // 2:8}\n{digits}\n".encode("ascii")
    return chunk(b"zTXt", f"Raw profile type {name}".encode("ascii") + b"\0\0" + zlib.compress(text))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("way", ["eXIf", "exif", "APP1", "both"])
def test_an_orientation_counts_wherever_a_png_file_has_it(way: str, first: bool, exif_block: Any) -> None:
    """In a chunk or in a text, before or behind the pixels; the chunk comes first."""
    plain = codec.encode(Picture(np.zeros((8, 12, 3), np.uint8)), "PNG")
    own = chunk(b"eXIf", exif_block(6))
    more = {"eXIf": own, "both": own + profile_text(exif_block(1), "exif")}.get(way)
    more = profile_text(exif_block(6), way) if more is None else more
    place = HEAD_END if first else len(plain) - 12
    data = plain[:place] + more + plain[place:]
    picture, head = codec.decode(data), read_head(data)
    assert head is not None and (head.width, head.height) == (picture.width, picture.height) == (8, 12)


@pytest.mark.parametrize("data", PNM)
def test_heads_of_the_formats_of_pipes(data: bytes) -> None:
    assert read_head(data + bytes(90)) == PNM[data]


@pytest.mark.parametrize("mode", ["1", "RGB"])
def test_the_smallest_bmp_file_has_a_head(mode: str, pillow_file: Any) -> None:
    head = read_head(pillow_file(Image.new(mode, (1, 1)), "BMP"))
    assert head is not None and (head.width, head.height, head.alpha) == (1, 1, False)


@pytest.mark.parametrize("kind", headers.FORMATS)
def test_no_head_is_too_odd(kind: str) -> None:
    found = [read_head(data) for data in headers.headers(kind).values()]
    assert None in found or kind == "APNG"  # in which the head is whole
    assert all(min(head.width, head.height, head.depth) > 0 for head in found if head is not None)


@pytest.mark.parametrize("kind", headers.FORMATS)
def test_a_head_that_is_cut_off_says_nothing_wrong(kind: str) -> None:
    whole = next(data for data in headers.headers(kind).values() if readable(data))
    expected = read_head(whole)
    assert all(read_head(whole[:size]) in (None, expected) for size in range(0, len(whole), 3))


def readable(data: bytes) -> bool:
    try:
        return codec.decode(data).width > 1
    except DecodeError:
        return False
