"""Files whose headers break decoders, made by hand: one impossible, lying or endless statement each.

`headers(kind)` gives them by name. Nothing here is random; what a file is called says what is wrong with it.
TIFF has a module of its own (`headers_tiff`).
"""

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from tests.reliability import headers_boxed
from tests.reliability.headers_tiff import headers_tiff

SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDTH, HEIGHT = 24, 16
NONSENSE = bytes(range(7, 250, 3)) * 4
LOOP = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8)  # an EXIF directory inside itself
COUNTS = b"MM\0*\0\0\0\x08\0\x04" + b"".join(
    struct.pack(">HHII", tag, kind, 0xFFFFFFFF, 0xFFFFFFF0)
    for tag, kind in ((0x010F, 2), (0x0112, 3), (0x011A, 5), (0x8769, 4))
)
LAUGHS = (
    b'<?xpacket begin=""?><!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(20))
    + b"]><x:xmpmeta xmlns:x='adobe:ns:meta/'>&u;</x:xmpmeta>"
)
"""Entities that unpack to 10^20 laughs, for a reader that follows them."""


def picture() -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def patched(data: bytes, place: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, place, *values)
    return bytes(changed)


def headers(kind: str) -> dict[str, bytes]:
    """Broken files of a format by what is wrong with them."""
    found: dict[str, bytes] = {}
    for name, data in itertools.chain(*(maker() for maker in _MAKERS[kind])):
        assert name not in found, name
        found[name] = data
    return found


def chunk(kind: bytes, content: bytes, *, claimed: int | None = None) -> bytes:
    length = len(content) if claimed is None else claimed
    return struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def ihdr(*changes: tuple[int, int]) -> bytes:
    """IHDR of the ordinary picture; changes are positions among its seven fields with their values."""
    fields = [WIDTH, HEIGHT, 8, 2, 0, 0, 0]
    for place, value in changes:
        fields[place] = value
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))


ROWS = zlib.compress((b"\0" + bytes(3 * WIDTH)) * HEIGHT)
DEEP = zlib.compress((b"\0" + bytes(8 * WIDTH)) * HEIGHT)


def png(*parts: bytes) -> bytes:
    return SIGNATURE + b"".join(parts)


