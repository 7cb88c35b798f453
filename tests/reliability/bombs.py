"""Files that claim, or unpack to, far more than they hold. `python bombs.py NAME` decodes one and says the cost."""

import io
import json
import struct
import sys
import time
import zlib
from collections.abc import Callable

import numpy as np

from tests import jp2
from tests.reliability import headers_boxed

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGE = 1 << 28
MANY = 100 << 20
WIDE = 8 << 20
XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
OURS = b'<rdf:Description rdf:about="" xmlns:nsr="urn:nsr:texts:1">'


def zeros(size: int) -> bytes:
    """`size` zeros, deflated to a thousandth."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, idat: bytes, *others: bytes, color: int = 2, depth: int = 8) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return SIGNATURE + head + b"".join(others) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"", length: int = 0) -> bytes:
    """A little-endian TIFF file of one directory; `tail` begins right after it."""
    rows = b"".join(
        struct.pack("<HHI", tag, kind, count)
        + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, count, value in sorted(tags)
    )
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4) + tail
    return data.ljust(length, b"\0")


def plain_tags(
    width: int, height: int, compression: int, strip: int, count: int
) -> list[tuple[int, int, int, int]]:
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, strip),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, count),
    ]


def tiff_strip(width: int, height: int, compression: int, content: bytes) -> bytes:
    place = 8 + 2 + 9 * 12 + 4
    return tiff(plain_tags(width, height, compression, place, len(content)), content)


def tiff_huge() -> bytes:
    return tiff(plain_tags(90_000, 90_000, 1, 200, 100), length=320)


def tiff_within_the_limit() -> bytes:
    return tiff(plain_tags(22_000, 22_000, 1, 200, 100), length=320)


def tiff_huge_tile() -> bytes:
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, 1 << 20), (323, 4, 1, 1 << 20), (324, 4, 1, 200), (325, 4, 1, 100)]
    return tiff(tags, length=320)


def tiff_many_offsets() -> bytes:
    tags = [tag for tag in plain_tags(16, 16, 1, 200, 100) if tag[0] not in (273, 279)]
    return tiff([*tags, (273, 4, 1 << 30, 200), (279, 4, 1 << 30, 200)], length=320)


def tiff_tags_over_one_another() -> bytes:
    """Four thousand tags, each of which claims the whole file as its value."""
    length = 1 << 20
    tags = plain_tags(16, 16, 1, 60_000, 256)
    tags += [(tag, 7, length - 64, 8) for tag in range(40_000, 44_000)]
    return tiff(tags, length=length)


def tiff_chain() -> bytes:
    """A chain of 65,000 empty-handed directories."""
    count, size = 65_000, 2 + 12 * 3 + 4
    parts = [b"II*\0\x08\0\0\0"]
    for index in range(count):
        rows = b"".join(struct.pack("<HHII", tag, 3, 1, 4) for tag in (256, 257, 258))
        following = 8 + size * (index + 1) if index + 1 < count else 0
        parts.append(struct.pack("<H", 3) + rows + struct.pack("<I", following))
    return b"".join(parts)


def webp_exif() -> bytes:
    """An EXIF chunk whose four thousand values are each as long as the chunk."""
    from PIL import Image

    length, count = 1 << 20, 4000
    rows = b"".join(struct.pack("<HHII", 40_000 + i, 7, length - 64, 8) for i in range(count))
    block = (b"II*\0\x08\0\0\0" + struct.pack("<H", count) + rows + bytes(4)).ljust(length, b"\0")
    stored = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stored, "WEBP", exif=b"Exif\0\0" + block)
    return stored.getvalue()


def gif(width: int, height: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;"


def jpeg(width: int, height: int) -> bytes:
    from PIL import Image

    stored = io.BytesIO()
    Image.new("L", (8, 8)).save(stored, "JPEG")
    data = bytearray(stored.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    extended = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(extended) + 4) + b"WEBP" + extended


def bmp(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 60, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(6)
    )


def packed_text(*, kind: bytes, count: int, size: int) -> list[bytes]:
    content = zeros(size)
    if kind == b"iTXt":
        return [chunk(kind, b"Text\0\1\0\0\0" + content)] * count
    return [chunk(kind, b"Text\0\0" + content)] * count


def png_of_chunks(count: int) -> bytes:
    """A picture with a great many chunks of nothing before its pixels."""
    return png(8, 8, ROW, chunk(b"teSt", b"") * count)


def apng_frames(count: int, *, claimed: int | None = None) -> bytes:
    """A film of so many frames of one pixel each, which says how many there are, or claims it."""
    row = zlib.compress(bytes(2))
    parts = [chunk(b"acTL", struct.pack(">II", count if claimed is None else claimed, 0))]
    number = 0
    for index in range(count):
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 1, 1, 0, 0, 1, 10, 0, 0)))
        kind, head = (b"fdAT", struct.pack(">I", number + 1)) if index else (b"IDAT", b"")
        parts.append(chunk(kind, head + row))
        number += 1 + (index > 0)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return SIGNATURE + head + b"".join(parts) + chunk(b"IEND", b"")


def gif_frames(count: int) -> bytes:
    whole = gif(1, 1)
    return whole[:19] + whole[19:-1] * count + b";"


def gif_comment(size: int) -> bytes:
    whole = gif(1, 1)
    return whole[:19] + b"!\xfe" + (b"\xff" + b"a" * 255) * (size // 255) + b"\0" + whole[19:]


def webp_of(*others: tuple[bytes, bytes], flags: int = 0, picture: bool = True) -> bytes:
    """An extended WebP file of 8 x 8 pixels with other chunks."""
    from PIL import Image

    stored = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stored, "WEBP", lossless=True)
    chunks = [(b"VP8X", struct.pack("<IHBHB", flags, 7, 0, 7, 0)), *others]
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2) for name, content in chunks
    )
    body += stored.getvalue()[12:] if picture else b""
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_frames(count: int) -> bytes:
    from PIL import Image

    stored = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stored, "WEBP", lossless=True)
    frame = b"ANMF", bytes(12) + b"\x28\0\0\0" + stored.getvalue()[12:]
    return webp_of((b"ANIM", bytes(6)), *[frame] * count, flags=2, picture=False)


def jpeg_of(*segments: tuple[int, bytes], scans: int = 0, size: int = 8) -> bytes:
    """A JPEG file with other segments before the frame, and more scans of nothing after it."""
    from PIL import Image

    stored = io.BytesIO()
    Image.new("L", (8, 8)).save(stored, "JPEG", progressive=True)
    data = bytearray(stored.getvalue())
    place = data.index(b"\xff\xc2") + 5
    data[place : place + 4] = struct.pack(">HH", size, size)
    more = b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body for marker, body in segments)
    scan = bytes(data[data.rindex(b"\xff\xda") : -2])
    return bytes(data[:2]) + more + bytes(data[2:-2]) + scan * scans + b"\xff\xd9"


def bmp_runs(width: int, height: int, runs: bytes) -> bytes:
    """A BMP file of 256 colors whose pixels are run lengths."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024) + head + bytes(1024) + runs


