"""Files that tests make, and changes to them."""

import io
from typing import Any

import tifffile

from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png.chunks import HEAD_END, chunk


def tiff(array: Any, **options: Any) -> bytes:
    """A TIFF file of one page or more as tifffile writes it."""
    stored = io.BytesIO()
    tifffile.imwrite(stored, array, **options)
    return stored.getvalue()


def png_with(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file with more chunks, given by type and content, between its header and the pixels."""
    return data[:HEAD_END] + b"".join(chunk(kind, content) for kind, content in chunks) + data[HEAD_END:]


def enlarged(picture: Picture, down: int = 2, across: int = 2) -> Picture:
    """The opaque picture with repeated pixels."""
    pixels: Any = picture.pixels
    return picture.with_pixels(pixels.repeat(down, axis=0).repeat(across, axis=1), None)
