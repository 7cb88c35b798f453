"""Which stored value a TIFF file says is white."""

import re
import struct
from contextlib import suppress

from nsr_cli.imaging import ifd
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DirectoryError, Layout
from nsr_cli.imaging.tiff.kinds import PALETTE, SEPARATED
from nsr_cli.imaging.whites import FULL, of_bits

_MAX_SAMPLE = 281
_HEAD = 4096  # bytes at the start of a description in which OME-XML describes its pixels
_SIGNIFICANT = re.compile(rb"""<(?:\w+:)?Pixels\s[^>]*?\sSignificantBits=["'](\d{1,2})["']""")


def stated_white(data: Readable, place: int, bits: int, color: int) -> int | None:
    """White that the directory at `place` states: its MaxSampleValue, or OME-XML's SignificantBits.

    Some writers store the greatest sample as MaxSampleValue, so it counts only if it is the maximum of some depth.

    Args:
        data: the file.
        place: where the directory is.
        bits: bits of a sample; fewer than 16 were scaled to the whole range, so white is 65535.
        color: TIFF's number of the color space; palettes and inks use the whole range too.
    """
    if bits != 16 or color in (PALETTE, SEPARATED):
        return FULL
    with suppress(DirectoryError, struct.error):
        layout = Layout.of(data)
        tags = ifd.by_tag(data, place, layout)
        greatest = ifd.number(tags, _MAX_SAMPLE, 0)
        stated = of_bits(greatest.bit_length())
        if stated == greatest:
            return stated
        if ifd.DESCRIPTION in tags:
            pixels = _SIGNIFICANT.search(tags[ifd.DESCRIPTION].raw(_HEAD))
            return None if pixels is None else of_bits(int(pixels[1]))
    return None
