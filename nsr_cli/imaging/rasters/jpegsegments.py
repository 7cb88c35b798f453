"""Segments of a JPEG file of which nothing is kept, such as content credentials or what FLIR cameras measure."""

import re
from collections.abc import Iterable, Iterator

from nsr_cli.imaging.metadata import exif, iptc, unkept, xmp

# Segments of which something is kept or nothing is lost, by how they begin; any begins with nothing.
_READ = {
    "APP0": (b"",),
    "APP1": (exif.PREFIX, b"http://ns.adobe.com/xap/1.0/\0", xmp.EXTENSION_HEAD),
    "APP2": (b"ICC_PROFILE\0", b"MPF\0"),
    "APP12": (b"Ducky",),
    "APP13": (iptc.PHOTOSHOP_HEAD,),
    "APP14": (b"Adobe",),
    "COM": (b"",),
}
_OWN_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 ._:/-]{1,30}")


def left_out(segments: Iterable[tuple[str, bytes]]) -> tuple[str, ...]:
    """What `Metadata.left_out` says of the segments, each with Pillow's name, such as "APP11", and its content."""
    return unkept.content_of("JPEG segment", _unread(segments))


def _unread(segments: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    for name, content in segments:
        if not content.startswith(_READ.get(name, ())):
            own = _OWN_NAME.match(content)
            yield f"{name} {own[0].decode('ascii')}" if own else name
