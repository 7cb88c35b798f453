"""Changes to files that tests have made."""

from typing import Any

from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png.chunks import HEADER, SIGNATURE, chunk

START = len(SIGNATURE) + HEADER


def png_with(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file with more chunks, given by type and content, between its header and the pixels."""
    return data[:START] + b"".join(chunk(kind, content) for kind, content in chunks) + data[START:]


def enlarged(picture: Picture, down: int = 2, across: int = 2) -> Picture:
    """The opaque picture with repeated pixels."""
    pixels: Any = picture.pixels
    return picture.with_pixels(pixels.repeat(down, axis=0).repeat(across, axis=1), None)
