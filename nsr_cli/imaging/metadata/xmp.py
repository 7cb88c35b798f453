"""Texts inside an XMP packet, for formats that have no keyword-and-text records of their own.

PNG stores any number of texts under keywords. JPEG, WebP and TIFF have one XMP packet, so there the
texts become one property in it (`nsr:texts`, a list of keyword and value), which is taken out again on
reading. So a text survives any chain of formats, and a packet that came with the file is kept as it was.
"""

import html
import re
from collections.abc import Iterator

from nsr_cli.imaging.metadata.exif import SIDEWAYS
from nsr_cli.imaging.picture import XMP_KEY

JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
"""The start of a JPEG segment with a packet."""
EXTENSION_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
"""The start of those segments of a JPEG file that continue a long packet."""
EXTENDED = "the extended XMP"
NOT_UTF8 = "XMP that is not UTF-8"

_NAMESPACE = "urn:nsr:texts:1"
_START, _END = f'<rdf:Description rdf:about="" xmlns:nsr="{_NAMESPACE}">', "</rdf:Description>"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# For packets that call the namespace of RDF differently.
_OTHER_START = f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about="" xmlns:nsr="{_NAMESPACE}">'
_USUAL_LAST = "</rdf:RDF>"
_LAST = re.compile(r"</(?:[\w.-]+:)?RDF\s*>")
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'
_ORIENTATION = re.compile(r"(tiff:Orientation\s*=\s*[\"']|<tiff:Orientation>\s*)[2-8]")
_OTHER = {"tiff:XResolution": "tiff:YResolution", "tiff:YResolution": "tiff:XResolution"}
_DOTS = re.compile("|".join(_OTHER))
# Each attempt ends at the next "<", so that the time is not quadratic in a packet's length.
TAG = re.compile(r"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")
_WIDTHS, _HEIGHTS = ("tiff:ImageWidth", "exif:PixelXDimension"), ("tiff:ImageLength", "exif:PixelYDimension")
_ROOT = re.compile(r"<rdf:RDF[\s>]")
_SIDE = rf"(?:{'|'.join(_WIDTHS + _HEIGHTS)})"
_ATTRIBUTE = re.compile(rf"""(?<=\s)({_SIDE})(\s*=\s*["']\s*)[0-9]+(?=\s*["'])""")
_ELEMENT, _CONTENT = re.compile(rf"<({_SIDE})(?=[\s>])"), re.compile(r"(\s*)[0-9]+(?=\s*</)")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def pack(text: tuple[tuple[str, str], ...]) -> str | None:
    """One XMP packet with all of `text`; None if there is none. See also `holds`."""
    packet = next((value for key, value in text if key == XMP_KEY), None)
    pairs = [(key, value) for key, value in text if key != XMP_KEY]
    if not pairs:
        return packet
    base = _EMPTY if packet is None else packet
    last = max(_LAST.finditer(base), key=re.Match.start, default=None)
    if last is None:
        return packet
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><nsr:keyword>{_escape(key)}</nsr:keyword>'
        f"<nsr:value>{_escape(value)}</nsr:value></rdf:li>"
        for key, value in pairs
    )
    start = _START if last[0] == _USUAL_LAST else _OTHER_START
    ours = f"{start}<nsr:texts><rdf:Seq>{items}</rdf:Seq></nsr:texts>{_END}"
    return base[: last.start()] + ours + base[last.start() :]


def holds(text: tuple[tuple[str, str], ...]) -> bool:
    """Whether `pack` keeps all of `text`: nothing can be added to a packet whose `rdf:RDF` element cannot be found."""
    packet = next((value for key, value in text if key == XMP_KEY), _USUAL_LAST)
    return _LAST.search(packet) is not None or all(key == XMP_KEY for key, _ in text)


def unpack(packet: str) -> tuple[tuple[str, str], ...]:
    """The texts of a packet that `pack` made, and the rest of the packet under `XMP_KEY`."""
    start = max(packet.find(_START), packet.find(_OTHER_START))
    end = packet.find(_END, start)
    if start < 0 or end < 0:
        return ((XMP_KEY, packet),)
    pairs = tuple(_pairs(packet[start:end]))
    rest = packet[:start].rstrip() + packet[end + len(_END) :]
    return pairs if rest == _EMPTY else ((XMP_KEY, rest), *pairs)


def _pairs(ours: str) -> Iterator[tuple[str, str]]:
    # Not a regular expression, which would take quadratic time where pairs begin and never end.
    for item in ours.split("<nsr:keyword>")[1:]:
        key, middle, after = item.partition("</nsr:keyword><nsr:value>")
        value, end, _ = after.partition("</nsr:value>")
        if middle and end:
            yield html.unescape(key), html.unescape(value)


def make_upright(packet: str, turn: int) -> str:
    """The packet of a picture that was turned upright from orientation `turn`.

    Its copy of the orientation, if it has one, is reset to 1; the two resolutions are exchanged if the sides were.
    """
    upright = _ORIENTATION.sub(r"\g<1>1", packet)
    return _DOTS.sub(lambda found: _OTHER[found[0]], upright) if turn in SIDEWAYS else upright


def with_size(packet: str, width: int, height: int) -> str:
    """The packet with the picture's size corrected where it states one; sizes of other pictures in it stay."""
    sides = dict.fromkeys(_WIDTHS, str(width)) | dict.fromkeys(_HEIGHTS, str(height))
    if not any(name in packet for name in sides):
        return packet
    parts, place = [], 0
    for tag, is_description in _top_tags(packet):
        parts.append(packet[place : tag.start()])
        place = tag.end()
        if is_description:
            parts.append(_ATTRIBUTE.sub(lambda found: found[1] + found[2] + sides[found[1]], tag[0]))
            continue
        parts.append(tag[0])
        name, content = _ELEMENT.match(tag[0]), _CONTENT.match(packet, place)
        if name and content:
            parts.append(content[1] + sides[name[1]])
            place = content.end()
    return "".join((*parts, packet[place:]))


def _top_tags(packet: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Tags about the picture itself: True with those that begin a description, False with those of properties."""
    level = None  # below rdf:RDF
    for tag in TAG.finditer(packet):
        if _ROOT.match(tag[0]):
            level = 0
        elif tag[0].startswith("</"):
            level = None if level is None else level - 1
        elif level is not None and tag[0][1] not in "?!":
            if level in (0, 1):
                yield tag, level == 0
            level += not tag[0].endswith("/>")


def decode(raw: bytes) -> str | None:
    """A packet's bytes as text without trailing padding; None if they are not UTF-8."""
    try:
        return raw.decode("utf-8").rstrip("\0 \r\n\t")
    except UnicodeDecodeError:
        return None


def _escape(text: str) -> str:
    # Carriage returns are written as references: XML readers turn bare ones into newlines.
    return html.escape(_NOT_XML.sub("", text), quote=False).replace("\r", "&#13;")
