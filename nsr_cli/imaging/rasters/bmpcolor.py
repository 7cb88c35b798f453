"""The color space in the header of a BMP file (BITMAPV4HEADER and BITMAPV5HEADER), which Pillow does not read."""

import struct

from nsr_cli.imaging import limits

_HEADER = 14  # bytes of the file header, which comes before these
_V4, _V5 = 108, 124  # bytes of such a header, at least
_SPACE, _POINTS, _PROFILE = 56, 60, 112  # offsets in it: the kind of space, primaries and gammas, a profile
_POINTS_END = 108
_CALIBRATED, _EMBEDDED, _LINKED = 0, 0x4D424544, 0x4C494E4B


def read(data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """The ICC profile in the file, and names of other color information that is left out."""
    size = int.from_bytes(data[_HEADER : _HEADER + 4], "little")
    header = data[_HEADER : _HEADER + size]
    if len(header) < _V4:
        return None, ()
    (space,) = struct.unpack_from("<I", header, _SPACE)
    if space == _CALIBRATED and any(header[_POINTS:_POINTS_END]):  # many writers leave them empty
        return None, ("its primaries and gammas",)
    if space not in (_EMBEDDED, _LINKED) or len(header) < _V5:
        return None, ()
    start, length = struct.unpack_from("<II", header, _PROFILE)
    content = data[_HEADER + start : _HEADER + start + length]
    if space == _EMBEDDED and 0 < length == len(content) <= limits.MOST_METADATA:
        return content, ()
    return None, ("its color profile (damaged, or in another file)",)
