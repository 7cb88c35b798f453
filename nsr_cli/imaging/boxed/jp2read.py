"""Read JPEG 2000: 1 to 16 bits, gray, RGB or CMYK, with transparency, through OpenJPEG.

Samples come from imagecodecs as they are stored. Pillow makes RGB of palettes, of YCC and of components with fewer
samples than pixels; it does so with 8 bits only.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits
from nsr_cli.imaging.boxed import codestream, jp2
from nsr_cli.imaging.boxed.jp2 import Header
from nsr_cli.imaging.metadata import profile
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rebuild import finish
from nsr_cli.imaging.tiff.read import unpremultiply
from nsr_cli.imaging.whites import FULL
from nsr_cli.shown import counted

_MOST_BITS, _MOST_COMPONENTS = 16, 16
_KNOWN_COLORS = (None, jp2.GRAY, jp2.SRGB, jp2.SYCC, jp2.CMYK)
_PALETTE_COLORS = 3

_Samples = tuple[NDArray[Any], NDArray[Any] | None, tuple[str, ...]]
"""Pixels (H, W, C) of uint8 or uint16 in their whole range, alpha (H, W) or None, and notes."""


def decode(data: bytes, max_pixels: int) -> Picture:
    """The picture of a JPEG 2000 file."""
    head = jp2.header(data)
    limits.check_size(*head.size, max_pixels)
    limits.check_claim(head.stream.width * head.stream.height, len(data), "the JPEG 2000 file")
    codestream.check_whole(data, *head.place, head.stream.tiles)
    _check(head)
    metadata, notes = jp2.metadata(data, head)
    pixels, alpha, more = _converted(data) if _needs_conversion(head) else _stored(data, head)
    if pixels.shape[1::-1] != head.size:
        raise DecodeError("the JPEG 2000 file is damaged: its boxes and its picture have different sizes")
    return finish(pixels, alpha, metadata, "JP2", (*notes, *more), from_palette=head.palette > 0, stated=FULL)


def _check(head: Header) -> None:
    """DecodeError for a picture that cannot be read without guessing what its samples mean."""
    bits, what = head.stream.bits, ""
    if head.components > _MOST_COMPONENTS:
        what = f"with {head.components} components"
    elif head.stream.signed or max(bits) > _MOST_BITS or len(set(bits)) > 1:
        what = "with negative samples, more than 16 bits, or components of different depth"
    elif head.color not in _KNOWN_COLORS:
        what = f"in the color space {head.color}"
    elif head.palette not in (0, _PALETTE_COLORS) or (head.palette and head.components > 1):
        what = f"with a palette of {counted(head.palette, 'channel')}"
    elif _needs_conversion(head) and (bits[0] != 8 or head.color == jp2.CMYK or head.alpha is not None):
        what = f"with a palette, YCC or reduced colors and {counted(bits[0], 'bit')} or transparency"
    elif head.components < head.colors and not head.palette:
        what = f"with {counted(head.components, 'component')} for {head.colors} colors"
    if what:
        raise DecodeError(f"JPEG 2000 {what} is not supported; save it as gray or RGB")


def _needs_conversion(head: Header) -> bool:
    return bool(head.palette) or head.color == jp2.SYCC or not head.stream.whole


def _converted(data: bytes) -> _Samples:
    from PIL import Jpeg2KImagePlugin

    with Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB")), None, ()


def _stored(data: bytes, head: Header) -> _Samples:
    import imagecodecs

    start, end = head.place  # with the boxes around, it would convert colors by the profile
    samples: NDArray[Any] = imagecodecs.jpeg2k_decode(data[start:end])
    samples = samples.reshape(*samples.shape[:2], -1)
    peak, white = np.iinfo(samples.dtype).max, (1 << head.stream.bits[0]) - 1
    if peak != white:
        samples = (samples.astype(np.uint32) * peak // white).astype(samples.dtype)
    unused = head.components - head.colors - (head.alpha is not None)
    notes: tuple[str, ...] = (f"{counted(unused, 'extra channel')} left out",) if unused > 0 else ()
    pixels = samples[..., list(head.order)]
    if head.color == jp2.CMYK:
        pixels, more = profile.cmyk_to_rgb(pixels, None)
        notes += more
    if head.alpha is None:
        return pixels, None, notes
    number, is_premultiplied = head.alpha
    alpha = samples[..., number]
    return unpremultiply(pixels, alpha) if is_premultiplied else pixels, alpha, notes