def tiff_pages(count: int, *, circle: bool = False, whole: bool = True) -> bytes:
    """A chain of directories, each a picture of one pixel if `whole`; the last leads to the first in a circle."""
    tags = plain_tags(1, 1, 1, 8, 1) if whole else [(256, 3, 1, 4)]
    size = 2 + 12 * len(tags) + 4
    rows = tiff(tags)[10:-4]
    parts = [b"II*\0\x08\0\0\0"]
    for index in range(count):
        following = 8 + size * (index + 1) if index + 1 < count else 8 * circle
        parts.append(struct.pack("<H", len(tags)) + rows + struct.pack("<I", following))
    return b"".join(parts)


def tiff_page_and_directories(count: int) -> bytes:
    """A picture of one pixel, then directories with nothing in them."""
    first, rest = tiff_pages(2), tiff_pages(count, whole=False)[8:]
    start, size = len(first), 2 + 12 + 4
    moved = bytearray(rest)
    for index in range(count - 1):
        struct.pack_into("<I", moved, size * (index + 1) - 4, start + size * (index + 1))
    return first[:-4] + struct.pack("<I", start) + bytes(moved)


def tiff_text(tag: int, size: int) -> bytes:
    """A picture with a text or profile of so many bytes."""
    tags = [*plain_tags(4, 4, 1, 8, 16), (tag, 7, size, 8 + 2 + 12 * 10 + 4)]
    return tiff(tags, bytes(size))


def float_tiff(*odd: float) -> bytes:
    import tifffile

    samples = np.zeros((40, 50, 3), np.float32)
    samples.reshape(-1)[: len(odd)] = odd
    stored = io.BytesIO()
    tifffile.imwrite(stored, samples, photometric="rgb")
    return stored.getvalue()


ROW = zlib.compress(bytes(1 + 3 * 8) * 8)


def jp2_of(side: int, *boxes: bytes, tile: int | None = None) -> bytes:
    """A file of one tile of 64×64 that claims to be larger, in tiles of its own size if none is given."""
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    code = bytearray(jp2.stream(noise))
    struct.pack_into(">2I", code, 8, side, side)
    struct.pack_into(">2I", code, 24, tile or side, tile or side)
    return jp2.file(bytes(code), jp2.color(16), behind=b"".join(boxes))


