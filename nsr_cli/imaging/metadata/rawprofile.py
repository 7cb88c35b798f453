"""Blocks that ImageMagick writes into PNG texts, as a name, a length and hexadecimal digits, for want of a chunk."""

import re
from collections.abc import Iterable
from dataclasses import replace

from nsr_cli.imaging.metadata import exif, iptc, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata

PREFIX = "Raw profile type "
IPTC_KEYWORD = f"{PREFIX}iptc"

_UNREADABLE = "a raw profile that is damaged or unknown"
_LAYOUT = re.compile(r"\s*[^\n]+\n\s*\d+\s")


def unfold(metadata: Metadata) -> Metadata:
    """The metadata with the blocks among its texts moved to their fields; a chunk of its own takes precedence."""
    hidden = [(key.removeprefix(PREFIX), text) for key, text in metadata.text if key.startswith(PREFIX)]
    metadata = replace(metadata, text=tuple(pair for pair in metadata.text if not pair[0].startswith(PREFIX)))
    for name, text in hidden:
        metadata = _with_block(metadata, name, _bytes_of(text))
    return metadata


def _bytes_of(text: str) -> bytes:
    """The bytes of the digits below a name, which may have spaces, and the length; empty if it has another form."""
    digits = _LAYOUT.match(text)
    try:
        return bytes.fromhex(text[digits.end() :]) if digits else b""  # `fromhex` ignores white space
    except ValueError:
        return b""


def _with_block(metadata: Metadata, name: str, content: bytes) -> Metadata:
    if content.startswith(exif.PREFIX) or (name == "exif" and content):
        return metadata if metadata.exif else replace(metadata, exif=content.removeprefix(exif.PREFIX))
    if content.startswith(xmp.JPEG_HEAD) or (name == "xmp" and content):
        packet = xmp.decode(content.removeprefix(xmp.JPEG_HEAD))
        if packet is None:
            return _without(metadata, (xmp.NOT_UTF8,))
        known = metadata.get_text(XMP_KEY) is not None
        return metadata if known else replace(metadata, text=(*metadata.text, *xmp.unpack(packet)))
    if name in ("icc", "icm") and content:
        return metadata if metadata.icc else replace(metadata, icc=content)
    if name in ("iptc", "8bim") and content:
        data, rest = iptc.from_raw(content)
        return _without(replace(metadata, iptc=metadata.iptc or data), rest)
    return _without(metadata, (_UNREADABLE,))


def _without(metadata: Metadata, names: Iterable[str]) -> Metadata:
    return replace(metadata, left_out=tuple(dict.fromkeys((*metadata.left_out, *names))))
