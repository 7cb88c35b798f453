"""The sizes of all pages or frames of a file, from its directories or chunk headers alone."""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, ifd, outline
from nsr_cli.imaging.boxed import heif
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.heads.head import Head, read_head, tiff_page
from nsr_cli.imaging.ifd import Layout
from nsr_cli.imaging.limits import MOST_PICTURES, most_bytes
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.tiff import kinds

_MOST_CHUNKS = 3 * MOST_PICTURES
# A frame of a GIF with transparent pixels.
_SEE_THROUGH = re.compile(rb"!\xf9\x04[\x01\x03\x05\x07\x09\x0b\x0d\x0f]")
_ANIMATED = pngchunks.SAMPLES | {
    3: 3
}  # bytes of a decoded frame's pixel, by PNG's color type: indices become RGB


def read_heads(data: Readable, *, every_frame: bool) -> list[Head]:
    """The head of each picture in a file, in order; empty if the file does not say enough.

    What it says need not be true. Damage in a later page ends the list: the decoder says what is wrong.

    Args:
        data: the file.
        every_frame: list all frames of an animation, not only the first. Pages of a TIFF are always listed.
    """
    first = read_head(data)
    if first is None:
        return []
    kind = codec.sniff(data)
    if kind == "TIFF":
        return list(_pages(data)) or [first]
    if not every_frame or kind not in ("GIF", "WEBP", "PNG", "AVIF"):
        return [first]
    try:
        count, depth = {"GIF": _gif, "WEBP": _webp, "PNG": _png, "AVIF": _avif}[kind](data)
    except (DecodeError, struct.error):
        return [first]
    if count <= 1:
        return [first]
    return [Head(first.width, first.height, depth or first.depth, first.alpha)] * count


def _pages(data: Readable) -> Iterator[Head]:
    """The pages of a TIFF file, without thumbnails and masks."""
    with suppress(ifd.DirectoryError, struct.error):
        for _, tags in kinds.page_tags(data, Layout.of(data)):
            with suppress(DecodeError):
                yield tiff_page(tags)


def _gif(data: Readable) -> tuple[int, int]:
    """The number of frames, and bytes of a decoded pixel: frames are composed in color whatever the palette."""
    if len(data) > most_bytes():
        return 1, 0  # too large to be read at all
    whole = data[: len(data)]
    return outline.gif(whole)[1], 4 if _SEE_THROUGH.search(whole) else 3


def _webp(data: Readable) -> tuple[int, int]:
    names = Counter(name for name, *_ in outline.webp_chunks(data, _MOST_CHUNKS))
    return min(names[b"ANMF"], MOST_PICTURES), 0


def _avif(data: Readable) -> tuple[int, int]:
    return min(heif.frames(data), MOST_PICTURES), 0


def _png(data: Readable) -> tuple[int, int]:
    """The number of pictures, and bytes of a pixel, which is decoded with 8 bits a sample."""
    count, shown, clear, color = 0, False, False, pngchunks.header(data).color
    for name, place, length in takewhile(
        lambda chunk: chunk[0] != b"IDAT", pngchunks.walk(data, _MOST_CHUNKS)
    ):
        if name == b"acTL" and length >= 8:
            count = count or int.from_bytes(data[place : place + 4], "big")
        shown |= name == b"fcTL"
        clear |= name == b"tRNS"
    count += count > 0 and not shown  # the still picture beside the frames is read too
    return min(count, MOST_PICTURES), 4 if clear else _ANIMATED[color]
