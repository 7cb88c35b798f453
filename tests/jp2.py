"""JPEG 2000 files box by box, around a codestream that imagecodecs makes."""

import struct
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
EXIF = b"JpgTiffExif->JP2"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
OPAQUE, ALPHA, PREMULTIPLIED = 0, 1, 2


def box(name: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">I4s", 8 + len(inside), name) + inside


def stream(samples: NDArray[Any], **options: Any) -> bytes:
    """The codestream of (H, W) or (H, W, S) of uint8 or uint16, without loss."""
    return bytes(
        imagecodecs.jpeg2k_encode(np.ascontiguousarray(samples), level=0, codecformat="j2k", **options)
    )


def color(number: int) -> bytes:
    """A box that names a color space: 16 is sRGB, 17 gray."""
    return box(b"colr", b"\1\0\0", struct.pack(">I", number))


def profile(icc: bytes) -> bytes:
    return box(b"colr", b"\2\0\0", icc)


def channels(*kinds: tuple[int, int, int]) -> bytes:
    """A box with number, type and association of each channel."""
    return box(b"cdef", struct.pack(">H", len(kinds)), *(struct.pack(">3H", *kind) for kind in kinds))


def resolution(across: float, down: float) -> bytes:
    """A box with a resolution in pixels per inch."""
    meters = [round(value / 0.0254) for value in (down, across)]
    return box(b"res ", box(b"resc", struct.pack(">4H2b", meters[0], 1, meters[1], 1, 0, 0)))


def uuid(name: bytes, content: bytes) -> bytes:
    return box(b"uuid", name, content)


def file(code: bytes, *inside: bytes, behind: bytes = b"", brand: bytes = b"jp2 ") -> bytes:
    """The file of a codestream, with boxes in its header and others between that and the codestream."""
    across, down = struct.unpack_from(">2I", code, 8)
    count = int.from_bytes(code[40:42])
    head = box(b"ihdr", struct.pack(">2IH4B", down, across, count, code[42], 7, 0, 0))
    kind = box(b"ftyp", brand, bytes(4), brand)
    return SIGNATURE + kind + box(b"jp2h", head, *inside) + behind + box(b"jp2c", code)
