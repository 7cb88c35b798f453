"""The size of a picture from its file's header, without any library and in a few reads, even of a hostile file."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, ifd, outline, pnm
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.heads.walk import Chunk, png_chunks, webp_chunks
from nsr_cli.imaging.ifd import Layout
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.metadata import exif, rawprofile
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.rasters import read as rasterread
from nsr_cli.imaging.tiff import kinds as tiffkinds

_START = 4096
_MOST_PARTS = 1000  # chunks or segments that are passed over
_MOST_PNG_PARTS = 1 << 17  # the same of a PNG file, whose pixels may be in many chunks
_LONGEST_EXIF = 1 << 20
_PROFILE = rawprofile.PREFIX.encode("ascii")
_BMP_WIDE = 8  # bits of a pixel up to which it is a palette index
_BMP_MASKS = 3  # BMP compression: a bit mask for each color
_BMP_ALPHA_HEADER = 56  # bytes of a BMP header from which on it has a mask for alpha
_ALPHA = 0x10  # the bit for alpha in a WebP file's flags, and in the last header byte of a lossless one
_CLEAR = (1, 2)  # TIFF's extra samples that are alpha, premultiplied or not
_MOST_BEFORE = 1 << 16  # bytes before the first frame of a GIF file that are looked at


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of its first picture: the sides once it is upright, and the bytes of a decoded pixel."""

    width: int
    height: int
    depth: int
    alpha: bool = False
    """Whether it has transparency."""


def read_head(data: Readable) -> Head | None:
    """The head of a picture file; None if it does not say enough. What it says need not be true."""
    try:
        kind = codec.sniff(data[:_START])
        width, height, depth, orientation = _READERS[kind](data)
        alpha = kind in _ALPHA_OF and _ALPHA_OF[kind](data)
    except (DecodeError, ifd.DirectoryError, struct.error, IndexError, KeyError, TypeError):
        return None
    if min(width, height, depth) < 1:
        return None
    sides = (height, width) if orientation in exif.SIDEWAYS else (width, height)
    return Head(*sides, depth, alpha)


_Found = tuple[int, int, int, int]
"""Width and height as stored, bytes of a decoded pixel, orientation 1..8."""


def _png(data: Readable) -> _Found:
    head = pngchunks.header(data[:_START])
    block = _png_exif(data)
    turned = 1 if block is None else _orientation(block)
    return head.width, head.height, pngchunks.SAMPLES[head.color] * (2 if head.depth == 16 else 1), turned


def _png_exif(data: Readable) -> bytes | None:
    """The EXIF block of a PNG file, which may also stand behind the pixels or, as ImageMagick writes it, in a text.

    The ordinary reader finds it in a small file made of the chunks that may hold it.
    """
    kept = [data[: len(pngchunks.SIGNATURE) + pngchunks.HEADER]]
    for name, place, length in png_chunks(data, _MOST_PNG_PARTS):
        if length <= _LONGEST_EXIF and (
            name == b"eXIf" or (name in pngread.TEXTS and data[place : place + len(_PROFILE)] == _PROFILE)
        ):
            kept.append(data[place - 8 : place + length + 4])
    if len(kept) == 1:
        return None
    return pngread.read_metadata(b"".join([*kept, pngchunks.chunk(b"IEND", b"")]))[0].exif


def _before_pixels(data: Readable) -> Iterator[Chunk]:
    """The chunks of a PNG file that stand before its pixels."""
    return takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(data, _MOST_PARTS))


def _jpeg(data: Readable) -> _Found:
    turned = 1
    for marker, place, length in markers.walk(data, _MOST_PARTS):
        if marker in markers.FRAMES:
            height, width, components = struct.unpack(">xHHB", data[place : place + 6])
            return width, height, components, turned
        if marker == markers.APP1 and data[place : place + len(exif.PREFIX)] == exif.PREFIX:
            turned = _orientation(data[place : place + length])
    raise DecodeError("the JPEG file has no frame")


