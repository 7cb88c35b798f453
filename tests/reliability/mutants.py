"""Damaged pictures, the same in every run: seeds of each format, and what can happen to a file."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests import heif, jp2

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "APNG", "JP2", "AVIF", "HEIC")
_ODD_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_ODD_WORDS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def seeds(kind: str) -> list[bytes]:
    """Whole files of one format, each of another sort."""
    rng = np.random.default_rng(11)
    across, down = np.meshgrid(np.linspace(0, 255, 37), np.linspace(0, 255, 26))
    color = np.stack([across, down, (across + down) / 2], axis=2) + rng.normal(0, 6, (26, 37, 3))
    rgb = np.clip(color, 0, 255).astype(np.uint8)
    makers = {"TIFF": _tiffs, "JP2": _jp2s, "AVIF": _avifs, "HEIC": _heics}
    return makers.get(kind, _pillow)(kind, rgb)


def _pillow(kind: str, rgb: NDArray[np.uint8]) -> list[bytes]:
    image = Image.fromarray(rgb)
    gray, palette, clear = image.convert("L"), image.quantize(16), image.convert("RGBA")
    clear.putalpha(gray)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Lumen"
    film = {"save_all": True, "append_images": [image.rotate(90 * i) for i in (1, 2)], "duration": 40}
    plain: list[tuple[Image.Image, dict[str, Any]]] = [(image, {})]
    sorts: dict[str, list[tuple[Image.Image, dict[str, Any]]]] = {
        "PNG": [*plain, (gray, {}), (palette, {}), (clear, {"exif": exif}), (image, film)],
        "JPEG": [
            *plain,
            (gray, {}),
            (image, {"progressive": True, "exif": exif}),
            (image.convert("CMYK"), {}),
        ],
        "WEBP": [
            *plain,
            (clear, {"lossless": True}),
            (clear, {"quality": 30, "exif": exif.tobytes()}),
            (image, film),
        ],
        "APNG": [(image, film), (palette, film), (clear, film)],
        "BMP": [*plain, (gray, {}), (palette, {}), (image.convert("1"), {}), (clear, {})],
        "GIF": [*plain, (gray, {}), (palette, {"transparency": 3, "interlace": True}), (image, film)],
    }
    found = []
    for picture, options in sorts[kind]:
        stored = io.BytesIO()
        picture.save(stored, kind.removeprefix("A"), **options)
        found.append(stored.getvalue())
    if kind == "PNG":
        deep = io.BytesIO()
        Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(deep, "PNG")
        found.append(deep.getvalue())
    return found


def _tiffs(kind: str, rgb: NDArray[np.uint8]) -> list[bytes]:
    options: list[dict[str, Any]] = [
        {},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "tile": (16, 16)},
        {"compression": "jpeg", "rowsperstrip": 16},
        {"compression": "packbits", "byteorder": ">"},
        {"planarconfig": "separate", "bigtiff": True},
    ]
    found = []
    for option in options:
        stored = io.BytesIO()
        samples = rgb.transpose(2, 0, 1) if "planarconfig" in option else rgb
        tifffile.imwrite(stored, samples, photometric="rgb", **option)
        found.append(stored.getvalue())
    deeper: list[NDArray[Any]] = [rgb.astype(np.float32) / 255, rgb.astype(np.uint16) * 257]
    for deep in deeper:
        stored = io.BytesIO()
        tifffile.imwrite(stored, [deep, deep], photometric="rgb", compression="zlib")
        found.append(stored.getvalue())
    fax = io.BytesIO()
    Image.fromarray(rgb).convert("1").save(fax, "TIFF", compression="group4")
    return [*found, fax.getvalue()]


def _sorts(rgb: NDArray[np.uint8]) -> tuple[Image.Image, Image.Image, Image.Image]:
    """The picture in color, in gray, and with transparency."""
    image = Image.fromarray(rgb)
    gray, clear = image.convert("L"), image.convert("RGBA")
    clear.putalpha(gray)
    return image, gray, clear


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Lumen"
    return exif.tobytes()


def _jp2s(kind: str, rgb: NDArray[np.uint8]) -> list[bytes]:
    found = [_saved(each, "JPEG2000") for each in _sorts(rgb)]
    image = Image.fromarray(rgb)
    found.append(_saved(image, "JPEG2000", irreversible=True, quality_layers=[20], tile_size=(16, 16)))
    for deep, form in ((rgb.astype(np.uint16) * 257, "jp2"), (rgb[..., 0], "j2k")):
        found.append(bytes(imagecodecs.jpeg2k_encode(deep, level=0, codecformat=form)))
    return [*found, found[0] + jp2.uuid(jp2.EXIF, _turned().removeprefix(b"Exif\0\0"))]


def _avifs(kind: str, rgb: NDArray[np.uint8]) -> list[bytes]:
    image = Image.fromarray(rgb)
    film = {"save_all": True, "append_images": [image.rotate(90 * i) for i in (1, 2)], "duration": 40}
    found = [_saved(each, "AVIF") for each in _sorts(rgb)]
    found += [_saved(image, "AVIF", exif=_turned(), xmp=b"<x:xmpmeta/>")]
    found += [_without_times(_saved(image, "AVIF", **film))]
    return found + [heif.deep_avif(rgb.astype(np.uint16) << (bits - 8), bits) for bits in (10, 12)]


def _heics(kind: str, rgb: NDArray[np.uint8]) -> list[bytes]:
    found = [heif.heic(np.asarray(each), exif=_turned()) for each in _sorts(rgb)]
    return [*found, heif.deep_heic(rgb.astype(np.uint16) << 8)]


def _without_times(data: bytes) -> bytes:
    """The animation with nothing where it says when it was made."""
    changed = bytearray(data)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        place = data.find(name) + 8  # behind version and flags
        size = 16 if data[place - 4] else 8
        changed[place : place + size] = bytes(size)
    return bytes(changed)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    stored = io.BytesIO()
    image.save(stored, form, **options)
    return stored.getvalue()


def mutants(kind: str, count: int) -> Iterator[tuple[int, bytes]]:
    """`count` damaged files with the number that makes each anew (`mutant`)."""
    whole = seeds(kind)
    for number in range(count):
        yield number, mutant(kind, number, whole)


def mutant(kind: str, number: int, whole: list[bytes] | None = None) -> bytes:
    """The damaged file of a number."""
    whole = whole or seeds(kind)
    rng = np.random.default_rng([FORMATS.index(kind), number])
    data = bytearray(whole[number % len(whole)])
    for _ in range(1 + int(rng.integers(0, 2))):
        _DAMAGES[int(rng.integers(len(_DAMAGES)))](data, rng, whole)
    if kind in ("PNG", "APNG") and rng.random() < 0.7:
        _mend(data)
    return bytes(data)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """A place in the file; half of them in its head, where sizes and kinds stand."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 96)
    return int(rng.integers(max(1, end)))


