"""What a codestream says of its sizes, and whether its tiles are all there."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.boxed import codestream
from tests import jp2

NOISE = np.random.default_rng(5).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def tiled(side: int) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(NOISE).save(stored, "JPEG2000", no_jp2=True, tile_size=(side, side))
    return stored.getvalue()


def parts(code: bytes) -> list[int]:
    """Where the parts of tiles begin."""
    found, place = [], code.find(b"\xff\x90\0\n")
    while code[place : place + 2] == b"\xff\x90":
        found.append(place)
        place += int.from_bytes(code[place + 6 : place + 10])
    return found


def check(code: bytes) -> None:
    codestream.check_whole(code, 0, len(code), codestream.read(code, 0).tiles)


def test_sizes_are_those_of_the_picture() -> None:
    found = codestream.read(b"ahead" + tiled(16), 5)
    assert (found.width, found.height, found.tiles) == (50, 40, 4 * 3)
    assert found.bits == (8, 8, 8) and found.whole and not found.signed
    deep = codestream.read(jp2.stream(NOISE[..., 0].astype(np.uint16), bitspersample=12), 0)
    assert deep.bits == (12,) and deep.tiles == 1


def test_what_does_not_begin_with_a_size_is_refused() -> None:
    code = tiled(16)
    for data in (b"", code[:40], code[:44], b"\xff\x4f\xff\x64" + code[4:], code[:24] + bytes(8) + code[32:]):
        with pytest.raises(DecodeError, match="damaged: "):
            codestream.read(data, 0)


def test_an_origin_beyond_the_picture_leaves_nothing_of_it() -> None:
    """Negative sides would become negative limits to time and memory."""
    code = bytearray(tiled(16))
    struct.pack_into(">2I", code, 16, 51, (1 << 32) - 1)
    found = codestream.read(bytes(code), 0)
    assert (found.width, found.height) == (0, 0)
    with pytest.raises(DecodeError, match="the picture is empty"):
        codec.decode(bytes(code))


def test_every_missing_tile_is_noticed_wherever_it_was() -> None:
    code = tiled(16)
    check(code)
    starts = parts(code)
    assert len(starts) == 12
    for start, end in zip(starts, [*starts[1:], len(code) - 2], strict=True):
        with pytest.raises(DecodeError, match="1 of 12 tiles are missing"):
            check(code[:start] + code[end:])
    for cut in range(starts[0], len(code), 7):
        with pytest.raises(DecodeError, match="cut off"):
            check(code[:cut])
    with pytest.raises(DecodeError, match="end mark"):
        check(code[:-2])


def test_the_last_part_may_leave_its_length_open() -> None:
    code = bytearray(tiled(16))
    struct.pack_into(">I", code, parts(bytes(code))[-1] + 6, 0)
    check(bytes(code))
    with pytest.raises(DecodeError, match="end mark"):
        check(bytes(code[:-2]))


def test_parts_without_a_length_do_not_hold_it_up() -> None:
    code = bytearray(tiled(16))
    struct.pack_into(">I", code, parts(bytes(code))[0] + 6, 1)
    with pytest.raises(DecodeError, match="11 of 12 tiles are missing"):
        check(bytes(code))
