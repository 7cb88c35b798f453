"""Camera raw files: most are TIFF files whose readable pages are only previews of the picture that was taken."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import COLOR, PAGES_BELOW, DirectoryError, Layout, directories, entries

# Color filter array and linear raw: color kinds of raw files alone (DNG 1.7).
_AS_MEASURED = (32803, 34892)
_CANON = slice(8, 10)  # where the mark of a CR2 file is, whose raw page states no color kind
# Directories to look at: real files have no more, and each may have thousands of tags.
_MOST_PAGES, _MOST_BELOW = 4, 8


def refuse(data: Readable) -> None:
    """DecodeError for a TIFF file with raw camera data: a restored preview would pass for the picture."""
    if _is_raw(data):
        raise DecodeError(
            "it is a camera raw file, of which only previews can be read here; develop it to TIFF first"
        )


def _is_raw(data: Readable) -> bool:
    try:
        layout = Layout.of(data)
    except DirectoryError:  # no TIFF file
        return False
    return data[_CANON] == b"CR" or any(color in _AS_MEASURED for color in _colors(data, layout))


def _colors(data: Readable, layout: Layout) -> Iterator[int | None]:
    """The color kind of every page and of the pages below it, up to the first damage, which is reported elsewhere."""
    with suppress(DirectoryError):
        for place in islice(directories(data, layout), _MOST_PAGES):
            below: list[int] = []
            for entry in entries(data, place, layout):
                if entry.tag == COLOR:
                    yield entry.integer()
                elif entry.tag == PAGES_BELOW and (size := entry.integer_bytes):
                    count = min(entry.count, _MOST_BELOW)
                    below = [layout.number(data, entry.position + i * size, size) for i in range(count)]
            for start in below:
                yield from (entry.integer() for entry in entries(data, start, layout) if entry.tag == COLOR)
