"""PNG: every depth from 1 to 16 bits, in and out.

Chunks are read and written here, so that metadata does not depend on a library's support for it;
libpng (through imagecodecs) does the pixels, because Pillow reads 16-bit color as 8 bits. Only the
chunks that make pixels are handed to it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import aspect, density, exif, iptc, limits, outline, pngcolor, rawprofile, sizes, whites
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.rebuild import finish

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = 25  # bytes of the chunk IHDR
LEVEL = 5  # zlib's; 6 takes a third longer for 3 % less on photographs

_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_DEFLATE_RATIO = 1032  # zlib cannot shrink further
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_KEPT = (b"eXIf", b"iCCP", b"pHYs", *TEXTS)
_MOST_DENSITY = 2**31 - 1
_METER = 0.0254  # inches to meters


class _TooLongError(ValueError):
    """A text or profile that unpacks to more than is kept."""


@dataclass(frozen=True, slots=True)
class Header:
    """IHDR."""

    width: int
    height: int
    depth: int
    color: int

    @property
    def is_palette(self) -> bool:
        """Whether pixels are indices."""
        return self.color == 3

    @property
    def is_gray(self) -> bool:
        """Whether pixels have one color sample."""
        return self.color in (0, 4)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Type, content and end position of each chunk up to IEND. DecodeError if the file ends before."""
    view, place, count = memoryview(data), len(SIGNATURE), 0
    most = outline.most_parts(len(data))
    while True:
        count += 1
        if count > most:
            outline.check_parts(count, len(data), "PNG", "chunks")
        if place + 12 > len(data):
            raise DecodeError("the PNG file is cut off")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise DecodeError("the PNG file is cut off")
        yield kind, view[place + 8 : end - 4], end
        if kind == b"IEND":
            return
        place = end