def _png_headers() -> Iterator[tuple[str, bytes]]:
    idat, iend = chunk(b"IDAT", ROWS), chunk(b"IEND", b"")
    whole = png(ihdr(), idat, iend)
    for color in (*range(8), 255):
        for depth in (0, 1, 2, 3, 4, 7, 8, 12, 16, 32, 255):
            parts = (ihdr((2, depth), (3, color)), chunk(b"IDAT", DEEP), iend)
            yield f"depth {depth} with color type {color}", png(*parts)
    for place, name in ((0, "width"), (1, "height")):
        for value in (0, 1, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
            yield f"{name} {value}", png(ihdr((place, value)), idat, iend)
    for place, name in ((4, "compression"), (5, "filter"), (6, "interlace")):
        for value in (1, 2, 255):
            yield f"{name} method {value}", png(ihdr((place, value)), idat, iend)
    for length in (0, 12, 14, 1 << 31, (1 << 32) - 1):
        yield f"IHDR of {length} bytes", patched(whole, 8, ">I", length)
    yield "no IHDR", png(idat, iend)
    yield "two IHDR", png(ihdr(), ihdr((0, 9999)), idat, iend)
    yield "IHDR in second place", png(chunk(b"gAMA", bytes(4)), ihdr(), idat, iend)


def _png_pixels() -> Iterator[tuple[str, bytes]]:
    idat, iend = chunk(b"IDAT", ROWS), chunk(b"IEND", b"")
    whole = png(ihdr(), idat, iend)
    yield "no IDAT", png(ihdr(), iend)
    yield "empty IDAT", png(ihdr(), chunk(b"IDAT", b""), iend)
    yield "IDAT of nonsense", png(ihdr(), chunk(b"IDAT", NONSENSE), iend)
    yield "IDAT with a preset dictionary", png(ihdr(), chunk(b"IDAT", b"\x78\xbb" + ROWS[2:]), iend)
    yield "IDAT of half the rows", png(ihdr(), chunk(b"IDAT", zlib.compress(bytes(73 * 8))), iend)
    yield (
        "IDAT in two parts with another between",
        png(ihdr(), chunk(b"IDAT", ROWS[:9]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", ROWS[9:]), iend),
    )
    yield "impossible filters", png(ihdr(), chunk(b"IDAT", zlib.compress((b"\x09" + bytes(72)) * 16)), iend)
    for claimed in (0, 1, 1 << 16, (1 << 31) - 1, (1 << 32) - 1):
        yield f"IDAT that claims {claimed} bytes", png(ihdr(), chunk(b"IDAT", ROWS, claimed=claimed), iend)
    yield "wrong checksum", whole.replace(idat, idat[:-1] + bytes([idat[-1] ^ 1]))
    yield "no IEND", whole[:-12]
    yield "IEND first", png(ihdr(), iend, idat)
    yield "chunk names of no letters", png(ihdr(), chunk(b"\0\1\2\3", b"x"), idat, iend)
    yield "unknown critical chunk", png(ihdr(), chunk(b"ABCD", b"x" * 40), idat, iend)


def _png_palettes() -> Iterator[tuple[str, bytes]]:
    idat, iend = chunk(b"IDAT", ROWS), chunk(b"IEND", b"")
    palettes = {"none": None, "empty": b"", "of 4 bytes": b"abcd", "of 257": bytes(771), "of one": b"abc"}
    indexed = zlib.compress((b"\0" + b"\xff" * WIDTH) * HEIGHT)
    for name, palette in palettes.items():
        parts = () if palette is None else (chunk(b"PLTE", palette),)
        yield f"palette {name}", png(ihdr((3, 3)), *parts, chunk(b"IDAT", indexed), iend)
    plte = chunk(b"PLTE", bytes(range(48)))
    yield "palette after the pixels", png(ihdr((3, 3)), chunk(b"IDAT", indexed), plte, iend)
    yield "two palettes", png(ihdr((3, 3)), plte, plte, chunk(b"IDAT", indexed), iend)
    for length in (0, 1, 5, 17, 300):
        trns = chunk(b"tRNS", bytes(length))
        yield f"tRNS of {length} bytes", png(ihdr((3, 3)), plte, trns, chunk(b"IDAT", indexed), iend)
        yield f"tRNS of {length} bytes, RGB", png(ihdr(), trns, idat, iend)
    yield "tRNS beside alpha", png(ihdr((3, 6)), chunk(b"tRNS", bytes(6)), chunk(b"IDAT", DEEP), iend)


def _png_texts() -> Iterator[tuple[str, bytes]]:
    idat, iend = chunk(b"IDAT", ROWS), chunk(b"IEND", b"")
    others = {
        "tEXt without a separator": (b"tEXt", b"words"),
        "tEXt of NULs": (b"tEXt", b"a\0" + b"\0" * 90),
        "tEXt without a keyword": (b"tEXt", b"\0words"),
        "zTXt of nonsense": (b"zTXt", b"a\0\0" + NONSENSE),
        "zTXt of an unknown method": (b"zTXt", b"a\0\7" + zlib.compress(b"words")),
        "iTXt that is cut off": (b"iTXt", b"a\0\1"),
        "iTXt of broken UTF-8": (b"iTXt", b"a\0\0\0\0\0" + b"\xff\xfe\xc0"),
        "iTXt with laughing entities": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LAUGHS),
        "EXIF in a loop": (b"eXIf", LOOP),
        "EXIF of absurd counts": (b"eXIf", COUNTS),
        "EXIF of nothing": (b"eXIf", b""),
        "profile of nonsense": (b"iCCP", b"a\0\0" + zlib.compress(NONSENSE)),
        "profile that is not packed": (b"iCCP", b"a\0\0" + NONSENSE),
        "profile without a name": (b"iCCP", b""),
        "pHYs of 3 bytes": (b"pHYs", b"abc"),
        "pHYs of the largest numbers": (b"pHYs", b"\xff" * 8 + b"\1"),
        "cHRM, gAMA of nothing": (b"gAMA", b""),
    }
    for name, (kind, content) in others.items():
        yield name, png(ihdr(), chunk(kind, content), idat, iend)


def _apng() -> Iterator[tuple[str, bytes]]:
    images = [picture().rotate(90 * i) for i in range(3)]
    whole = stored(images[0], "PNG", save_all=True, append_images=images[1:], duration=50)
    controls = [place for place in range(len(whole)) if whole[place : place + 4] == b"fcTL"]
    frame = whole.index(b"fdAT")

    def mended(data: bytes) -> bytes:
        fixed, place = bytearray(data), 8
        while place + 12 <= len(fixed):
            end = place + 8 + struct.unpack_from(">I", fixed, place)[0]
            if end + 4 > len(fixed):
                break
            struct.pack_into(">I", fixed, end, zlib.crc32(fixed[place + 4 : end]))
            place = end + 4
        return bytes(fixed)

    for count in (0, 1, 2, 4, 1 << 20, (1 << 31) - 1, (1 << 32) - 1):
        yield f"{count} frames claimed", mended(patched(whole, whole.index(b"acTL") + 4, ">I", count))
    fields = {"width": 8, "height": 12, "x": 16, "y": 20}
    for number, control in enumerate(controls):
        for name, place in fields.items():
            for value in (0, 1, WIDTH + 1, 1 << 20, (1 << 31) - 1, (1 << 32) - 1):
                data = mended(patched(whole, control + place, ">I", value))
                yield f"frame {number} with {name} {value}", data
        for name, place in {"disposal": 28, "blending": 29}.items():
            yield f"frame {number} with {name} 77", mended(patched(whole, control + place, ">B", 77))
        for value in (0, 2, 1 << 31):
            data = mended(patched(whole, control + 4, ">I", value))
            yield f"frame {number} with sequence number {value}", data
    yield "acTL of 3 bytes", SIGNATURE + ihdr() + chunk(b"acTL", b"abc") + whole[33:]
    yield "two acTL", whole[:33] + whole[33:53] + whole[33:]
    yield "fcTL of 3 bytes", whole[:33] + whole[33:53] + chunk(b"fcTL", b"abc") + whole[53:]
    yield "fdAT of 2 bytes", whole[: frame - 4] + chunk(b"fdAT", b"ab") + whole[frame - 4 :]
    yield "fdAT of nonsense", whole[: frame - 4] + chunk(b"fdAT", bytes(3) + b"\2" + NONSENSE) + whole[-12:]
    yield "frames before the first picture", whole[:53] + whole[controls[1] - 4 :]
    yield "cut off in the second frame", whole[: frame + 20]
    yield "cut off in the second frame, with an end", whole[: frame + 20] + chunk(b"IEND", b"")


def segment(marker: int, content: bytes, *, claimed: int | None = None) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content) if claimed is None else claimed) + content


