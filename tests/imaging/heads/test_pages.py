"""The sizes of all pictures of a file from directories and heads alone, as the decoder finds them."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.heads import pages as pageheads
from nsr_cli.imaging.heads.pages import read_heads
from nsr_cli.imaging.ifd import Layout, directories
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import kinds

RANDOM = np.random.default_rng(3)


def pages(**options: Any) -> bytes:
    """Pages of several kinds, among them a thumbnail and a mask."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        writer.write(np.zeros((2, 3, 3), np.uint8), photometric="rgb", subfiletype=1, metadata=None)
        writer.write(np.zeros((20, 30, 3), np.uint8), photometric="rgb", compression="zlib", metadata=None)
        writer.write(np.zeros((20, 30), bool), subfiletype=4, metadata=None)
        writer.write(np.zeros((10, 40), np.uint16), metadata=None, extratags=[(274, 3, 1, 6, True)])
        colors = np.arange(768, dtype=np.uint16).reshape(3, 256) % 256 * 257
        writer.write(np.zeros((7, 9), np.uint8), photometric="palette", colormap=colors, metadata=None)
    return file.getvalue()


def frames(kind: str, count: int = 7) -> bytes:
    drawn = [RANDOM.integers(0, 256, (11, 13, 3), dtype=np.uint8) for _ in range(count)]
    return codec.encode_pages([Picture(one, metadata=Metadata(duration=0.1)) for one in drawn], kind)


def clear(kind: str) -> bytes:
    """Frames that let others shine through: with a palette, or in colors of 32 bits."""
    images = [Image.fromarray(RANDOM.integers(0, 4, (11, 13), dtype=np.uint8), "P") for _ in range(4)]
    for image in images:
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    file = io.BytesIO()
    if kind == "PNG":
        first, *more = (image.convert("RGBA") for image in images)
        first.putalpha(90)
        first.save(file, kind, save_all=True, append_images=more)
    else:
        images[0].save(file, kind, save_all=True, append_images=images[1:], transparency=0, disposal=2)
    return file.getvalue()


def beside(count: int) -> bytes:
    """A PNG file with a still picture that is none of its frames."""
    still, *more = (
        Image.new("RGB", (13, 11), color) for color in ("red", "green", "blue", "white")[: 1 + count]
    )
    file = io.BytesIO()
    still.save(file, "PNG", save_all=True, append_images=more, default_image=True)
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "pages": pages,
    "BigTIFF": lambda: pages(bigtiff=True, byteorder=">"),
    "GIF": lambda: frames("GIF"),
    "WebP": lambda: frames("WEBP"),
    "PNG": lambda: frames("PNG"),
    "clear GIF": lambda: clear("GIF"),
    "clear PNG": lambda: clear("PNG"),
    "frames beside a still PNG": lambda: beside(3),
    "one frame beside a still PNG": lambda: beside(1),
    "still PNG": lambda: frames("PNG", 1),
    "still WebP": lambda: frames("WEBP", 1),
}


@pytest.mark.parametrize("name", FILES)
def test_heads_are_those_of_the_pictures(name: str) -> None:
    data = FILES[name]()
    decoded = list(codec.decode_all(data))
    found = read_heads(data, every_frame=True)
    assert [(head.width, head.height) for head in found] == [(one.width, one.height) for one in decoded]
    taken = [(one.channels + (one.alpha is not None)) * one.bits // 8 for one in decoded]
    assert max(taken) <= max(head.depth for head in found) <= 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_one_frame_is_read_unless_all_are_wanted(kind: str) -> None:
    assert len(read_heads(frames(kind), every_frame=False)) == 1
    assert len(read_heads(pages(), every_frame=False)) == 3


def test_damage_in_a_later_page_ends_the_list() -> None:
    data = bytearray(pages(byteorder="<"))
    layout = Layout.of(bytes(data))
    second = list(directories(bytes(data), layout))[1]
    for place, expected in ((len(data) + 9, 1), (second, 1)):  # outside of the file, and a circle
        struct.pack_into("<I", data, layout.next_pointer(bytes(data), second), place)
        assert len(read_heads(bytes(data), every_frame=False)) == expected
    assert read_heads(b"nothing", every_frame=True) == []


def test_no_more_pages_are_looked_at_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kinds, pageheads):
        monkeypatch.setattr(module, "MOST_PICTURES", 4)
    assert len(read_heads(pages(), every_frame=False)) == 2
    assert len(read_heads(frames("PNG"), every_frame=True)) == 4
