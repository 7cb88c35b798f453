"""JPEG 2000, AVIF and HEIC files of every kind of pixels, for `kinds`."""

import io
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image

from tests import jp2
from tests.cli import kinds
from tests.cli.kinds import DPI, HEIGHT, WIDTH, Case, Samples, Stored, profile

_DEPTH = 10  # bits of an AVIF or HEIC file of the kind RGB16


def of_jp2(content: Stored, kind: str) -> Case:
    icc = None if kind == "CMYK" else profile(content.pixels.shape[2])
    options = {"bitspersample": 1} if kind == "1" else {}
    code = jp2.stream(content.image.astype(np.uint8) if kind == "1" else content.image, **options)
    described = [jp2.color(12) if icc is None else jp2.profile(icc), jp2.resolution(*DPI)]
    if content.alpha is not None:
        count = content.image.shape[2] - 1
        described.append(jp2.channels(*((i, 0, i + 1) for i in range(count)), (count, jp2.ALPHA, 0)))
    exif = kinds.exif().tobytes().removeprefix(b"Exif\0\0")
    data = jp2.file(code, *described, behind=jp2.uuid(jp2.EXIF, exif))
    return kinds.turned("JP2", kind, data, content, icc)


def of_avif(content: Stored, kind: str) -> Case:
    icc = profile(content.pixels.shape[2])
    exif = kinds.exif(with_resolution=True).tobytes()
    if kind == "RGB16":
        deep = content.image >> (16 - _DEPTH)
        data = bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=_DEPTH, pixelformat="444"))
        left = _deep(np.asarray(imagecodecs.avif_decode(data)))
        return Case("AVIF", kind, data, left.pixels)
    options: dict[str, Any] = {"exif": exif, "icc_profile": icc, "quality": 90}
    data = kinds.file_of(Image.fromarray(content.image), "AVIF", **options)
    with Image.open(io.BytesIO(data)) as image:
        left = _split(np.array(image))
    return kinds.turned("AVIF", kind, data, left, icc)


def of_heic(content: Stored, kind: str) -> Case:
    icc = profile(content.pixels.shape[2])
    stored = io.BytesIO()
    if kind == "RGB16":
        pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), content.image.tobytes()).save(stored, quality=90)
        opened = pillow_heif.open_heif(stored, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        return Case("HEIC", kind, stored.getvalue(), _deep(np.asarray(opened)).pixels)
    picture = pillow_heif.from_pillow(Image.fromarray(content.image))
    exif = kinds.exif(with_resolution=True).tobytes()
    picture.save(stored, quality=90, exif=exif, icc_profile=icc)
    seen = _split(np.asarray(pillow_heif.open_heif(stored)))  # upright
    return Case("HEIC", kind, stored.getvalue(), seen.pixels, seen.alpha, icc, (DPI[1], DPI[0]), True)


def _deep(samples: Samples) -> Stored:
    """What 16 bits make of fewer."""
    return Stored(None, (samples.astype(np.uint32) * 65_535 // ((1 << _DEPTH) - 1)).astype(np.uint16))


def _split(samples: Samples) -> Stored:
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.shape[2] in (2, 4):
        return Stored(None, samples[..., :-1], samples[..., -1])
    return Stored(None, samples)