def _jpeg_frames() -> Iterator[tuple[str, bytes]]:
    whole = stored(picture(), "JPEG", quality=80)
    slow = stored(picture(), "JPEG", progressive=True)
    frame = whole.index(b"\xff\xc0")
    for data, kind, place in ((whole, "", frame), (slow, "progressive, ", slow.index(b"\xff\xc2"))):
        for name, offset, values in (
            ("width", 7, (0, 1, 65_535)),
            ("height", 5, (0, 1, 65_535)),
            ("length", 2, (0, 1, 2, 8, 65_535)),
        ):
            for value in values:
                yield f"{kind}{name} {value}", patched(data, place + offset, ">H", value)
        yield f"{kind}65535 squared", patched(data, place + 5, ">HH", 65_535, 65_535)
        for name, offset in (("precision", 4), ("components", 9), ("sampling", 11), ("table", 12)):
            for value in (0, 1, 2, 5, 12, 16, 0x41, 0xFF):
                yield f"{kind}{name} {value}", patched(data, place + offset, ">B", value)
    for marker in range(0xC1, 0xD0):
        yield f"frame of kind {marker:X}", patched(whole, frame + 1, ">B", marker)


def _jpeg_scans() -> Iterator[tuple[str, bytes]]:
    whole = stored(picture(), "JPEG", quality=80)
    slow = stored(picture(), "JPEG", progressive=True)
    frame, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")
    yield "no frame", whole[:frame] + whole[frame + 19 :]
    yield "two frames", whole[:scan] + whole[frame : frame + 19] + whole[scan:]
    yield "no scan", whole[:scan] + b"\xff\xd9"
    yield "scan before the frame", whole[:2] + whole[scan:-2] + whole[2:]
    for name, offset in (("components", 4), ("component", 5), ("codes", 6), ("first", 11), ("bits", 13)):
        for value in (0, 1, 4, 5, 64, 255):
            yield f"scan with {name} {value}", patched(whole, scan + offset, ">B", value)
            yield (
                f"progressive scan with {name} {value}",
                patched(slow, slow.index(b"\xff\xda") + offset, ">B", value),
            )
    yield "a hundred scans", whole[:-2] + whole[scan:-2] * 100 + b"\xff\xd9"
    yield "a thousand empty scans", slow[:-2] + slow[slow.index(b"\xff\xda") :][:14] * 1000 + b"\xff\xd9"


