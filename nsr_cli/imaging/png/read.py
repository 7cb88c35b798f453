"""Read PNG: every depth from 1 to 16 bits.

Chunks are read here, so that metadata does not depend on a library's support for it. Pixels are decoded by libpng
(through imagecodecs), because Pillow reads 16-bit color as 8 bits; libpng gets only the chunks that make pixels.
"""

import struct
import zlib

import numpy as np

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits, whites
from nsr_cli.imaging.metadata import density, exif, rawprofile, unkept
from nsr_cli.imaging.picture import Metadata, Picture, Pixels
from nsr_cli.imaging.png import color as pngcolor
from nsr_cli.imaging.png.chunks import METER, SAMPLES, SIGNATURE, chunks, header
from nsr_cli.imaging.rebuild import finish

_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_DEFLATE_RATIO = 1032  # the best that zlib can do
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_KEPT = (b"eXIf", b"iCCP", b"pHYs", *TEXTS)
# Frames, and hints whose loss does not matter: for display, and when the file was changed.
_SPENT = {b"sBIT", b"acTL", b"fcTL", b"fdAT", b"bKGD", b"hIST", b"sPLT", b"tIME", b"iDOT", b"CgBI"}
_READ = {*_PIXEL_CHUNKS, *_KEPT, *_SPENT, *(name.encode("ascii") for name in pngcolor.LENGTHS)}


class _TooLongError(ValueError):
    """A text or profile that unpacks to more than is kept."""


def decode(data: bytes, max_pixels: int) -> Picture:
    """The still picture of a PNG file."""
    import imagecodecs

    head = header(data)
    limits.check_size(head.width, head.height, max_pixels)
    kept, stored, white = [data[: len(SIGNATURE)]], 0, None
    for kind, content, end in chunks(data):
        if kind in _PIXEL_CHUNKS:
            kept.append(data[end - len(content) - 12 : end])
            stored += len(content) if kind == b"IDAT" else 0
        if kind == b"sBIT":
            # A writer that follows the specification scales samples to all 16 bits: they exceed this white, which
            # is then ignored.
            white = whites.of_bits(max(content[: 1 if head.is_gray else 3], default=0))
    needed = head.height * (head.width * head.depth * SAMPLES[head.color] + 7) // 8
    limits.check_content(needed, stored, _DEFLATE_RATIO, "the PNG file")
    if stored > 2 * needed + (1 << 16):  # libpng would unpack all of it
        raise DecodeError("the PNG file holds more than its picture; it is damaged")
    pixels, alpha = _split(imagecodecs.png_decode(b"".join(kept)))
    metadata, notes = read_metadata(data)
    return finish(pixels, alpha, metadata, "PNG", notes, from_palette=head.is_palette, stated=white)


def _split(samples: Pixels) -> tuple[Pixels, Pixels | None]:
    if samples.ndim == 2:
        return samples[..., np.newaxis], None
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1]
    return samples, None


def read_metadata(data: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """What a PNG file says besides pixels, with a note for each part that cannot be read."""
    block = icc = dpi = ratio = None
    room = limits.MOST_METADATA
    texts: list[tuple[str, str]] = []
    notes: list[str] = []
    for kind, content, _ in chunks(data):
        raw = bytes(content[: limits.MOST_METADATA + 1]) if kind in _KEPT else b""
        try:
            if len(raw) > limits.MOST_METADATA:
                raise _TooLongError
            if kind == b"eXIf":
                block = raw.removeprefix(exif.PREFIX)
            elif kind == b"iCCP":
                icc = _inflate(raw.split(b"\0", 1)[1][1:], limits.MOST_METADATA)
            elif kind == b"pHYs" and raw[8:9] == b"\1":
                dpi = _dots(*struct.unpack(">II", raw[:8]))
            elif kind == b"pHYs" and raw[8:9] == b"\0":
                ratio = density.read_ratio(*struct.unpack(">II", raw[:8]))
            elif kind in TEXTS and room:
                texts.append(read_text(kind, raw, room))
                room = max(0, room - len(texts[-1][1]))
        except _TooLongError:
            room = 0 if kind in TEXTS else room
            notes.append(f"its {kind.decode('ascii')} chunk is too long: left out")
        except (ValueError, IndexError, struct.error, zlib.error):
            notes.append(f"its {kind.decode('ascii')} chunk is damaged: left out")
    color, extra = pngcolor.read(data)
    unknown = (kind.decode("ascii") for kind, *_ in chunks(data) if kind.isalpha() and kind not in _READ)
    left_out = unkept.content_of("PNG chunk", unknown)
    found = Metadata(block, icc, dpi, tuple(texts), color=color, aspect=ratio, left_out=left_out)
    return rawprofile.unfold(found), (*notes, *extra)


def _dots(across: int, down: int) -> tuple[float, float] | None:
    return (across * METER, down * METER) if across and down else None


def _inflate(raw: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(raw, most)
    if not unpacker.eof:
        raise _TooLongError if len(content) == most else ValueError("cut off")
    return content


def read_text(kind: bytes, raw: bytes, most: int) -> tuple[str, str]:
    """Keyword and text of a tEXt, zTXt or iTXt chunk.

    Raises:
        ValueError, IndexError, zlib.error: it is damaged, or unpacks to more than `most` bytes.
    """
    keyword, rest = raw.split(b"\0", 1)
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if kind == b"zTXt":
        return keyword.decode("latin-1"), _inflate(rest[1:], most).decode("latin-1")
    packed, body = rest[0], rest[2:].split(b"\0", 2)[2]
    return keyword.decode("latin-1"), (_inflate(body, most) if packed else body).decode("utf-8")
