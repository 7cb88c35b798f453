"""AVIF and HEIC files as Pillow, imagecodecs and pillow-heif write them."""

import io
import struct
from typing import Any

import imagecodecs
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

Samples = NDArray[Any]


def avif(samples: Samples, *more: Samples, **options: Any) -> bytes:
    """A file of 8 bits: a picture, or the frames of an animation."""
    stored = io.BytesIO()
    frames = [Image.fromarray(frame) for frame in more]
    options |= {"save_all": True, "append_images": frames} if frames else {}
    Image.fromarray(samples).save(stored, "AVIF", **{"quality": 95, **options})
    return stored.getvalue()


def deep_avif(samples: Samples, bits: int, **options: Any) -> bytes:
    return bytes(imagecodecs.avif_encode(samples, level=98, bitspersample=bits, **options))


def heic(*samples: Samples, **options: Any) -> bytes:
    """A file of 8 bits, with one picture or several."""
    stored = io.BytesIO()
    file = pillow_heif.from_pillow(Image.fromarray(samples[0]))
    for other in samples[1:]:
        file.add_from_pillow(Image.fromarray(other))
    file.save(stored, **{"quality": 95, **options})
    return stored.getvalue()


def deep_heic(samples: Samples) -> bytes:
    """A file of 10 bits of (H, W, 3) of uint16."""
    stored = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", samples.shape[1::-1], samples.astype("<u2").tobytes()).save(
        stored, quality=95
    )
    return stored.getvalue()


def turned(orientation: int) -> bytes:
    """An EXIF block; both writers turn its orientation into properties of the picture."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Lumen"
    return exif.tobytes()


def with_property(data: bytes, name: bytes, content: bytes) -> bytes:
    """The file with a further property of its first item, which is the picture."""
    ipco, ipma = data.find(b"ipco"), data.find(b"ipma")
    made = struct.pack(">I4s", 8 + len(content), name) + content
    inside = data[ipco + 4 : ipma - 4]
    count, place = 0, 0
    while place < len(inside):
        place += int.from_bytes(inside[place : place + 4])
        count += 1
    listed = bytearray(data[ipma - 4 : ipma - 4 + int.from_bytes(data[ipma - 4 : ipma])])
    listed[18] += 1  # behind length, name, version and flags, number of items, and the item's number
    listed.insert(19, count + 1)
    grown = len(made) + 1
    out = bytearray(data[: ipma - 4] + made + listed + data[ipma - 5 + len(listed) :])
    struct.pack_into(">I", out, ipma - 4 + len(made), len(listed))
    for box in (b"ipco", b"iprp", b"meta"):
        start = out.find(box) - 4
        more = len(made) if box == b"ipco" else grown
        struct.pack_into(">I", out, start, int.from_bytes(out[start : start + 4]) + more)
    return _moved(bytes(out), grown)


def _moved(data: bytes, by: int) -> bytes:
    """The file with the places of items as far behind as what was inserted before them is long."""
    out = bytearray(data)
    start = data.find(b"iloc") + 4
    version, sizes = data[start], data[start + 4]
    assert version in (0, 1) and sizes >> 4 == sizes & 15 == 4, "another layout of places"
    base = data[start + 5] >> 4
    place = start + 8
    for _ in range(int.from_bytes(data[start + 6 : start + 8])):
        place += (6 if version else 4) + base
        extents = int.from_bytes(data[place : place + 2])
        for at in range(place + 2, place + 2 + 8 * extents, 8):
            struct.pack_into(">I", out, at, int.from_bytes(out[at : at + 4]) + by)
        place += 2 + 8 * extents
    return bytes(out)
