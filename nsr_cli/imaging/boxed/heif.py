"""What an AVIF or HEIC file says of its picture without decoding: sides, depth, transparency, turn, colors.

Properties are those of ISO 23008-12, section 6.5, and ISO 23000-22. An animation has a track in `moov` (ISO 14496-12).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.boxed import items
from nsr_cli.imaging.boxed.boxes import Box, boxes, content, first, within
from nsr_cli.imaging.boxed.items import FULL, Items
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.metadata.exif import SIDEWAYS

UNSTATED = 2
"""The code for colors of which a file says nothing."""

_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC"}
_CONTAINERS = frozenset((b"mif1", b"miaf", b"msf1"))  # brands that do not say how pictures are coded
_LONGEST_NAME = 128
_ALPHA = ("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1")
_DEPTH = ("urn:mpeg:mpegB:cicp:systems:auxiliary:depth", "urn:mpeg:hevc:2015:auxid:2")
_BRIGHTNESS = (b"clli", b"mdcv", b"cclv", b"amve", b"reve", b"ndwt")
_GAIN_MAP = b"tmap"
_TO_SIZES = (b"mdia", b"minf", b"stbl", b"stsz")
_TURNS = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}
"""Orientations by the axis of the mirror, and quarter turns to the left before it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture."""

    size: tuple[int, int]
    """Width and height, before the picture is turned."""
    coded: tuple[int, int]
    """The same before it is cropped."""
    bits: int
    is_gray: bool
    has_alpha: bool
    turn: int
    """The orientation to undo, numbered as in EXIF."""
    codes: tuple[int, int]
    """Primaries and transfer of its colors (ISO 23091-2)."""
    unread: tuple[str, ...]
    """Names of auxiliary pictures and properties that nothing here reads, such as those for bright screens."""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return self.size[::-1] if self.turn in SIDEWAYS else self.size


def kind_of(start: bytes) -> str | None:
    """AVIF or HEIC by a file's main brand, or by the compatible ones where that names none; None for other files."""
    if start[4:8] != b"ftyp":
        return None
    main = start[8:12]
    if main not in _CONTAINERS:
        return _BRANDS.get(main)
    end = min(len(start), int.from_bytes(start[:4]))
    others = (start[place : place + 4] for place in range(16, end, 4))
    return next((_BRANDS[brand] for brand in others if brand in _BRANDS), None)


def header(data: Readable) -> Header:
    """The header of an AVIF or HEIC file. DecodeError if it does not say what its picture is."""
    found = items.read(data)
    own = {box.name: box for box in reversed(found.own)}
    # A picture in tiles is coded in other items.
    coded = next((box for box in (*found.own, *found.every) if box.name in _CODED), None)
    if b"ispe" not in own or coded is None:
        raise DecodeError("the file is damaged: its picture has no size")
    across, down = struct.unpack(">2I", _stated(data, own[b"ispe"], FULL + 8)[FULL:])
    bits, is_gray = _CODED[coded.name](_stated(data, coded, 18))
    if b"pixi" in own and (depths := content(data, own[b"pixi"], FULL + 5)[FULL + 1 :]):
        bits, is_gray = max(depths), len(depths) == 1
    auxiliary = tuple(_auxiliary(data, found))
    unread = (
        "depth map" if name in _DEPTH else name.split(":")[-1] for name in auxiliary if name not in _ALPHA
    )
    brightness = (box.name.decode() for box in found.own if box.name in _BRIGHTNESS)
    maps = ("gain map",) if _GAIN_MAP in found.kinds else ()
    crop = own.get(b"clap") if coded.name == b"hvcC" else None  # what reads AVIF does not crop
    return Header(
        (across, down) if crop is None else _cropped(data, crop),
        (across, down),
        bits,
        is_gray,
        has_alpha=any(name in _ALPHA for name in auxiliary),
        turn=_turn(data, own),
        codes=_codes(data, found),
        unread=tuple(dict.fromkeys((*unread, *brightness, *maps))),
    )


def _stated(data: Readable, box: Box, size: int) -> bytes:
    """The first bytes of a box's content, zeros behind its end."""
    return content(data, box, size).ljust(size, b"\0")


def _auxiliary(data: Readable, found: Items) -> Iterator[str]:
    """What each auxiliary item is, as a name of the standards."""
    for item in found.auxiliaries:
        box = first(iter(found.properties.get(item, ())), b"auxC")
        if box is not None:
            yield content(data, box, _LONGEST_NAME)[FULL:].partition(b"\0")[0].decode("latin-1")


def _cropped(data: Readable, crop: Box) -> tuple[int, int]:
    across, across_part, down, down_part = struct.unpack(">4I", _stated(data, crop, 16))
    return across // max(1, across_part), down // max(1, down_part)


def _turn(data: Readable, own: dict[bytes, Box]) -> int:
    """The orientation of a picture that is turned by `irot` and mirrored by `imir`."""
    turns = _stated(data, own[b"irot"], 1)[0] & 3 if b"irot" in own else 0
    axis = _stated(data, own[b"imir"], 1)[0] & 1 if b"imir" in own else None
    return _TURNS[axis][turns]


def _of_av1(stored: bytes) -> tuple[int, bool]:
    """Bits of a sample, and whether there is only brightness, of AV1 (its ISO binding, section 2.3.3)."""
    flags = stored[2]
    return 12 if flags & 0x20 else 10 if flags & 0x40 else 8, bool(flags & 0x10)


def _of_hevc(stored: bytes) -> tuple[int, bool]:
    """The same of HEVC (ISO 14496-15, section 8.3.3)."""
    return 8 + (stored[17] & 7), stored[16] & 3 == 0


_CODED = {b"av1C": _of_av1, b"hvcC": _of_hevc}


def _codes(data: Readable, found: Items) -> tuple[int, int]:
    """Primaries and transfer; an ICC profile counts where there are both."""
    stated = [_stated(data, box, 8) for box in found.own if box.name == b"colr"]
    if stated and all(one[:4] == b"nclx" for one in stated):
        return int.from_bytes(stated[0][4:6]), int.from_bytes(stated[0][6:8])
    return UNSTATED, UNSTATED


def frames(data: Readable) -> int:
    """How many frames an animation has; 1 for any other file."""
    movie = first(boxes(data), b"moov")
    if data[8:12] != b"avis" or movie is None:
        return 1
    return max((_samples(data, track) for track in within(data, movie) if track.name == b"trak"), default=1)


def _samples(data: Readable, track: Box) -> int:
    """The number of samples of a track."""
    box: Box | None = track
    for name in _TO_SIZES:
        box = None if box is None else first(within(data, box), name)
    return 1 if box is None else max(1, int.from_bytes(content(data, box, 12)[8:]))


def is_animated(data: Readable) -> bool:
    """Whether a file has a track besides, or instead of, a still picture."""
    return first(boxes(data), b"moov") is not None
