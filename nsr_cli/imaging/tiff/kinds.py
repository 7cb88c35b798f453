"""Which pages of a TIFF file are pictures, and which kinds of them are read.

The reader checks the pages that tifffile has found, and planning the directories alone, so both refuse a file in the
same words.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import ifd
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import Entry, Layout
from nsr_cli.imaging.limits import MOST_PICTURES
from nsr_cli.shown import counted

# Greatest ratio of unpacked to stored bytes of each compression that is read.
RATIOS = {1: 1.0, 5: 2731.0, 8: 1032.0, 32946: 1032.0, 32773: 64.0, 50000: 1e6, 7: 3072.0}
FAX = {2: 1e6, 3: 1e6, 4: 1e6}  # one bit a pixel, lines can repeat at no cost
JPEG = 7
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3}
"""Color spaces that are read, and how many samples a pixel has in each."""

_NAMES = {
    6: "old-style JPEG",
    34712: "JPEG 2000",
    50001: "WebP",
    34887: "LERC",
    34925: "LZMA",
    34933: "PNG",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_COLOR_NAMES = {8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32844: "LogL", 32845: "LogLuv"}
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_FORMAT = 339
# NumPy's letter for each SampleFormat ("undefined" is taken for unsigned integers), and the bits that it may have.
_LETTERS = {1: "u", 2: "i", 3: "f", 4: "u", 6: "c"}
_WIDTHS = {
    "u": (*range(1, 33), 64),
    "i": (8, 16, 32, 64),
    "f": (16, 24, 32, 64),
    "c": (64, 128),
}
MOST_SAMPLES = 32  # of a pixel, extra ones included

_Page = TypeVar("_Page")
Bits = int | tuple[int, ...]
"""Bits of every sample, or of each one where they differ."""


def pictures(pages: Iterable[tuple[_Page, int]]) -> Iterator[_Page]:
    """Those pages, each given with its NewSubfileType, that are pictures of their own: no thumbnails and masks.

    If there are only these, the first page that calls itself a smaller copy is the picture, as in other programs.
    """
    smaller: list[_Page] = []
    found = False
    for page, kind in pages:
        if not kind & (_REDUCED | _MASK):
            found = True
            yield page
        elif not found and not smaller and not kind & _MASK:
            smaller.append(page)
    if not found:
        yield from smaller


def check(
    compression: int, color: int, samples: int, bits: Bits, dtype: "np.dtype[np.generic] | None"
) -> None:
    """DecodeError for a page of a kind that is not read; `dtype` is that of its samples, None if NumPy has none."""
    if compression not in RATIOS and compression not in FAX:
        name = _NAMES.get(compression, f"number {compression}")
        raise DecodeError(f"TIFF compression {name} is not supported; save it without compression or as LZW")
    if color in _COLOR_NAMES:
        raise DecodeError(f"TIFF in {_COLOR_NAMES[color]} is not supported; save it as gray or RGB")
    if color not in COLORS or samples < COLORS[color]:
        what = f"TIFF color kind {color} with {counted(samples, 'sample')} a pixel"
        raise DecodeError(f"{what} is not supported; save it as gray or RGB")
    if color == YCBCR and compression != JPEG:
        raise DecodeError("TIFF in YCbCr without JPEG compression is not supported; save it as RGB")
    kind = None if dtype is None else dtype.kind
    good = kind in ("u", "b") if isinstance(bits, int) and bits <= 16 else kind == "f"
    if not isinstance(bits, int) or not (good or (kind == "f" and bits == 16)):
        what = f"TIFF with samples of {bits} bits, type {dtype},"
        raise DecodeError(f"{what} is not supported; save it with 8 or 16 bits, unsigned, or floating point")
    if compression == JPEG and bits != 8:
        what = f"TIFF with {bits}-bit JPEG compression"
        raise DecodeError(f"{what} is not supported; save it without compression or as LZW")


def check_file(data: Readable) -> None:
    """DecodeError for a TIFF file without a picture, or with one of a kind that is not read, judged by directories.

    Damage is not reported here: the decoder does that.
    """
    is_empty = True
    try:
        for _, tags in page_tags(data, Layout.of(data)):
            is_empty = False
            _check_page(tags)
    except ifd.DirectoryError:
        return
    if is_empty:
        raise DecodeError("the TIFF file has no picture")


def page_tags(data: Readable, layout: Layout) -> Iterator[tuple[int, dict[int, Entry]]]:
    """Position and tags of the directory of each picture in a file, among as many as are read."""
    places = islice(ifd.directories(data, layout), MOST_PICTURES)
    found = ((place, ifd.by_tag(data, place, layout)) for place in places)
    return pictures((page, ifd.number(page[1], ifd.KIND, 0)) for page in found)


def _check_page(tags: dict[int, Entry]) -> None:
    stated = (ifd.SAMPLES, ifd.COMPRESSION, ifd.COLOR, ifd.BITS, _FORMAT)
    if not all(tags[tag].integer_bytes for tag in stated if tag in tags):
        return  # which the decoder may read differently
    samples = ifd.number(tags, ifd.SAMPLES, 1)
    bits, form = (_alike(tags.get(tag), samples) for tag in (ifd.BITS, _FORMAT))
    if isinstance(form, int):
        compression, color = ifd.number(tags, ifd.COMPRESSION, 1), ifd.number(tags, ifd.COLOR, 0)
        check(compression, color, samples, bits, _dtype(form, bits))


def _alike(entry: Entry | None, samples: int) -> Bits:
    """The number that a tag states for all samples, or each one's where they differ; 1 without the tag."""
    if entry is None:
        return 1
    found = tuple(map(int, entry.integers(min(max(1, samples), MOST_SAMPLES))))
    return found[0] if len(set(found)) == 1 else found


def _dtype(form: int, bits: Bits) -> "np.dtype[np.generic] | None":
    """The type in which tifffile returns samples of a SampleFormat; None if there is none."""
    letter = _LETTERS.get(form, "")
    if not isinstance(bits, int) or bits not in _WIDTHS.get(letter, ()):
        return None
    if letter == "u" and bits == 1:
        return np.dtype(bool)
    whole = next(size for size in (1, 2, 4, 8, 16) if 8 * size >= bits)
    return np.dtype(f"{letter}{whole}")
