"""The size of a picture from its file's header, without any library and in a few reads, even of a hostile file."""

import struct
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, ifd, outline, pnm
from nsr_cli.imaging.boxed import heif, jp2
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import Entry, Layout
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.metadata import exif, rawprofile
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.rasters import read as rasterread
from nsr_cli.imaging.tiff import kinds as tiffkinds

_MOST_PARTS = 1000  # chunks or segments that are passed over
_MOST_PNG_PARTS = 1 << 17  # the same of a PNG file, whose pixels may be in many chunks
_LONGEST_EXIF = 1 << 20
_PROFILE = rawprofile.PREFIX.encode("ascii")
_BMP_OLD_HEADER = 12  # bytes of the header in files for OS/2
_BMP_WIDE = 8  # bits of a pixel up to which it is a palette index
_BMP_MASKS = 3  # BMP compression: a bit mask for each color
_BMP_ALPHA_HEADER = 56  # bytes of a BMP header from which on it has a mask for alpha
_ALPHA = 0x10  # the bit for alpha in a WebP file's flags, and in the last header byte of a lossless one
_PALETTE_COLOR = 3  # bytes of a color in a palette
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
        return _READERS[codec.sniff(data)](data)
    except (DecodeError, ifd.DirectoryError, struct.error, IndexError, KeyError, TypeError):
        return None


def _head(width: int, height: int, depth: int, orientation: int = 1, *, alpha: bool = False) -> Head:
    """The head of a picture that is stored with these sides. DecodeError if it has none."""
    if min(width, height, depth) < 1:
        raise DecodeError("the picture is empty")
    sides = (height, width) if orientation in exif.SIDEWAYS else (width, height)
    return Head(*sides, depth, alpha)


def _png(data: Readable) -> Head:
    head = pngchunks.header(data)
    block = _png_exif(data)
    turned = 1 if block is None else _orientation(block)
    before = takewhile(lambda chunk: chunk[0] != b"IDAT", pngchunks.walk(data, _MOST_PARTS))
    alpha = head.color in (4, 6) or any(name == b"tRNS" for name, *_ in before)
    depth = pngchunks.SAMPLES[head.color] * (2 if head.depth == 16 else 1)
    return _head(head.width, head.height, depth, turned, alpha=alpha)


def _png_exif(data: Readable) -> bytes | None:
    """The EXIF block of a PNG file, which may also stand behind the pixels or, as ImageMagick writes it, in a text.

    The ordinary reader finds it in a small file made of the chunks that may hold it.
    """
    kept = [data[: pngchunks.HEAD_END]]
    for name, place, length in pngchunks.walk(data, _MOST_PNG_PARTS):
        if length <= _LONGEST_EXIF and (
            name == b"eXIf" or (name in pngread.TEXTS and data[place : place + len(_PROFILE)] == _PROFILE)
        ):
            kept.append(data[place - 8 : place + length + 4])
    if len(kept) == 1:
        return None
    return pngread.read_metadata(b"".join([*kept, pngchunks.chunk(b"IEND", b"")]))[0].exif


def _jpeg(data: Readable) -> Head:
    turned = 1
    for marker, place, length in markers.walk(data, _MOST_PARTS):
        if marker in markers.FRAMES:
            height, width, components = struct.unpack(">xHHB", data[place : place + 6])
            return _head(width, height, components, turned)
        if marker == markers.APP1 and data[place : place + len(exif.PREFIX)] == exif.PREFIX:
            turned = _orientation(data[place : place + length])
    raise DecodeError("the JPEG file has no frame")


def _webp(data: Readable) -> Head:
    start = data[:30]
    width, height = rasterread.webp_size(start)
    flags = start[20] if start[12:16] == b"VP8X" else 0
    alpha = flags or (start[24] if start[12:16] == b"VP8L" else 0)
    turned = 1
    for name, place, length in outline.webp_chunks(data, _MOST_PARTS):
        if name == b"EXIF" and length <= _LONGEST_EXIF:
            turned = _orientation(data[place : place + length])
    return _head(width, height, 4 if flags & _ALPHA else 3, turned, alpha=bool(alpha & _ALPHA))


def _gif(data: Readable) -> Head:
    width, height = struct.unpack("<HH", data[6:10])
    return _head(width, height, 1, alpha=outline.is_clear_gif(data[:_MOST_BEFORE]))


def _bmp(data: Readable) -> Head:
    size = int.from_bytes(data[14:18], "little")
    if size == _BMP_OLD_HEADER:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
        method = 0
    else:
        width, height, _, bits, method = struct.unpack("<iiHHI", data[18:34])
    alpha = False
    if method == _BMP_MASKS and bits == 32:
        masks = struct.unpack("<4I", data[54:70])
        alpha = (size >= _BMP_ALPHA_HEADER and masks[3] != 0) or not any(masks[:3])
    return _head(width, abs(height), 3 if bits > _BMP_WIDE else 1, alpha=alpha)


def _pnm(data: Readable) -> Head:
    start = data[: pnm.LONGEST_HEADER]
    head = pnm.header(start if len(start) == pnm.LONGEST_HEADER else start + b"\n")
    if head is None:
        raise DecodeError("the PNM header is cut off")
    samples = 3 if head.is_cmyk else head.channels
    return _head(head.width, head.height, samples * head.sample_bytes, alpha=head.has_alpha)


def _tiff(data: Readable) -> Head:
    layout = Layout.of(data)
    return tiff_page(ifd.by_tag(data, layout.first_directory(data), layout))


def tiff_page(tags: dict[int, Entry]) -> Head:
    """What a directory of a TIFF file says of its page. DecodeError if the page is empty."""
    number = partial(ifd.number, tags)
    samples, color = number(ifd.SAMPLES, 1), number(ifd.COLOR, 0)
    depth = samples * -(-number(ifd.BITS, 1) // 8) * (_PALETTE_COLOR if color == tiffkinds.PALETTE else 1)
    extra = samples - tiffkinds.COLORS.get(color, 1)
    alpha = extra == 1
    if ifd.EXTRA_SAMPLES in tags:
        alpha = any(kind in _CLEAR for kind in tags[ifd.EXTRA_SAMPLES].integers(max(0, extra)))
    sides = number(ifd.WIDTH, 0), number(ifd.HEIGHT, 0)
    return _head(*sides, depth, number(ifd.ORIENTATION, 1), alpha=alpha)


def _jp2(data: Readable) -> Head:
    head = jp2.header(data)
    colors = 3 if head.color == jp2.CMYK or head.palette else head.colors
    alpha = head.alpha is not None and not head.palette
    depth = (colors + alpha) * -(-max(head.stream.bits) // 8)
    return _head(*head.size, depth, _orientation(jp2.exif_block(data)), alpha=alpha)


def _heif(data: Readable) -> Head:
    head = heif.header(data)
    depth = ((1 if head.is_gray else 3) + head.has_alpha) * (2 if head.bits > 8 else 1)
    return _head(*head.upright, depth, alpha=head.has_alpha)


def _orientation(block: bytes) -> int:
    try:
        return exif.orientation(block.removeprefix(exif.PREFIX))
    except ifd.DirectoryError:
        return 1


_READERS = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "PPM": _pnm,
    "TIFF": _tiff,
    "JP2": _jp2,
    "AVIF": _heif,
    "HEIC": _heif,
}
