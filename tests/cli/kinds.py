"""A file of every format and kind of pixels, made by other libraries, and what is stored in it."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WRITTEN = {"PNG": "png", "JPEG": "jpg", "WebP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif"}
FORMATS = {**WRITTEN, "JP2": "jp2", "AVIF": "avif", "HEIC": "heic"}
KINDS = ("1", "L", "P", "P+tRNS", "LA", "RGB", "RGBA", "CMYK", "I;16", "RGB16", "float")
HEIGHT, WIDTH = 9, 14
DPI = (300.0, 200.0)  # across and down as stored: turning the picture must swap them
TURNED = 6  # EXIF orientation: the stored rows are the picture's columns from the right
_ORIENTATION, _MAKE = 0x0112, 0x010F
_RESOLUTION = {0x011A: DPI[0], 0x011B: DPI[1], 0x0128: 2}

Samples = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A file and what it holds, upright: (H, W, C) colors and (H, W) alpha in the depth of `pixels`."""

    form: str
    kind: str
    data: bytes
    pixels: Samples
    alpha: Samples | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    turned: bool = False

    @property
    def name(self) -> str:
        """A file name that tells which it is."""
        kind = self.kind.replace("+", "-").replace(";", "")
        return f"{self.form.lower()}-{kind.lower()}.{FORMATS[self.form]}"


@dataclass(frozen=True, slots=True)
class Stored:
    """The samples that go into a file: what Pillow or tifffile take, and the colors and alpha they mean."""

    image: Any
    pixels: Samples
    alpha: Samples | None = None
    palette: Samples | None = None
    """(N, 3 or 4) colors and opacity."""


def profile(channels: int) -> bytes:
    """Little CMS's own profile for gray or RGB."""
    import imagecodecs

    made = bytes(
        imagecodecs.cms_profile("gray", gamma=2.2) if channels == 1 else imagecodecs.cms_profile("srgb")
    )
    return made[:24] + struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + made[36:]  # it has the time of making


def stored(kind: str) -> Stored:
    """Random samples of a kind; no alpha is 0 but that of palettes, so that every color counts."""
    rng = np.random.default_rng(sum(kind.encode()))
    size = (HEIGHT, WIDTH)
    if kind == "1":
        bits = rng.integers(0, 2, size).astype(bool)
        return Stored(bits, bits[..., None].astype(np.uint8) * 255)
    if kind in ("P", "P+tRNS"):
        return _indexed(rng, transparent=kind == "P+tRNS")
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "I;16": 1, "RGB16": 3, "float": 3}[kind]
    if kind == "float":
        samples: Samples = rng.random((*size, channels), dtype=np.float32)
    else:
        dtype = np.uint16 if "16" in kind else np.uint8
        samples = rng.integers(1, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)
    if kind == "CMYK":
        return Stored(samples, without_ink(samples))
    if kind in ("LA", "RGBA"):
        return Stored(samples, samples[..., :-1], samples[..., -1])
    return Stored(samples.squeeze(2) if channels == 1 else samples, samples)


def without_ink(ink: Samples) -> Samples:
    """The RGB of 8-bit inks where no profile tells better: paper that each ink darkens."""
    paper = 1 - ink.astype(float) / 255
    return np.rint(255 * paper[..., :3] * paper[..., 3:]).astype(np.uint8)


def _indexed(rng: np.random.Generator, transparent: bool) -> Stored:
    indices = rng.integers(0, 16, (HEIGHT, WIDTH)).astype(np.uint8)
    indices[:4, :4] = 1  # whole areas of one color, and of none
    indices[5:, 8:] = 3
    table = rng.integers(0, 256, (16, 4)).astype(np.uint8)
    table[:, 3] = 255
    if transparent:
        table[3, 3] = 0
    colors = table[indices]
    return Stored(indices, colors[..., :3], colors[..., 3] if transparent else None, table)


def cases() -> list[Case]:
    """Every format with every kind of pixels that it can hold, and all metadata that it can hold with them."""
    from tests.cli import boxedkinds  # which needs this module

    makers: dict[str, tuple[str, Callable[[Stored, str], Case]]] = {
        "PNG": ("1 L P P+tRNS LA RGB RGBA I;16 RGB16", _png),
        "JPEG": ("L RGB CMYK", _jpeg),
        "WebP": ("RGB RGBA", _webp),
        "BMP": ("1 L P RGB RGBA", _bmp),
        "GIF": ("1 L P P+tRNS", _gif),
        "TIFF": ("1 L P LA RGB RGBA CMYK I;16 RGB16 float", _tiff),
        "JP2": ("1 L LA RGB RGBA CMYK I;16 RGB16", boxedkinds.of_jp2),
        "AVIF": ("L RGB RGBA RGB16", boxedkinds.of_avif),
        "HEIC": ("L RGB RGBA RGB16", boxedkinds.of_heic),
    }
    return [make(stored(kind), kind) for kinds, make in makers.values() for kind in kinds.split()]