def header(data: bytes) -> Header:
    """IHDR of a PNG file. DecodeError if it has none."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise DecodeError("the PNG file has no header")
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    if color not in SAMPLES or depth not in (1, 2, 4, 8, 16):
        raise DecodeError(f"the PNG header is invalid (depth {depth}, color type {color})")
    return Header(width, height, depth, color)


def pictures(data: bytes) -> tuple[int, bool]:
    """How many pictures a PNG file has, and whether the first stands apart: is none of the frames of its animation.

    1 for a still one. DecodeError if there are too many.
    """
    frames, is_shown = 0, False
    for kind, content, _ in chunks(data):
        if kind == b"acTL" and len(content) >= 8:
            frames = frames or int(struct.unpack_from(">I", content)[0])
            outline.check_pictures(frames, "frames")
        is_shown |= kind == b"fcTL"
        if kind == b"IDAT":
            break
    is_apart = frames > 0 and not is_shown
    return max(1, frames) + is_apart, is_apart


def decode(data: bytes, max_pixels: int) -> Picture:
    """The still picture of a PNG file."""
    head = header(data)
    limits.check_size(head.width, head.height, max_pixels)
    kept, stored, white = [data[: len(SIGNATURE)]], 0, None
    for kind, content, end in chunks(data):
        if kind in _PIXEL_CHUNKS:
            kept.append(data[end - len(content) - 12 : end])
            stored += len(content) if kind == b"IDAT" else 0
        if kind == b"sBIT":
            white = whites.of_png(bytes(content[: 1 if head.is_gray else 3]))
    needed = head.height * (head.width * head.depth * SAMPLES[head.color] + 7) // 8
    limits.check_content(needed, stored, _DEFLATE_RATIO, "the PNG file")
    if stored > 2 * needed + (1 << 16):  # libpng would unpack all of it
        raise DecodeError("the PNG file holds more than its picture; it is damaged")
    pixels, alpha = _split(_libpng(b"".join(kept)))
    metadata, notes = read_metadata(data)
    return finish(pixels, alpha, metadata, "PNG", notes, from_palette=head.is_palette, stated=white)


def _libpng(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    import imagecodecs

    samples: NDArray[np.uint8] | NDArray[np.uint16] = imagecodecs.png_decode(data)
    return samples


def _split(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[NDArray, NDArray | None]:  # type: ignore[type-arg]
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
                ratio = aspect.read(*struct.unpack(">II", raw[:8]))
            elif kind in TEXTS and room:
                texts.append(read_text(kind, raw, room))
                room = max(0, room - len(texts[-1][1]))
        except _TooLongError:
            room = 0 if kind in TEXTS else room
            notes.append(f"its {kind.decode('ascii')} chunk is too long: left out")
        except (ValueError, IndexError, struct.error, zlib.error):
            notes.append(f"its {kind.decode('ascii')} chunk is damaged: left out")
    color, extra = pngcolor.read(data, chunks(data))
    found = Metadata(exif=block, icc=icc, dpi=dpi, text=tuple(texts), color=color, aspect=ratio)
    return rawprofile.unfold(found), (*notes, *extra)


def _dots(across: int, down: int) -> tuple[float, float] | None:
    return (across * _METER, down * _METER) if across and down else None


def _inflate(raw: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(raw, most)
    if not unpacker.eof:
        raise _TooLongError if len(content) == most else ValueError("cut off")
    return content


def read_text(kind: bytes, raw: bytes, most: int) -> tuple[str, str]:
    """Keyword and text of a tEXt, zTXt or iTXt chunk; at most so many bytes of it are unpacked.

    Raises:
        ValueError, IndexError, zlib.error: it is damaged, or unpacks to more.
    """
    keyword, rest = raw.split(b"\0", 1)
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if kind == b"zTXt":
        return keyword.decode("latin-1"), _inflate(rest[1:], most).decode("latin-1")
    packed, body = rest[0], rest[2:].split(b"\0", 2)[2]
    return keyword.decode("latin-1"), (_inflate(body, most) if packed else body).decode("utf-8")


def encode(picture: Picture) -> bytes:
    """A PNG file of an 8- or 16-bit picture (convert float pictures first)."""
    import imagecodecs

    parts = [picture.pixels] + ([] if picture.alpha is None else [picture.alpha[..., np.newaxis]])
    samples = np.concatenate(parts, axis=2) if len(parts) > 1 else picture.pixels
    plain = memoryview(
        imagecodecs.png_encode(
            np.ascontiguousarray(samples.squeeze(2) if samples.shape[2] == 1 else samples), level=LEVEL
        )
    )
    begin = len(SIGNATURE) + HEADER
    return b"".join([plain[:begin], write_metadata(picture), plain[begin:]])


def write_metadata(picture: Picture) -> bytes:
    """The chunks that hold the picture's metadata; they stand between IHDR and the pixels."""
    meta = sizes.stated(picture)
    found = [chunk(name.encode("ascii"), content) for name, content in meta.color]
    if meta.icc is not None:
        found.append(chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(meta.icc)))
    if (dpi := density.stated(meta.dpi, "PNG")) is not None:
        found.append(chunk(b"pHYs", struct.pack(">IIB", *(round(d / _METER) for d in dpi), 1)))
    elif meta.aspect is not None:
        found.append(chunk(b"pHYs", struct.pack(">IIB", *aspect.whole(meta.aspect, _MOST_DENSITY), 0)))
    if meta.exif is not None:
        found.append(chunk(b"eXIf", meta.exif))
    if meta.iptc is not None:
        keyword = rawprofile.IPTC_KEYWORD.encode("ascii")
        found.append(chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(iptc.to_text(meta.iptc))))
    found += [_text_chunk(key, value) for key, value in meta.text]
    return b"".join(found)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _text_chunk(key: str, value: str) -> bytes:
    """An iTXt chunk, uncompressed; the keyword is cut to what PNG allows."""
    keyword = " ".join("".join(c if c.isprintable() else " " for c in key).split())
    name = keyword.encode("latin-1", "replace")[:79] or b"Comment"
    body = value.replace("\0", "").encode("utf-8", "replace")
    return chunk(b"iTXt", name + b"\0\0\0\0\0" + body)
