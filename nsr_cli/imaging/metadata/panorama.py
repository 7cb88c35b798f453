"""Where in a full sphere a panorama lies, in pixels, as phones and cameras for 360° write it into XMP (GPano).

Programs that show the sphere place the picture by these numbers. As in `xmp`, they are found by their usual prefix.
"""

import re

_VALUE = re.compile(
    r"GPano:(CroppedAreaImageWidthPixels|CroppedAreaImageHeightPixels|FullPanoWidthPixels|FullPanoHeightPixels"
    r"|CroppedAreaLeftPixels|CroppedAreaTopPixels|LargestValidInteriorRect(?:Left|Top|Width|Height))"
    r"""(\s*=\s*["']\s*|>\s*)([0-9]{1,9})(?=\s*["'<])"""
)
_ACROSS = re.compile("Width|Left")


def with_size(packet: str, width: int, height: int) -> str:
    """The packet with its numbers scaled to this size, if it says for which size they are."""
    stated = {found[1]: int(found[3]) for found in _VALUE.finditer(packet)}
    old = (stated.get("CroppedAreaImageWidthPixels"), stated.get("CroppedAreaImageHeightPixels"))
    if not old[0] or not old[1] or old == (width, height):
        return packet
    across, down = width / old[0], height / old[1]

    def scaled(found: re.Match[str]) -> str:
        factor = across if _ACROSS.search(found[1]) else down
        return f"GPano:{found[1]}{found[2]}{round(int(found[3]) * factor)}"

    return _VALUE.sub(scaled, packet)