def heif_of(form: str, side: int) -> bytes:
    """An AVIF or HEIC file that claims to be larger than it is."""
    data = bytearray(headers_boxed.heif(form, quality=100))
    struct.pack_into(">2I", data, data.find(b"ispe") + 8, side, side)
    return bytes(data)


BOMBS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "PNG of 100,000 squared": (lambda: png(100_000, 100_000, ROW), "--max-pixels 10000000000"),
    "PNG that is cut off within the limit": (lambda: png(22_000, 22_000, ROW), "cut off"),
    "PNG with a text of 256 mebibytes": (
        lambda: png(8, 8, ROW, *packed_text(kind=b"zTXt", count=1, size=LARGE)),
        None,
    ),
    "PNG with an international text of 256 mebibytes": (
        lambda: png(8, 8, ROW, *packed_text(kind=b"iTXt", count=1, size=LARGE)),
        None,
    ),
    "PNG with a profile of 256 mebibytes": (
        lambda: png(8, 8, ROW, *packed_text(kind=b"iCCP", count=1, size=LARGE)),
        None,
    ),
    "PNG with a hundred long texts": (
        lambda: png(8, 8, ROW, *packed_text(kind=b"zTXt", count=100, size=15 << 20)),
        None,
    ),
    "PNG with too much pixel data": (lambda: png(8, 8, zeros(LARGE)), "more than its picture"),
    "TIFF of 320 bytes for 8 gigabytes": (tiff_huge, "--max-pixels 8100000000"),
    "TIFF of 320 bytes within the limit": (tiff_within_the_limit, "claims"),
    "TIFF with a tile of a terabyte": (tiff_huge_tile, "tiles of 1048576"),
    "TIFF with a billion strips": (tiff_many_offsets, "lists 0 of 1"),
    "TIFF whose deflate strip is 256 mebibytes": (lambda: tiff_strip(8, 8, 8, zeros(LARGE)), "Deflate"),
    "TIFF whose tags overlap": (tiff_tags_over_one_another, "overlap"),
    "TIFF with 65,000 directories": (tiff_chain, "pages"),
    "WebP whose EXIF values overlap": (webp_exif, None),
    "GIF with a huge canvas": (lambda: gif(65_535, 65_535), "--max-pixels 4294836225"),
    "JPEG with a huge header": (lambda: jpeg(65_500, 65_500), "--max-pixels 4290250000"),
    "JPEG that is cut off within the limit": (lambda: jpeg(22_000, 22_000), "cut off"),
    "WebP with a huge canvas": (lambda: webp(1 << 24, 1 << 24), "longer than"),
    "BMP with a huge header": (lambda: bmp(100_000, 100_000), "--max-pixels 10000000000"),
    "BMP that is cut off within the limit": (lambda: bmp(22_000, 22_000), "cut off"),
    "PNG of a million chunks": (lambda: png_of_chunks(1_000_000), " chunks; "),
    "PNG with a plain text of 100 mebibytes": (
        lambda: png(8, 8, ROW, chunk(b"tEXt", b"a\0" + b" " * MANY)),
        None,
    ),
    "PNG with EXIF of 100 mebibytes": (lambda: png(8, 8, ROW, chunk(b"eXIf", bytes(MANY))), None),
    "PNG with XMP of 8 mebibytes of spaces": (
        lambda: png(8, 8, ROW, chunk(b"iTXt", XMP + b" " * WIDE + b"x")),
        None,
    ),
    "PNG with XMP of half a million beginnings": (
        lambda: png(
            8, 8, ROW, chunk(b"iTXt", XMP + OURS + b"<nsr:keyword>" * 500_000 + b"</rdf:Description>")
        ),
        None,
    ),
    "PNG with XMP of a hundred thousand descriptions": (
        lambda: png(8, 8, ROW, chunk(b"iTXt", XMP + OURS * 100_000)),
        None,
    ),
    "APNG that claims a billion frames": (lambda: apng_frames(2, claimed=10**9), "frames"),
    "APNG of 200,000 frames": (lambda: apng_frames(200_000), "frames"),
    "GIF of a million frames": (lambda: gif_frames(1_000_000), "frames"),
    "GIF with a comment of 100 mebibytes": (lambda: gif_comment(MANY), None),
    "WebP of 200,000 frames": (lambda: webp_frames(200_000), "frames"),
    "WebP with EXIF of 100 mebibytes": (lambda: webp_of((b"EXIF", bytes(MANY)), flags=8), None),
    "WebP with XMP of 100 mebibytes": (lambda: webp_of((b"XMP ", b" " * MANY), flags=4), None),
    "WebP with XMP of 8 mebibytes of spaces": (lambda: webp_of((b"XMP ", b" " * WIDE + b"x"), flags=4), None),
    "WebP with a profile of 100 mebibytes": (lambda: webp_of((b"ICCP", bytes(MANY)), flags=32), None),
    "WebP of a million chunks": (lambda: webp_of(*[(b"JUNK", b"")] * 1_000_000), " chunks; "),
    "JPEG with EXIF of 100 mebibytes": (
        lambda: jpeg_of(*[(0xE1, b"Exif\0\0" + bytes(65_000))] * (MANY // 65_000)),
        None,
    ),
    "JPEG with a profile of 16 mebibytes": (
        lambda: jpeg_of(*[(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000))] * 255),
        None,
    ),
    "JPEG with XMP of spaces": (
        lambda: jpeg_of((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b" " * 64_000 + b"x")),
        None,
    ),
    "JPEG of a million segments": (lambda: jpeg_of(*[(0xFE, b"")] * 1_000_000), "segments"),
    "JP2 with a huge header": (lambda: jp2_of(100_000), "--max-pixels 10000000000"),
    "JP2 of a few bytes within the limit": (lambda: jp2_of(22_000), "claims"),
    "JP2 that lacks nearly all tiles": (lambda: jp2_of(14_000, tile=64), "47960 of 47961 tiles"),
    "JP2 with EXIF of 100 mebibytes": (
        lambda: jp2_of(64, jp2.uuid(jp2.EXIF, bytes(MANY))),
        None,
    ),
    "JP2 of a million boxes": (lambda: jp2_of(64) + jp2.box(b"free") * 1_000_000, None),
    "AVIF with a huge header": (lambda: heif_of("AVIF", 100_000), "--max-pixels 10000000000"),
    "AVIF of a few bytes within the limit": (lambda: heif_of("AVIF", 22_000), "claims"),
    "HEIC with a huge header": (lambda: heif_of("HEIC", 100_000), "--max-pixels 10000000000"),
    "HEIC of a few bytes within the limit": (lambda: heif_of("HEIC", 22_000), "claims"),
    "JPEG of 100,000 tables": (
        lambda: jpeg_of(*[(0xDB, (b"\0" + b"\1" * 64) * 1000)] * 100),
        "quantization tables",
    ),
    "JPEG of a thousand tables": (lambda: jpeg_of((0xDB, (b"\0" + b"\1" * 64) * 1000)), None),
    "JPEG of 20,000 scans of a large frame": (lambda: jpeg_of(scans=20_000, size=15_000), "scans"),
    "BMP of jumps": (lambda: bmp_runs(22_000, 22_000, b"\0\2\xff\xff" * 100), "claims"),
    "BMP of ends of rows": (lambda: bmp_runs(22_000, 22_000, b"\1\1\0\0" * 22_000), "claims"),
    "TIFF with a page and 65,000 more": (lambda: tiff_pages(65_000), "pages"),
    "TIFF with a page and 65,000 empty directories": (lambda: tiff_page_and_directories(65_000), "pages"),
    "TIFF in a circle": (lambda: tiff_pages(900, circle=True), "circle"),
    "TIFF with XMP of 100 mebibytes": (lambda: tiff_text(700, MANY), None),
    "TIFF with a profile of 100 mebibytes": (lambda: tiff_text(34_675, MANY), None),
    "TIFF with a maker's block of 100 mebibytes": (lambda: tiff_text(37_724, MANY), None),
    "TIFF with an artist of 100 mebibytes": (lambda: tiff_text(315, MANY), None),
    "PPM with a huge header": (lambda: b"P6 100000 100000 255\n" + bytes(10), "--max-pixels 10000000000"),
    "PPM that is cut off within the limit": (lambda: b"P6 22000 22000 255\n" + bytes(10), "cut off"),
}
"""How to make each, and a part of the reason for which it is refused; None: it has a picture that may be read."""


def main(name: str) -> None:
    import resource

    from nsr_cli.errors import DecodeError
    from nsr_cli.imaging import codec

    data = BOMBS[name][0]()
    small = (jp2_of(64), headers_boxed.heif("AVIF"), headers_boxed.heif("HEIC"))
    for harmless in (
        *small,
        png(8, 8, ROW),
        tiff_strip(8, 8, 8, zlib.compress(bytes(64))),
        jpeg(8, 8),
        gif(1, 1),
    ):
        codec.decode(harmless)  # loads the libraries
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, worked, reason = time.monotonic(), time.process_time(), ""
    try:
        codec.decode(data)
    except DecodeError as error:
        reason = str(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    record = {
        "reason": reason,
        "stored": len(data),
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - worked,
        "mebibytes": (peak - before) / 1024,
    }
    sys.stdout.write(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1])
