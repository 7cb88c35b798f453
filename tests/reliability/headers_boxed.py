"""JPEG 2000, AVIF and HEIC files with one impossible, lying or endless statement each; see `headers`."""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from tests import jp2

WIDTH, HEIGHT = 24, 16
_ODD = (0, 1, 2, 255, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_SIZES = ("width", "height", "left", "top", "tile width", "tile height", "first tile left", "first tile top")


def _samples() -> Any:
    across, down = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
    return np.stack([across, down, 255 - across], axis=2).astype(np.uint8)


def patched(data: bytes, place: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, place, *values)
    return bytes(changed)


def jp2_codestreams() -> Iterator[tuple[str, bytes]]:
    code = jp2.stream(_samples())
    yield "a bare codestream", code
    for number, name in enumerate(_SIZES):
        for value in _ODD:
            yield f"{name} {value}", jp2.file(patched(code, 8 + 4 * number, ">I", value), jp2.color(16))
    for count in (0, 1, 2, 4, 5, 255, 16_384, 65_535):
        yield f"{count} components", jp2.file(patched(code, 40, ">H", count), jp2.color(16))
    for depth in (0, 6, 8, 15, 16, 37, 38, 127, 128, 135, 255):
        yield f"depth {depth} of one component", jp2.file(patched(code, 42, ">B", depth), jp2.color(16))
        depths = bytes([depth, 1, 1]) * 3
        yield f"depth {depth} of all", jp2.file(code[:42] + depths + code[51:], jp2.color(16))
    for step in (0, 2, 3, 255):
        yield f"every {step}th sample across", jp2.file(patched(code, 46, ">B", step), jp2.color(16))
        yield f"every {step}th sample down", jp2.file(patched(code, 47, ">B", step), jp2.color(16))
    part = code.find(b"\xff\x90")
    for value in _ODD:
        yield f"a tile's part of {value} bytes", jp2.file(patched(code, part + 6, ">I", value), jp2.color(16))
        yield (
            f"tile number {value & 65_535} for {value}",
            jp2.file(patched(code, part + 4, ">H", value & 65_535)),
        )
    yield "no tile", jp2.file(code[:part] + code[-2:], jp2.color(16))
    yield "no end mark", jp2.file(code[:-2], jp2.color(16))
    yield "sizes in second place", jp2.file(code[:2] + b"\xff\x64\0\4\0\1" + code[2:], jp2.color(16))
    tiled = io.BytesIO()
    Image.fromarray(_samples()).save(tiled, "JPEG2000", no_jp2=True, tile_size=(8, 8))
    many = tiled.getvalue()
    for tile in range(6):
        place = [at for at in range(len(many)) if many.startswith(b"\xff\x90\0\n", at)][tile]
        length = int.from_bytes(many[place + 6 : place + 10])
        yield f"tile {tile} is missing", jp2.file(many[:place] + many[place + length :], jp2.color(16))


def jp2_boxes() -> Iterator[tuple[str, bytes]]:
    code = jp2.stream(_samples())
    for number in (*range(26), 100, (1 << 32) - 1):
        yield f"color space {number}", jp2.file(code, jp2.color(number))
    for method in (0, 2, 3, 4, 255):
        yield (
            f"color method {method}",
            jp2.file(code, jp2.box(b"colr", bytes([method, 0, 0]), b"no profile" * 9)),
        )
    yield "an empty color box", jp2.file(code, jp2.box(b"colr"))
    for count in (0, 1, 2, 3, 4, 255):
        palette = struct.pack(">HB", 256, count) + b"\7" * count + bytes(256 * count)
        yield f"a palette of {count} channels", jp2.file(code, jp2.color(16), jp2.box(b"pclr", palette))
        gray = jp2.stream(_samples()[..., 0])
        mapped = jp2.box(b"cmap", *(bytes([0, 0, 1, i]) for i in range(count)))
        yield (
            f"a palette of {count} for one",
            jp2.file(gray, jp2.color(16), jp2.box(b"pclr", palette), mapped),
        )
    yield "an empty palette box", jp2.file(code, jp2.color(16), jp2.box(b"pclr"))
    for kinds in (
        ((9, 0, 1),),
        ((0, 1, 0), (1, 2, 0)),
        ((65_535, 65_535, 65_535),),
        ((2, 0, 1), (0, 0, 3)),
        (),
    ):
        yield f"channels {kinds}", jp2.file(code, jp2.color(16), jp2.channels(*kinds))
    yield "channels that are cut off", jp2.file(code, jp2.color(16), jp2.box(b"cdef", b"\0\3\0\0"))
    for numbers in (
        (0, 0, 0, 0, 0, 0),
        (1, 0, 1, 0, 0, 0),
        (65_535, 1, 65_535, 1, 127, 127),
        (1, 9, 1, 9, -128, -128),
    ):
        dots = jp2.box(b"res ", jp2.box(b"resd", struct.pack(">4H2b", *numbers)))
        yield f"resolution {numbers}", jp2.file(code, jp2.color(16), dots)
    for content in (b"", b"II*\0", b"no EXIF at all", bytes(9 << 20)):
        for name in (jp2.EXIF, jp2.XMP, jp2.IPTC, bytes(16)):
            boxed = jp2.uuid(name, content)
            yield f"{len(content)} bytes in box {name.hex()}", jp2.file(code, jp2.color(16), behind=boxed)
    whole = jp2.file(code, jp2.color(16))
    for name in (b"ftyp", b"jp2h", b"ihdr", b"colr", b"jp2c"):
        for value in _ODD:
            yield f"{name.decode()} of {value} bytes", patched(whole, whole.find(name) - 4, ">I", value)
    yield "no header", whole[:32] + jp2.box(b"jp2c", code)
    yield "no codestream", whole[: whole.find(b"jp2c") - 4]
    yield "a document", jp2.file(code, jp2.color(16), brand=b"jpm ")


def heif(form: str, **options: Any) -> bytes:
    """An AVIF or HEIC file."""
    stored = io.BytesIO()
    image = Image.fromarray(_samples())
    if form == "AVIF":
        image.save(stored, "AVIF", **options)
    else:
        pillow_heif.from_pillow(image).save(stored, **options)
    return stored.getvalue()


def avif_headers() -> Iterator[tuple[str, bytes]]:
    yield from _heif_headers("AVIF")


def heic_headers() -> Iterator[tuple[str, bytes]]:
    yield from _heif_headers("HEIC")


def _heif_headers(form: str) -> Iterator[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = heif(form, exif=exif.tobytes())
    yield "a whole one", whole
    start, end = whole.find(b"meta"), whole.find(b"mdat")
    for place in range(start - 4, end, 3):
        for value in (0, 1 << 31, (1 << 32) - 1):
            yield f"{value} at byte {place}", patched(whole, place, ">I", value)
    for name in (b"pitm", b"iprp", b"ipco", b"ipma", b"ispe", b"iloc", b"iinf", b"mdat"):
        yield f"no {name.decode()}", whole.replace(name, b"free", 1)
        yield f"two {name.decode()}", whole.replace(b"hdlr", name, 1)
