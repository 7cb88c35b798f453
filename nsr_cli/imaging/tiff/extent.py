"""Where a TIFF file ends: it does not state that, but its directories refer to everything in it."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice

from nsr_cli.imaging import ifd
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DirectoryError, Entry, Layout
from nsr_cli.imaging.limits import MOST_PICTURES
from nsr_cli.imaging.metadata import exif

_PARTS = (
    (ifd.STRIPS, ifd.STRIP_BYTES),
    (ifd.TILES, ifd.TILE_BYTES),
    (513, 514),
)  # tags: positions and lengths of strips, tiles, a thumbnail
# Tags that point to directories below a page: smaller copies, EXIF, GPS, interoperability.
_BELOW = (ifd.PAGES_BELOW, exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY, exif.INTEROPERABILITY)
_TABLES = {*_BELOW, *chain(*_PARTS)}
_MOST_DIRECTORIES = 2 * MOST_PICTURES  # to look at; each page may have one for EXIF
_MOST_WORK = 1 << 25  # bytes of tables of positions and lengths, and `_ENTRY` for each entry
_ENTRY = 128


def end_of(data: Readable) -> int | None:
    """Where the last value, directory or part of the picture in a TIFF file ends.

    None if it is damaged, has no picture, or has more tables than are worth the time.
    """
    with suppress(DirectoryError, struct.error):
        layout = Layout.of(data)
        waiting = list(islice(ifd.directories(data, layout), _MOST_DIRECTORIES))
        seen, end, work = set[int](), 0, 0
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            found = ifd.by_tag(data, place, layout)
            work += _ENTRY * len(found) + sum(found[tag].size for tag in _TABLES if tag in found)
            if len(seen) > _MOST_DIRECTORIES or work > _MOST_WORK:
                return None
            end = max(end, layout.next_pointer(data, place) + layout.sizes[2], *_ends(found))
            waiting += (int(below) for tag in _BELOW if tag in found for below in found[tag].integers())
        return end if 0 < end <= len(data) else None
    return None


def _ends(found: dict[int, Entry]) -> Iterator[int]:
    """Where the values of a directory's tags, and the parts of the picture, end."""
    for entry in found.values():
        yield entry.position + entry.size
    for tags in _PARTS:
        places, lengths = (found[tag].integers().tolist() if tag in found else [] for tag in tags)
        yield max(map(sum, zip(places, lengths, strict=False)), default=0)
