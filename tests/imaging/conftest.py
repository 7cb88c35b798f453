"""Samples and files of all kinds, built with the libraries themselves."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.imaging.files import tiff

HEIGHT, WIDTH = 30, 41


class Samples:
    """Random samples of every kind, the same in every run."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        self.gray8: NDArray[Any] = rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        self.rgb8: NDArray[Any] = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        self.alpha8: NDArray[Any] = rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        self.gray16: NDArray[Any] = rng.integers(0, 65_536, (HEIGHT, WIDTH), dtype=np.uint16)
        self.rgb16: NDArray[Any] = rng.integers(0, 65_536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
        self.alpha16: NDArray[Any] = rng.integers(0, 65_536, (HEIGHT, WIDTH), dtype=np.uint16)
        self.float32: NDArray[Any] = rng.random((HEIGHT, WIDTH, 3), dtype=np.float32)
        across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
        smooth = np.stack([across, down, (across + down) / 2], axis=2) * 200 + 30
        self.smooth: NDArray[Any] = smooth.astype(np.uint8)  # survives lossy compression
        self.smooth_gray: NDArray[Any] = self.smooth[..., 2]
        self.ink: NDArray[Any] = np.dstack([255 - self.smooth, self.smooth_gray // 3])


@pytest.fixture(scope="session")
def samples() -> Samples:
    return Samples()


@pytest.fixture(scope="session")
def tiff_file() -> Callable[..., bytes]:
    """A TIFF file by tifffile: `tiff_file(array, **options)`."""
    return tiff


@pytest.fixture(scope="session")
def pillow_file() -> Callable[..., bytes]:
    """A file by Pillow: `pillow_file(image, format, **options)`."""

    def make(image: Image.Image, kind: str, **options: Any) -> bytes:
        stored = io.BytesIO()
        image.save(stored, kind, **options)
        return stored.getvalue()

    return make


@pytest.fixture(scope="session")
def exif_block() -> Callable[[int], bytes]:
    """An EXIF block with the given orientation, a camera's name, a picture size and a GPS place."""

    def make(orientation: int) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "Lumen"
        exif[0x0110] = "Box 3"
        exif.get_ifd(0x8769)[0xA002] = WIDTH
        exif.get_ifd(0x8769)[0xA003] = HEIGHT
        exif.get_ifd(0x8769)[0x829A] = 0.005
        exif.get_ifd(0x8825)[1] = "N"
        return exif.tobytes().removeprefix(b"Exif\0\0")

    return make


_WHITE = struct.pack(">3i", 63190, 65536, 54061)


def _profile(space: bytes, name: bytes, content: bytes) -> bytes:
    """An ICC 2.4 output profile for a color space, with one tag besides the usual ones."""
    text = b"text\0\0\0\0test\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(8 + 3 + 67)
    tags = {b"desc": described, b"cprt": text, b"wtpt": b"XYZ \0\0\0\0" + _WHITE, name: content}
    names, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        padded = value + b"\0" * (-len(value) % 4)
        names += tag + struct.pack(">II", start + len(body), len(value))
        body += padded
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02400000, b"prtr", space, b"Lab ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _WHITE
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + names + body


@pytest.fixture(scope="session")
def cmyk_profile() -> bytes:
    """A CMYK profile that works: cyan, magenta, yellow and black make known Lab colors at the corners."""
    ramp = bytes(range(256))
    identity = (np.eye(3) * 65536).astype(">i4").tobytes()
    lut = b"mft1\0\0\0\0" + struct.pack(">4B", 4, 3, 2, 0) + identity + ramp * 4
    for corner in np.ndindex(2, 2, 2, 2):
        cyan, magenta, yellow, black = corner
        light = (1 - 0.4 * cyan) * (1 - 0.4 * magenta) * (1 - 0.1 * yellow) * (1 - 0.95 * black)
        shade = 1 - black
        a = 128 + shade * 60 * (magenta - 0.6 * cyan)
        b = 128 + shade * 70 * (yellow - 0.6 * cyan)
        lut += bytes([round(255 * light), round(a), round(b)])
    lut += ramp * 3
    return _profile(b"CMYK", b"A2B0", lut)


@pytest.fixture(scope="session")
def gray_profile() -> bytes:
    """A gray profile with gamma 2.2."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    return _profile(b"GRAY", b"kTRC", curve)


@pytest.fixture(scope="session")
def rgb_profile() -> bytes:
    """Little CMS's own sRGB profile."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
