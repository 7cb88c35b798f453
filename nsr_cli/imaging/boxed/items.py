"""The items in an AVIF or HEIC file: the picture, what its tiles are coded as, transparency, thumbnails, metadata.

meta: pitm, the number of the picture │ iinf: the type of each item │ iref: what refers to what
      iprp: ipco, all properties; ipma, which item has which                    (ISO 14496-12, 8.11; ISO 23008-12, 9.3)
"""

from dataclasses import dataclass

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.boxed.boxes import Box, boxes, content, first, within
from nsr_cli.imaging.filebytes import Readable

FULL = 4
"""Bytes of version and flags, with which many boxes begin."""

_LONGEST_LIST = 1 << 16
_AUXILIARY = b"auxl"


@dataclass(frozen=True, slots=True)
class Items:
    """What a file says of its items."""

    main: int
    """The number of the picture."""
    kinds: frozenset[bytes]
    """The types of all items."""
    properties: dict[int, tuple[Box, ...]]
    """The properties of each item."""
    every: tuple[Box, ...]
    """All properties, of whatever item."""
    auxiliaries: tuple[int, ...]
    """The items that add to the picture, such as its transparency."""

    @property
    def own(self) -> tuple[Box, ...]:
        """The properties of the picture."""
        return self.properties.get(self.main, ())


def read(data: Readable) -> Items:
    """The items of a file. DecodeError if it does not say what its picture is."""
    meta = first(boxes(data), b"meta")
    inside = {} if meta is None or meta.is_cut else {box.name: box for box in within(data, meta, skip=FULL)}
    if not {b"iprp", b"pitm"} <= set(inside):
        raise DecodeError("the file has no picture; it is cut off")
    listed = {box.name: box for box in within(data, inside[b"iprp"])}
    if not {b"ipco", b"ipma"} <= set(listed):
        raise DecodeError("the file is damaged: its picture has no properties")
    every = tuple(within(data, listed[b"ipco"]))
    main = _number(content(data, inside[b"pitm"], FULL + 4))
    return Items(
        main,
        _kinds(data, inside[b"iinf"]) if b"iinf" in inside else frozenset(),
        _properties(content(data, listed[b"ipma"], _LONGEST_LIST), every),
        every,
        _referring(data, inside[b"iref"], main) if b"iref" in inside else (),
    )


def _number(stated: bytes) -> int:
    """The item's number in a box of version and flags and that number, which newer versions write in four bytes."""
    return int.from_bytes(stated[FULL : FULL + (4 if stated[:1] > b"\0" else 2)])


def _kinds(data: Readable, box: Box) -> frozenset[bytes]:
    skip = FULL + (4 if content(data, box, 1) > b"\0" else 2)
    found = (content(data, entry, 16) for entry in within(data, box, skip=skip))
    return frozenset(stated[FULL + (6 if stated[:1] > b"\2" else 4) :][:4] for stated in found)


def _referring(data: Readable, box: Box, main: int) -> tuple[int, ...]:
    """The numbers of the auxiliary items that refer to the picture."""
    size, found = 4 if content(data, box, 1) > b"\0" else 2, []
    for entry in within(data, box, skip=FULL):
        stated = content(data, entry, _LONGEST_LIST)
        targets = [
            int.from_bytes(stated[place : place + size]) for place in range(size + 2, len(stated), size)
        ]
        if entry.name == _AUXILIARY and main in targets:
            found.append(int.from_bytes(stated[:size]))
    return tuple(found)


def _properties(stated: bytes, every: tuple[Box, ...]) -> dict[int, tuple[Box, ...]]:
    """The properties of each item, from the content of an `ipma` box; what is cut off is left out."""
    item_bytes = 4 if stated[:1] > b"\0" else 2
    is_wide = len(stated) >= FULL and stated[3] & 1
    number_bytes, mask = (2, 0x7FFF) if is_wide else (1, 0x7F)
    found, place = {}, FULL + 4
    while place + item_bytes < len(stated):
        item, count = int.from_bytes(stated[place : place + item_bytes]), stated[place + item_bytes]
        place += item_bytes + 1
        end = place + count * number_bytes
        numbers = [
            int.from_bytes(stated[start : start + number_bytes]) & mask
            for start in range(place, min(end, len(stated)), number_bytes)
        ]
        found[item] = tuple(every[number - 1] for number in numbers if 0 < number <= len(every))
        place = end
    return found