def _webp(data: Readable) -> _Found:
    start = data[:_START]
    width, height = rasterread.webp_size(start)
    flags = start[20] if start[12:16] == b"VP8X" else 0
    turned = 1
    for name, place, length in webp_chunks(data, _MOST_PARTS):
        if name == b"EXIF" and length <= _LONGEST_EXIF:
            turned = _orientation(data[place : place + length])
    return width, height, 4 if flags & _ALPHA else 3, turned


def _gif(data: Readable) -> _Found:
    width, height = struct.unpack("<HH", data[6:10])
    return width, height, 1, 1


def _bmp(data: Readable) -> _Found:
    old = data[14:18] == b"\x0c\0\0\0"
    width, height, _, bits = struct.unpack("<HHHH" if old else "<iiHH", data[18 : 26 if old else 30])
    return width, abs(height), 3 if bits > _BMP_WIDE else 1, 1


def _bmp_alpha(data: Readable) -> bool:
    size, bits, method = struct.unpack("<I10xHI", data[14:34])
    masks = struct.unpack("<4I", data[54:70])
    deep = size >= _BMP_ALPHA_HEADER and masks[3] != 0
    return method == _BMP_MASKS and bits == 32 and (deep or not any(masks[:3]))


def _pnm(data: Readable) -> _Found:
    start = data[: pnm.LONGEST_HEADER]
    head = pnm.header(start if len(start) == pnm.LONGEST_HEADER else start + b"\n")
    if head is None:
        raise DecodeError("the PNM header is cut off")
    return head.width, head.height, (3 if head.is_cmyk else head.channels) * head.sample_bytes, 1


def _tiff(data: Readable) -> _Found:
    layout = Layout.of(data)
    return tiff_page(data, layout, layout.first_directory(data))


def tiff_page(data: Readable, layout: Layout, place: int) -> _Found:
    """What the directory at `place` of a TIFF file says of its page."""
    tags = {entry.tag: entry for entry in ifd.entries(data, place, layout)}

    def number(tag: int, default: int) -> int:
        found = tags[tag].integer(data, layout) if tag in tags else None
        return default if found is None else found

    width, height, bits, samples = number(256, 0), number(257, 0), number(258, 1), number(277, 1)
    return width, height, samples * -(-bits // 8), number(exif.ORIENTATION, 1)


def _orientation(block: bytes) -> int:
    try:
        return exif.orientation(block.removeprefix(exif.PREFIX))
    except ifd.DirectoryError:
        return 1


def _tiff_alpha(data: Readable) -> bool:
    layout = Layout.of(data)
    return tiff_alpha(data, layout, layout.first_directory(data))


def tiff_alpha(data: Readable, layout: Layout, place: int) -> bool:
    """Whether the directory at `place` of a TIFF file says that its page has transparency."""
    tags = {entry.tag: entry for entry in ifd.entries(data, place, layout)}
    samples, color = (tags[tag].integer(data, layout) if tag in tags else None for tag in (277, 262))
    more = (samples or 1) - tiffkinds.COLORS.get(color or 0, 1)
    if 338 not in tags:
        return more == 1
    kinds = tags[338].raw(data)[layout.endian == "big" :: 2][: max(0, more)]
    return any(kind in _CLEAR for kind in kinds)


def _webp_alpha(data: Readable) -> bool:
    start = data[:25]
    return bool(
        start[20] & _ALPHA if start[12:16] == b"VP8X" else start[12:16] == b"VP8L" and start[24] & _ALPHA
    )


def _gif_alpha(data: Readable) -> bool:
    return outline.is_clear_gif(data[:_MOST_BEFORE])


def _png_alpha(data: Readable) -> bool:
    return pngchunks.header(data[:_START]).color in (4, 6) or any(
        name == b"tRNS" for name, *_ in _before_pixels(data)
    )


def _pnm_alpha(data: Readable) -> bool:
    head = pnm.header(data[: pnm.LONGEST_HEADER])
    return head is not None and head.has_alpha


_ALPHA_OF = {
    "PNG": _png_alpha,
    "WEBP": _webp_alpha,
    "BMP": _bmp_alpha,
    "GIF": _gif_alpha,
    "TIFF": _tiff_alpha,
    "PPM": _pnm_alpha,
}
_READERS = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "PPM": _pnm,
    "TIFF": _tiff,
}