def _jpeg_tables() -> Iterator[tuple[str, bytes]]:
    whole = stored(picture(), "JPEG", quality=80)
    frame, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")
    tables, codes = whole.index(b"\xff\xdb"), whole.index(b"\xff\xc4")
    yield "no quantization tables", whole[:tables] + whole[frame:]
    yield "no Huffman codes", whole[:codes] + whole[scan:]
    yield "quantization table that is cut off", whole[:frame] + segment(0xDB, bytes(9)) + whole[frame:]
    yield "quantization table 15", whole[:frame] + segment(0xDB, b"\x0f" + bytes(64)) + whole[frame:]
    yield "quantization by zero", whole[:frame] + segment(0xDB, b"\0" + bytes(64)) + whole[frame:]
    yield "Huffman codes of 255 each", whole[:scan] + segment(0xC4, b"\0" + b"\xff" * 16) + whole[scan:]
    yield "Huffman codes without leaves", whole[:scan] + segment(0xC4, b"\0" + bytes(16)) + whole[scan:]
    yield "Huffman code 15", whole[:scan] + segment(0xC4, b"\xff" + bytes(16)) + whole[scan:]
    yield "restarts at every block that are not there", whole[:scan] + segment(0xDD, b"\0\1") + whole[scan:]
    yield "arithmetic conditioning", whole[:scan] + segment(0xCC, b"\0\xff") + whole[scan:]
    yield "height in a later marker", patched(whole, frame + 5, ">H", 0)[:-2] + segment(0xDC, b"\0\x10")


def _jpeg_segments() -> Iterator[tuple[str, bytes]]:
    whole = stored(picture(), "JPEG", quality=80)
    for length in (0, 1, 2, 65_535):
        yield f"comment of {length} bytes", whole[:2] + segment(0xFE, b"", claimed=length) + whole[2:]
    yield "only a start", b"\xff\xd8\xff"
    yield "start and end", b"\xff\xd8\xff\xd9"
    yield "a thousand starts", b"\xff\xd8" * 1000 + whole
    yield "filled with FF", b"\xff\xd8" + b"\xff" * 70_000 + whole[2:]
    xap, icc = b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
    others = {
        "EXIF in a loop": (0xE1, b"Exif\0\0" + LOOP),
        "EXIF of absurd counts": (0xE1, b"Exif\0\0" + COUNTS),
        "EXIF of nothing": (0xE1, b"Exif\0\0"),
        "EXIF of nonsense": (0xE1, b"Exif\0\0" + NONSENSE),
        "XMP with laughing entities": (0xE1, xap + LAUGHS),
        "XMP of spaces": (0xE1, xap + b" " * 65_000),
        "XMP of broken UTF-8": (0xE1, xap + b"\xff\xfe\xc0" * 9),
        "profile part 0 of 0": (0xE2, icc + b"\0\0" + NONSENSE),
        "profile part 255 of 255": (0xE2, icc + b"\xff\xff" + NONSENSE),
        "profile without numbers": (0xE2, icc),
        "profile of nonsense": (0xE2, icc + b"\1\1" + NONSENSE),
        "pictures at impossible places": (0xE2, b"MPF\0" + COUNTS),
        "pictures in a loop": (0xE2, b"MPF\0" + LOOP),
        "Photoshop's block without an end": (0xED, b"Photoshop 3.0\08BIM\x03\xed\0\0\xff\xff\xff\xff"),
        "Adobe's marker of 6 bytes": (0xEE, b"Adobe\0"),
        "Adobe's transform 255": (0xEE, b"Adobe\0\x64" + b"\xff" * 5),
        "JFIF of 5 bytes": (0xE0, b"JFIF\0"),
        "JFIF without dots": (0xE0, b"JFIF\0\1\1\1\0\0\0\0\0\0"),
        "comment of NULs": (0xFE, bytes(900)),
    }
    for name, (marker, content) in others.items():
        yield name, whole[:2] + segment(marker, content) + whole[2:]


