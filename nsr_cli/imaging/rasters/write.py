"""Write JPEG, WebP, BMP and GIF through Pillow, with the metadata that each can hold."""

import io
from typing import Any

import numpy as np
from PIL import Image

from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.metadata import density, exif, iptc, sizes, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture

_JPEG_QUALITY = 95  # unless the caller asks otherwise


def image_of(picture: Picture) -> Image.Image:
    """An 8-bit picture as a Pillow image: L, LA, RGB or RGBA."""
    return Image.fromarray(np.ascontiguousarray(picture.stored))


def encode(picture: Picture, kind: str, quality: int | None) -> bytes:
    """A JPEG, WebP, BMP or GIF file of an 8-bit picture that passed `codec.check_encodable`."""
    meta = sizes.stated(picture)
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = _jpeg_options(meta, quality)
    elif kind == "WEBP":
        options = webp_options(meta, quality)
    elif kind == "BMP" and (dpi := density.stated(meta.dpi, "BMP")) is not None:
        options = {"dpi": dpi}
    elif kind == "GIF":
        options = gif_options(meta)
    stored = save(image_of(picture), kind, **options)
    if kind == "JPEG" and meta.dpi is None and meta.aspect is not None:
        stored = density.into_jpeg(stored)
    if kind == "JPEG" and meta.iptc is not None and iptc.fits_jpeg(meta.iptc):
        return iptc.into_jpeg(stored, meta.iptc)
    return stored


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow makes of an image."""
    stored = io.BytesIO()
    image.save(stored, kind, **options)
    return stored.getvalue()


def gif_options(meta: Metadata) -> dict[str, Any]:
    """Pillow's options for GIF, whose only metadata is a comment."""
    comment = _comment(meta)
    return {"comment": comment} if comment else {}


def _comment(meta: Metadata) -> bytes:
    """All comments as one, each on its own line."""
    return "\n".join(value for key, value in meta.text if key == "Comment").encode("utf-8", "replace")


def _jpeg_options(meta: Metadata, quality: int | None) -> dict[str, Any]:
    """Pillow's options for JPEG. Chroma is not subsampled; metadata that no segment can hold is left out."""
    options: dict[str, Any] = {"quality": quality or _JPEG_QUALITY, "subsampling": 0}
    if meta.exif is not None and fits_jpeg_exif(meta.exif):
        options["exif"] = exif.PREFIX + meta.exif
    if meta.icc is not None:
        options["icc_profile"] = meta.icc
    if (dpi := density.stated(meta.dpi, "JPEG")) is not None:
        options["dpi"] = tuple(map(round, dpi))
    elif meta.aspect is not None:
        options["dpi"] = density.whole(meta.aspect, "JPEG")  # `density.into_jpeg` corrects the unit
    comment = _comment(meta)
    if comment and len(comment) <= markers.LONGEST:
        options["comment"] = comment
    packet = _jpeg_packet(tuple(pair for pair in meta.text if pair[0] != "Comment"))
    if packet is not None:
        options["xmp"] = packet.encode("utf-8", "replace")
    return options


def _jpeg_packet(text: tuple[tuple[str, str], ...]) -> str | None:
    """The XMP packet of these texts; if it is too long, without the last one, the note on how the file was made, or
    else without all that came in no packet, or else without the packet that they came in."""
    alone = tuple(pair for pair in text if pair[0] == XMP_KEY)
    others = tuple(pair for pair in text if pair[0] != XMP_KEY)
    packets = (xmp.pack(some) for some in (text, text[:-1], alone, others))
    return next((packet for packet in packets if packet is not None and fits_jpeg_xmp(packet)), None)


def fits_jpeg_exif(block: bytes) -> bool:
    """Whether an EXIF block fits the one segment that JPEG has for it."""
    return len(exif.PREFIX) + len(block) <= markers.LONGEST


def fits_jpeg_xmp(packet: str) -> bool:
    """Whether an XMP packet fits the one segment that JPEG has for it."""
    return len(xmp.JPEG_HEAD) + len(packet.encode("utf-8", "replace")) <= markers.LONGEST


def webp_options(meta: Metadata, quality: int | None) -> dict[str, Any]:
    """Pillow's options for WebP: lossless, colors under transparent pixels included, unless `quality` is given."""
    options: dict[str, Any] = (
        {"lossless": True, "exact": True, "method": 0} if quality is None else {"quality": quality}
    )
    block = meta.exif
    dpi = density.stated(meta.dpi, "WEBP")
    if dpi is not None and (block is None or exif.resolution(block) is None):
        block = exif.with_resolution(block, dpi)
    if block is not None:
        options["exif"] = exif.PREFIX + block
    if meta.icc is not None:
        options["icc_profile"] = meta.icc
    packet = xmp.pack(meta.text)
    if packet is not None:
        options["xmp"] = packet.encode("utf-8", "replace")
    return options
