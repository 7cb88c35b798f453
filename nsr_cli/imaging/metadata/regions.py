"""Regions of a picture in XMP, such as faces with names, which photo programs write.

Their positions are fractions of the sides, so they hold for any size, but not once the picture is turned. As in `xmp`,
properties are found by their usual prefixes.
"""

import re
from collections.abc import Callable, Iterator

from nsr_cli.imaging.metadata import xmp

# By the Metadata Working Group (digiKam, Lightroom, Picasa, phones), Microsoft, and IPTC.
_REGIONS = re.compile(r"<(mwg-rs:Regions|MP:RegionInfo|Iptc4xmpExt:ImageRegion)(?=[\s/>])")
_APPLIED = re.compile(r"<(mwg-rs:AppliedToDimensions)(?=[\s/>])")
_SIDE = re.compile(r"""((?<=\s)stDim:([wh])\s*=\s*["']\s*|<stDim:([wh])>\s*)[0-9]+""")


def without(packet: str) -> str:
    """The packet without its regions."""
    return _changed(packet, _REGIONS, lambda _: "")


def with_size(packet: str, width: int, height: int) -> str:
    """The packet with the picture's size corrected where its regions state one."""
    sides = {"w": str(width), "h": str(height)}

    def corrected(element: str) -> str:
        return _SIDE.sub(lambda found: found[1] + sides[found[2] or found[3]], element)

    return _changed(packet, _APPLIED, corrected)


def _changed(packet: str, names: re.Pattern[str], change: Callable[[str], str]) -> str:
    """The packet with other elements in place of those with one of these names."""
    parts, place = [], 0
    for start, end in _elements(packet, names):
        parts += [packet[place:start], change(packet[start:end])]
        place = end
    return "".join((*parts, packet[place:]))


def _elements(packet: str, names: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where elements with one of these names begin and end, in order, without those nested in them."""
    end = 0
    for found in names.finditer(packet):
        tag = xmp.TAG.match(packet, found.start())
        if found.start() < end or tag is None:
            continue
        end = tag.end()
        if not tag[0].endswith("/>"):
            last = f"</{found[1]}>"
            close = packet.find(last, end)
            if close < 0:
                return
            end = close + len(last)
        yield found.start(), end
