"""Write JPEG, WebP, BMP and GIF through Pillow."""

import io
from typing import Any

import numpy as np
from PIL import Image

from nsr_cli.imaging.metadata import aspect, density, iptc, sizes
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rasters import saveoptions


def image_of(picture: Picture) -> Image.Image:
    """An 8-bit picture as a Pillow image: L, LA, RGB or RGBA."""
    if picture.alpha is None:
        return Image.fromarray(
            np.ascontiguousarray(picture.pixels.squeeze(2) if picture.is_gray else picture.pixels)
        )
    return Image.fromarray(np.concatenate([picture.pixels, picture.alpha[..., np.newaxis]], axis=2))


def encode(picture: Picture, kind: str, quality: int | None) -> bytes:
    """A JPEG, WebP, BMP or GIF file of an 8-bit picture that passed `codec.check_encodable`."""
    meta = sizes.stated(picture)
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = saveoptions.jpeg(meta, quality)
    elif kind == "WEBP":
        options = saveoptions.webp(meta, quality)
    elif kind == "BMP" and (dpi := density.stated(meta.dpi, "BMP")) is not None:
        options = {"dpi": dpi}
    elif kind == "GIF":
        options = saveoptions.gif(meta)
    stored = save(image_of(picture), kind, **options)
    if kind == "JPEG" and meta.dpi is None and meta.aspect is not None:
        stored = aspect.into_jpeg(stored)
    if kind == "JPEG" and meta.iptc is not None and iptc.fits_jpeg(meta.iptc):
        return iptc.into_jpeg(stored, meta.iptc)
    return stored


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow makes of an image."""
    stored = io.BytesIO()
    image.save(stored, kind, **options)
    return stored.getvalue()
