"""Segments of a JPEG file that are not kept, such as content credentials or the measurements of FLIR cameras."""

import re
from collections.abc import Iterable, Iterator

from nsr_cli.imaging.metadata import exif, iptc, unkept, xmp

# Segments that are kept or whose loss does not matter, by how their content begins; empty bytes mean all of them.
_READ = {
    "APP0": (b"",),
    "APP1": (exif.PREFIX, xmp.JPEG_HEAD, xmp.EXTENSION_HEAD),
    "APP2": (b"ICC_PROFILE\0", b"MPF\0"),
    "APP12": (b"Ducky",),
    "APP13": (iptc.PHOTOSHOP_HEAD,),
    "APP14": (b"Adobe",),
    "COM": (b"",),
}
_OWN_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 ._:/-]{1,30}")


def left_out(segments: Iterable[tuple[str, bytes]]) -> tuple[str, ...]:
    """Names for `Metadata.left_out` of the segments, given with Pillow's names for them, such as "APP11"."""
    return unkept.content_of("JPEG segment", _unread(segments))


def _unread(segments: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    for name, content in segments:
        if not content.startswith(_READ.get(name, ())):
            own = _OWN_NAME.match(content)
            yield f"{name} {own[0].decode('ascii')}" if own else name