def _gif() -> Iterator[tuple[str, bytes]]:
    gray = picture().convert("L")
    frames = [gray.rotate(90 * i) for i in (1, 2)]
    whole = stored(gray, "GIF")
    film = stored(gray, "GIF", save_all=True, append_images=frames, duration=40)
    image = whole.index(b",", 13 + 3 * 256)
    later = film.index(b",", film.index(b"!\xf9", 900))
    for value in (0, 1, 2, 9, 11, 12, 13, 16, 255):
        yield f"code size {value}", patched(whole, image + 10, ">B", value)
    for data, place, kind in ((whole, image, ""), (film, later, "later, ")):
        for name, offset in (("left", 1), ("top", 3), ("width", 5), ("height", 7)):
            for value in (0, 1, 1000, 65_535):
                yield f"{kind}frame with {name} {value}", patched(data, place + offset, "<H", value)
        yield f"{kind}local palette that is not there", patched(data, place + 9, ">B", 0x87)
        yield f"{kind}interlaced though it is not", patched(data, place + 9, ">B", 0x40)
        yield f"{kind}cut off in the local palette", patched(data, place + 9, ">B", 0x87)[: place + 60]
        yield f"{kind}frame of 65535 squared", patched(data, place + 5, "<HH", 65_535, 65_535)
    for value in (0, 1, 65_535):
        yield f"canvas {value} wide", patched(whole, 6, "<H", value)
        yield f"canvas {value} high", patched(whole, 8, "<H", value)
    yield "canvas of 65535 squared", patched(whole, 6, "<HH", 65_535, 65_535)
    yield "no palette at all", patched(whole, 10, ">B", 0)[:13] + whole[13 + 768 :]
    yield "palette that is cut off", whole[:100]
    yield "background beyond the palette", patched(whole, 11, ">B", 255)
    yield "no frame", whole[:image] + b";"
    yield "no end", whole[:-1]
    yield "codes of nonsense", whole[: image + 11] + b"\xff" + NONSENSE[:255] + b"\0;"
    yield "codes that never clear", whole[: image + 10] + b"\x08" + (b"\xff" + b"\x55" * 255) * 30 + b"\0;"
    yield "codes after the end", whole[: image + 10] + b"\x08\x04\x01\x05\x55\x55\0;"
    yield "empty codes", whole[: image + 11] + b"\0;"
    yield "blocks without an end", whole[: image + 11] + b"\x01\x55" * 4000
    yield "bytes between blocks", whole[:image] + bytes(range(1, 33)) * 99 + whole[image:]
    before = whole[:image]
    others = {
        "control block that is empty": b"!\xf9\0",
        "control block of one byte": b"!\xf9\1\xff\0",
        "transparent color 255": b"!\xf9\4\x01\0\0\xff\0",
        "disposal 7": b"!\xf9\4\x1c\0\0\0\0",
        "application block that is cut off": b"!\xff\x0bNETSCAPE",
        "application block of nonsense": b"!\xff\x0bNETSCAPE2.0\1\1\0",
        "extension without an end": b"!",
        "comment of NULs": b"!\xfe\xff" + bytes(255) + b"\0",
        "unknown extension": b"!\x77\3abc\0",
    }
    for name, block in others.items():
        yield name, before + block + whole[image:]
    for value in (0, 4, 5, 6, 7):
        control = film.index(b"!\xf9")
        yield f"film with disposal {value}", patched(film, control + 3, ">B", value << 2 | 1)


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


CANVAS = struct.pack("<HBHB", WIDTH - 1, 0, HEIGHT - 1, 0)


def _webp_chunks() -> Iterator[tuple[str, bytes]]:
    lossy = stored(picture(), "WEBP", quality=70)
    vp8 = lossy[20:]
    for size in (0, 3, 12, 1 << 20, (1 << 32) - 2, (1 << 32) - 1):
        yield f"RIFF of {size} bytes", patched(lossy, 4, "<I", size)
        yield f"chunk of {size} bytes", patched(lossy, 16, "<I", size)
    for flags in range(0, 256, 2):
        yield (
            f"VP8X with flags {flags:02x}",
            riff((b"VP8X", bytes([flags, 0, 0, 0]) + CANVAS), (b"VP8 ", vp8)),
        )
    yield "VP8X of 4 bytes", riff((b"VP8X", bytes(4)), (b"VP8 ", vp8))
    yield "nothing", riff()
    yield "an unknown chunk alone", riff((b"JUNK", NONSENSE))