def _flip(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    for _ in range(int(rng.integers(1, 9))):
        if data:
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _odd_byte(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    if data:
        data[_place(data, rng)] = _ODD_BYTES[int(rng.integers(len(_ODD_BYTES)))]


def _odd_word(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    place, word = _place(data, rng), _ODD_WORDS[int(rng.integers(len(_ODD_WORDS)))]
    form = ("<I", ">I", "<H", ">H")[int(rng.integers(4))]
    raw = struct.pack(form, word & (0xFFFFFFFF if "I" in form else 0xFFFF))
    data[place : place + len(raw)] = raw


def _cut(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


def _drop(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    place = _place(data, rng)
    del data[place : place + int(rng.integers(1, 40))]


def _splice(data: bytearray, rng: np.random.Generator, whole: list[bytes]) -> None:
    other = whole[int(rng.integers(len(whole)))]
    start = int(rng.integers(len(other)))
    piece = other[start : start + int(rng.integers(1, 200))]
    place = _place(data, rng)
    data[place : place + (len(piece) if rng.random() < 0.5 else 0)] = piece


_DAMAGES: tuple[Callable[[bytearray, np.random.Generator, list[bytes]], None], ...] = (
    _flip, _flip, _odd_byte, _odd_word, _odd_word, _cut, _drop, _splice,
)  # fmt: skip


def _mend(data: bytearray) -> None:
    """Make the checksums of a PNG file right again, or every damage would be found by them alone."""
    place = 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