def file_of(image: Image.Image, form: str, **options: Any) -> bytes:
    """The file that Pillow makes of an image."""
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def exif(with_resolution: bool = False) -> Image.Exif:
    """The EXIF block of a turned picture."""
    found = Image.Exif()
    found[_ORIENTATION], found[_MAKE] = TURNED, "Lumen"
    for tag, value in _RESOLUTION.items() if with_resolution else ():
        found[tag] = value
    return found


def turned(form: str, kind: str, data: bytes, content: Stored, icc: bytes | None) -> Case:
    """A case whose orientation and resolution are stored too."""
    alpha = None if content.alpha is None else np.rot90(content.alpha, -1)
    return Case(form, kind, data, np.rot90(content.pixels, -1), alpha, icc, (DPI[1], DPI[0]), True)


def _image(content: Stored, kind: str) -> Image.Image:
    image = Image.fromarray(content.image)
    if content.palette is not None:
        image = image.convert("L")
        image.putpalette(content.palette[:, :3].tobytes())
    elif kind == "CMYK":
        image = Image.frombytes("CMYK", (WIDTH, HEIGHT), content.image.tobytes())
    return image


def _png(content: Stored, kind: str) -> Case:
    icc = profile(content.pixels.shape[2])
    options: dict[str, Any] = {"exif": exif(), "icc_profile": icc, "dpi": DPI}
    if content.palette is not None and content.alpha is not None:
        options["transparency"] = content.palette[:, 3].tobytes()
    if kind != "RGB16":
        return turned("PNG", kind, file_of(_image(content, kind), "PNG", **options), content, icc)
    import imagecodecs

    deep = bytes(imagecodecs.png_encode(content.image))
    described = file_of(Image.new("RGB", (1, 1)), "PNG", **options)
    between = b"".join(c for c in png_chunks(described) if c[4:8] in (b"iCCP", b"pHYs", b"eXIf"))
    return turned("PNG", kind, deep[:33] + between + deep[33:], content, icc)


def png_chunks(data: bytes) -> list[bytes]:
    """The chunks of a PNG file, whole."""
    found, place = [], 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        found.append(data[place:end])
        place = end
    return found


def _jpeg(content: Stored, kind: str) -> Case:
    icc = None if kind == "CMYK" else profile(content.pixels.shape[2])
    extra = {} if icc is None else {"icc_profile": icc}
    data = file_of(
        _image(content, kind), "JPEG", exif=exif(), dpi=tuple(map(int, DPI)), subsampling=0, **extra
    )
    with Image.open(io.BytesIO(data)) as image:  # what is left of the samples
        samples = np.array(image).reshape(HEIGHT, WIDTH, -1)
    left = Stored(None, without_ink(samples) if kind == "CMYK" else samples)
    return turned("JPEG", kind, data, left, icc)


def _webp(content: Stored, kind: str) -> Case:
    icc = profile(3)
    options = {"lossless": True, "exact": True, "icc_profile": icc, "exif": exif(with_resolution=True)}
    return turned("WebP", kind, file_of(_image(content, kind), "WEBP", **options), content, icc)


def _bmp(content: Stored, kind: str) -> Case:
    if kind != "RGBA":
        return Case(
            "BMP", kind, file_of(_image(content, kind), "BMP", dpi=DPI), content.pixels, None, None, DPI
        )
    samples = content.image[::-1, :, [2, 1, 0, 3]].tobytes()  # bottom row first; blue, green, red, alpha
    meters = [round(value / 0.0254) for value in DPI]
    head = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(samples), *meters, 0, 0)
    head += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    start = 14 + len(head)
    data = struct.pack("<2sIII", b"BM", start + len(samples), 0, start) + head + samples
    return Case("BMP", kind, data, content.pixels, content.alpha, None, DPI)


def _gif(content: Stored, kind: str) -> Case:
    options = {} if content.alpha is None else {"transparency": 3}
    return Case("GIF", kind, file_of(_image(content, kind), "GIF", **options), content.pixels, content.alpha)


def _tiff(content: Stored, kind: str) -> Case:
    import tifffile

    icc = None if kind == "CMYK" else profile(content.pixels.shape[2])
    colors = {
        "P": "palette",
        "CMYK": "separated",
        "RGB": "rgb",
        "RGBA": "rgb",
        "RGB16": "rgb",
        "float": "rgb",
    }
    options: dict[str, Any] = {"photometric": colors.get(kind, "minisblack"), "iccprofile": icc}
    if content.alpha is not None:
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    if content.palette is not None:
        table = np.zeros((3, 256), dtype=np.uint16)
        table[:, : len(content.palette)] = content.palette[:, :3].T.astype(np.uint16) * 257
        options["colormap"] = table
    extra = [(_ORIENTATION, 3, 1, TURNED, True), (_MAKE, 2, 6, "Lumen", True)]
    data = io.BytesIO()
    tifffile.imwrite(
        data, content.image, resolution=DPI, resolutionunit="inch", metadata=None, extratags=extra, **options
    )
    return turned("TIFF", kind, data.getvalue(), content, icc)