def _webp_films() -> Iterator[tuple[str, bytes]]:
    vp8 = stored(picture(), "WEBP", quality=70)[20:]
    frame = bytes(6) + CANVAS + b"\x28\0\0\0" + stored(picture(), "WEBP", lossless=True)[12:]
    loops = struct.pack("<IH", 0, 0)
    for width, height in ((1, 1), (WIDTH + 1, HEIGHT), (16_384, 16_384), (1 << 24, 1), (1 << 24, 1 << 24)):
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        yield f"still canvas {width}×{height}", riff((b"VP8X", bytes(4) + size), (b"VP8 ", vp8))
        film = (b"VP8X", b"\2\0\0\0" + size), (b"ANIM", loops), (b"ANMF", frame)
        yield f"film canvas {width}×{height}", riff(*film)
    for name, place in (("x", 0), ("y", 3), ("width", 6), ("height", 9), ("duration", 12), ("flags", 15)):
        for value in (0, 1, 40, 255):
            moved = patched(frame, place, ">B", value)
            parts = (b"VP8X", b"\2\0\0\0" + CANVAS), (b"ANIM", loops), (b"ANMF", moved)
            yield f"frame with {name} {value}", riff(*parts)
    flat = b"VP8X", b"\2\0\0\0" + CANVAS
    yield "film without ANIM", riff(flat, (b"ANMF", frame))
    yield "film without frames", riff(flat, (b"ANIM", loops))
    yield "film with a picture beside it", riff(flat, (b"VP8 ", vp8))
    yield "frame of 3 bytes", riff(flat, (b"ANIM", loops), (b"ANMF", b"abc"))
    yield "frame without a picture", riff(flat, (b"ANIM", loops), (b"ANMF", frame[:16]))
    yield (
        "frame in a frame",
        riff(flat, (b"ANIM", loops), (b"ANMF", frame[:16] + riff((b"ANMF", frame))[12:])),
    )
    yield "ANIM of 2 bytes", riff(flat, (b"ANIM", b"ab"), (b"ANMF", frame))
    yield (
        "ten thousand unknown chunks",
        riff((b"VP8X", bytes(4) + CANVAS), *[(b"JUNK", b"")] * 10_000, (b"VP8 ", vp8)),
    )


def _webp_pictures() -> Iterator[tuple[str, bytes]]:
    vp8 = stored(picture(), "WEBP", quality=70)[20:]
    vp8l = stored(picture(), "WEBP", lossless=True)[20:]
    for place in range(10):
        for value in (0, 0x7F, 0xFF):
            yield f"VP8 header, byte {place} {value}", riff((b"VP8 ", patched(vp8, place, ">B", value)))
    for place in range(8):
        for value in (0, 0x2F, 0x7F, 0xFF):
            yield f"VP8L header, byte {place} {value}", riff((b"VP8L", patched(vp8l, place, ">B", value)))
    yield "VP8 data that is called VP8L", riff((b"VP8L", vp8))
    yield "VP8L data that is called VP8", riff((b"VP8 ", vp8l))
    yield "alpha of nonsense", riff((b"VP8X", b"\x10\0\0\0" + CANVAS), (b"ALPH", NONSENSE), (b"VP8 ", vp8))
    yield "alpha of nothing", riff((b"VP8X", b"\x10\0\0\0" + CANVAS), (b"ALPH", b""), (b"VP8 ", vp8))
    others = {
        "EXIF in a loop": (8, b"EXIF", LOOP),
        "EXIF of absurd counts": (8, b"EXIF", COUNTS),
        "EXIF of nothing": (8, b"EXIF", b""),
        "XMP with laughing entities": (4, b"XMP ", LAUGHS),
        "XMP of broken UTF-8": (4, b"XMP ", b"\xff\xfe\xc0"),
        "XMP of spaces": (4, b"XMP ", b" " * (1 << 20)),
        "profile of nonsense": (32, b"ICCP", NONSENSE),
        "profile of nothing": (32, b"ICCP", b""),
    }
    for name, (flag, kind, content) in others.items():
        yield name, riff((b"VP8X", bytes([flag, 0, 0, 0]) + CANVAS), (b"VP8 ", vp8), (kind, content))


