"""Pillow's options for writing JPEG, WebP and GIF: quality, and the metadata that the format can hold."""

from typing import Any

from nsr_cli.imaging.metadata import aspect, density, exif, xmp
from nsr_cli.imaging.picture import Metadata

JPEG_QUALITY = 95  # unless the caller asks otherwise
_SEGMENT = 65_533  # bytes that fit one marker segment of a JPEG file
_XMP_HEAD = 29
_MOST_DENSITY = 65_535  # of JFIF


def gif(meta: Metadata) -> dict[str, Any]:
    """Pillow's options for GIF, whose only metadata is a comment."""
    comment = _comment(meta)
    return {"comment": comment} if comment else {}


def _comment(meta: Metadata) -> bytes:
    """All comments as one, each on its own line."""
    return "\n".join(value for key, value in meta.text if key == "Comment").encode("utf-8", "replace")


def jpeg(meta: Metadata, quality: int | None) -> dict[str, Any]:
    """Pillow's options for JPEG. Chroma is not subsampled; metadata that no segment can hold is left out."""
    options: dict[str, Any] = {"quality": quality or JPEG_QUALITY, "subsampling": 0}
    if meta.exif is not None and fits_jpeg_exif(meta.exif):
        options["exif"] = exif.PREFIX + meta.exif
    if meta.icc is not None:
        options["icc_profile"] = meta.icc
    if (dpi := density.stated(meta.dpi, "JPEG")) is not None:
        options["dpi"] = tuple(map(round, dpi))
    elif meta.aspect is not None:
        options["dpi"] = aspect.whole(meta.aspect, _MOST_DENSITY)  # `aspect.into_jpeg` corrects the unit
    comment = _comment(meta)
    if comment and len(comment) <= _SEGMENT:
        options["comment"] = comment
    packet = xmp.pack(tuple(pair for pair in meta.text if pair[0] != "Comment"))
    if packet is not None and fits_jpeg_xmp(packet):
        options["xmp"] = packet.encode("utf-8", "replace")
    return options


def fits_jpeg_exif(block: bytes) -> bool:
    """Whether an EXIF block fits the one segment that JPEG has for it."""
    return len(exif.PREFIX) + len(block) <= _SEGMENT


def fits_jpeg_xmp(packet: str) -> bool:
    """Whether an XMP packet fits the one segment that JPEG has for it."""
    return _XMP_HEAD + len(packet.encode("utf-8", "replace")) <= _SEGMENT


def webp(meta: Metadata, quality: int | None) -> dict[str, Any]:
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
