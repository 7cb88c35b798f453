"""What a JPEG 2000 file says of its picture and besides, without decoding: a JP2 file, or a bare codestream.

signature │ ftyp │ jp2h: colr, pclr, cdef, res │ uuid … │ jp2c: the codestream      (ISO 15444-1, annex I)
"""

import struct
from dataclasses import dataclass, replace

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.boxed import codestream
from nsr_cli.imaging.boxed.boxes import Box, boxes, content, first, within
from nsr_cli.imaging.boxed.codestream import Codestream
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.metadata import exif, iptc, unkept, xmp
from nsr_cli.imaging.picture import Metadata

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
GRAY, SRGB, SYCC, CMYK = 17, 16, 18, 12
"""Enumerated color spaces (annex I.5.3.3, and annex M of part 2)."""

_OTHER_BRANDS = (b"mjp2", b"mj2s", b"jpm ")  # videos, and documents of several layers
_MOST_CHANNELS = 1 << 8
_OPACITY, _PREMULTIPLIED = 1, 2  # types of a channel
_PROFILE_METHODS = (2, 3)  # of stating a color space: a restricted ICC profile, or any
_INCH = 0.0254  # meters
_UUID = 16  # bytes before the content of such a box
_UUIDS = {
    b"JpgTiffExif->JP2": "EXIF block",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "XMP packet",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC data",
    bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"): "GeoJP2",
}
_PACKET_MARKS = (b"<?xpacket", b"<x:xmpmeta")  # some writers put XMP into an ordinary box of XML
_WITHOUT_LOSS = frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"rreq", b"free"))


@dataclass(frozen=True, slots=True)
class Header:
    """What decides how samples become pixels."""

    stream: Codestream
    place: tuple[int, int]
    """Where the codestream begins and ends."""
    color: int | None = None
    """The enumerated color space, if that is how the file states it."""
    icc: bytes | None = None
    palette: int = 0
    """How many channels a palette makes of the one component; 0 without a palette."""
    channels: tuple[tuple[int, int, int], ...] = ()
    """Number, type and association of each channel, where the file says."""
    dpi: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.stream.width, self.stream.height

    @property
    def components(self) -> int:
        """How many samples a pixel has."""
        return len(self.stream.bits)

    @property
    def colors(self) -> int:
        """How many of the components are colors: 1, 3 or 4."""
        if self.color == CMYK:
            return 4
        return 1 if self.color == GRAY or (self.palette or self.components) < 3 else 3

    @property
    def order(self) -> tuple[int, ...]:
        """The components of the colors, in the order of the color space."""
        stated = {place: number for number, kind, place in self.channels if kind == 0}
        order = tuple(stated.get(color, color - 1) for color in range(1, self.colors + 1))
        return order if max(order) < self.components else tuple(range(self.colors))

    @property
    def alpha(self) -> tuple[int, bool] | None:
        """The component that is the transparency of all colors, and whether these are premultiplied by it."""
        if not self.channels and self.components == self.colors + 1:  # what writers mean that do not say it
            return self.colors, False
        for number, kind, place in self.channels:
            if kind in (_OPACITY, _PREMULTIPLIED) and place == 0 and number < self.components:
                return number, kind == _PREMULTIPLIED
        return None


def is_still(start: bytes) -> bool:
    """Whether a file that begins so is a JPEG 2000 picture, not Motion JPEG 2000 or a document."""
    return start.startswith(SIGNATURE) and start[20:24] not in _OTHER_BRANDS


def header(data: Readable) -> Header:
    """The header of a JPEG 2000 file. DecodeError if it is cut off or has none."""
    if _is_bare(data):
        return Header(codestream.read(data, 0), (0, len(data)))
    stream = first(boxes(data), b"jp2c")
    if stream is None:
        raise DecodeError("the JPEG 2000 file has no picture; it is cut off")
    found = Header(codestream.read(data, stream.start), (stream.start, stream.end))
    outer = first(boxes(data), b"jp2h")
    for box in () if outer is None else within(data, outer):
        found = _with_box(found, data, box)
    return found


def _is_bare(data: Readable) -> bool:
    return data[: len(codestream.START)] == codestream.START


def _with_box(found: Header, data: Readable, box: Box) -> Header:
    """The header with what one of its boxes says; of several color spaces the first counts."""
    if box.name == b"colr" and found.color is None and found.icc is None:
        stated = content(data, box, 3 + MOST_METADATA)
        if stated[:1] == b"\1":
            return replace(found, color=int.from_bytes(stated[3:7]))
        if stated and stated[0] in _PROFILE_METHODS:
            return replace(found, icc=stated[3:])
    if box.name == b"pclr":
        return replace(found, palette=int.from_bytes(content(data, box, 3)[2:]))
    if box.name == b"cdef":
        stated = content(data, box, 2 + 6 * _MOST_CHANNELS)[2:]
        return replace(found, channels=tuple(struct.iter_unpack(">3H", stated[: len(stated) // 6 * 6])))
    if box.name == b"res ":
        return replace(found, dpi=_resolution(data, box))
    return found


def _resolution(data: Readable, outer: Box) -> tuple[float, float] | None:
    """Pixels per inch across and down, as the picture was taken or else as it is to be shown."""
    inner = {box.name: box for box in within(data, outer)}
    box = inner.get(b"resc", inner.get(b"resd"))
    stated = b"" if box is None else content(data, box, 10)
    if len(stated) < 10:
        return None
    down, down_part, across, across_part, down_power, across_power = struct.unpack(">4H2b", stated)
    if not down * down_part * across * across_part:
        return None
    return (
        across / across_part * 10.0**across_power * _INCH,
        down / down_part * 10.0**down_power * _INCH,
    )


def exif_block(data: Readable) -> bytes:
    """The EXIF block of a file; empty without one, or if it is too long to be kept."""
    for box in () if _is_bare(data) else boxes(data):
        if box.name == b"uuid" and _UUIDS.get(data[box.start : box.start + _UUID]) == "EXIF block":
            block = content(data, box, _UUID + MOST_METADATA + 1)[_UUID:]
            return block.removeprefix(exif.PREFIX) if len(block) <= MOST_METADATA else b""
    return b""


def _named(data: bytes, box: Box) -> tuple[str | None, int]:
    """What a box holds, if it is known, and where that begins."""
    if box.name == b"uuid":
        return _UUIDS.get(data[box.start : box.start + _UUID]), box.start + _UUID
    is_packet = box.name == b"xml " and any(mark in content(data, box, 256) for mark in _PACKET_MARKS)
    return "XMP packet" if is_packet else None, box.start


def metadata(data: bytes, head: Header) -> tuple[Metadata, tuple[str, ...]]:
    """What the file says besides its pixels, and notes on what of it is left out."""
    found, notes, others = Metadata(icc=head.icc, dpi=head.dpi), [], []
    for box in () if _is_bare(data) else boxes(data):
        name, start = _named(data, box)
        if name is not None and box.end - start > MOST_METADATA:
            notes.append(f"its {name} is too long: left out")
            continue
        block = data[start : box.end] if name is not None else b""
        if name == "EXIF block":
            found = replace(found, exif=block.removeprefix(exif.PREFIX))
        elif name == "IPTC data" and iptc.is_data(block):
            found = replace(found, iptc=block)
        elif name == "XMP packet" and (packet := xmp.decode(block)) is not None:
            found = replace(found, text=xmp.unpack(packet))
        elif box.name not in _WITHOUT_LOSS:
            others.append(name or box.name.decode("latin-1").strip())
    return replace(found, left_out=unkept.content_of("JPEG 2000 part", others)), tuple(dict.fromkeys(notes))
