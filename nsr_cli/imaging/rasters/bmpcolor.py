"""What the header of a BMP file says its colors mean (BITMAPV4HEADER and BITMAPV5HEADER); Pillow reads none of it."""

import struct

from nsr_cli.imaging import limits

_HEADER = 14  # bytes of the file before the header that counts its own
_V4, _V5 = 108, 124  # bytes of such a header, at least
_SPACE, _POINTS, _PROFILE = 56, 60, 112  # places in it: which space, its primaries and gammas, a profile
_POINTS_END = 108
_CALIBRATED, _EMBEDDED, _LINKED = 0, 0x4D424544, 0x4C494E4B


def read(data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """The ICC profile within the file, and the names of what else is left out."""
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