def bmp(*changes: tuple[int, int], size: int = 40, body: bytes = b"", offset: int | None = None) -> bytes:
    """A BMP file; changes are positions among the ten fields after the header's size, with their values."""
    fields = [WIDTH, HEIGHT, 1, 24, 0, 0, 0, 0, 0, 0]
    for place, value in changes:
        fields[place] = value
    head = struct.pack("<IIIHHIIIIII", size, *(value & 0xFFFFFFFF for value in fields))
    pixels = body or bytes(4 * WIDTH * HEIGHT)
    return (
        b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54 if offset is None else offset) + head + pixels
    )


def _bmp_headers() -> Iterator[tuple[str, bytes]]:
    for size in (0, 3, 4, 12, 16, 39, 40, 41, 52, 56, 64, 108, 124, 125, 1 << 20, (1 << 32) - 1):
        yield f"header of {size} bytes", bmp(size=size)
    for name, place in (("width", 0), ("height", 1)):
        for value in (0, 1, -1, -HEIGHT, -(1 << 31), (1 << 31) - 1, 1 << 20):
            yield f"{name} {value}", bmp((place, value))
    for bits in (0, 1, 2, 3, 4, 8, 16, 32, 64, 255, 65_535):
        for method in (0, 1, 2, 3, 4, 5, 6, 11, 0xFFFFFFFF):
            yield f"{bits} bits, compression {method}", bmp((3, bits), (4, method))
    for planes in (0, 2, 65_535):
        yield f"{planes} planes", bmp((2, planes))
    for colors in (1, 255, 256, 257, 65_536, 65_537, 1 << 31, (1 << 32) - 1):
        for bits in (1, 4, 8, 24):
            yield f"{colors} colors of {bits} bits", bmp((3, bits), (8, colors))
    for offset in (0, 1, 14, 53, 55, 1 << 20, (1 << 32) - 1):
        yield f"pixels at {offset}", bmp(offset=offset)


def _bmp_pixels() -> Iterator[tuple[str, bytes]]:
    masks = {
        "zero": (0, 0, 0),
        "all ones": (0xFFFFFFFF,) * 3,
        "the same": (0xFF, 0xFF, 0xFF),
        "with holes": (0xAAAAAAAA, 0x55555555, 0x0F0F0F0F),
        "of one bit": (1, 2, 4),
    }
    for name, mask in masks.items():
        for bits in (16, 24, 32):
            yield (
                f"masks {name}, {bits} bits",
                bmp((3, bits), (4, 3), body=struct.pack("<3I", *mask) + bytes(2048)),
            )
    runs = {
        "past the end": b"\xff\x07" * 600,
        "past the row": b"\x1a\x07\0\0" * 20,
        "that jump out": b"\0\2\xff\xff" * 90,
        "that only end rows": b"\0\0" * 99,
        "that end at once": b"\0\1",
        "that are cut off in a literal": b"\0\xf0abc",
        "of literals past the end": (b"\0\xfe" + bytes(254)) * 9,
        "of nothing": b"\0",
    }
    for name, content in runs.items():
        for bits, method in ((8, 1), (4, 2), (1, 1), (24, 1), (8, 2)):
            body = bytes(4 << min(bits, 8)) + content
            data = bmp((3, bits), (4, method), body=body, offset=54 + (4 << min(bits, 8)))
            yield f"runs {name}, {bits} bits, method {method}", data
    yield "nothing after the first header", b"BM" + bytes(12)
    yield "cut off in the second header", bmp()[:30]
    yield "cut off in the pixels", bmp()[:200]
    yield "a resolution of the largest numbers", bmp((6, -1), (7, -1))


_MAKERS: dict[str, tuple[Callable[[], Iterator[tuple[str, bytes]]], ...]] = {
    "PNG": (_png_headers, _png_pixels, _png_palettes, _png_texts),
    "APNG": (_apng,),
    "JPEG": (_jpeg_frames, _jpeg_scans, _jpeg_tables, _jpeg_segments),
    "GIF": (_gif,),
    "WEBP": (_webp_chunks, _webp_films, _webp_pictures),
    "BMP": (_bmp_headers, _bmp_pixels),
    "TIFF": (headers_tiff,),
    "JP2": (headers_boxed.jp2_codestreams, headers_boxed.jp2_boxes),
    "AVIF": (headers_boxed.avif_headers,),
    "HEIC": (headers_boxed.heic_headers,),
}
FORMATS = tuple(_MAKERS)
