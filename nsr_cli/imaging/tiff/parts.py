"""Bands of a TIFF file that is too large to be decoded at once: each becomes a small TIFF file of its own.

    large file ── directories, read here byte by byte ──▶ Parts of each page
    Parts.cut(rows) ── the strips or tiles of these rows, as they are stored ──▶ small file ──▶ `read.decode`

Nothing is decompressed here. The small file is decoded like any other untrusted file, with all checks and in the same
process, and gives exactly the samples that the large one would.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import ifd, limits, outline
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DirectoryError, Entry, Layout, Value
from nsr_cli.imaging.tiff import cameraraw, kinds

_PLANAR, _TILE_WIDTH, _TILE_HEIGHT = 284, 322, 323
_PLACES = {False: (ifd.STRIPS, ifd.STRIP_BYTES), True: (ifd.TILES, ifd.TILE_BYTES)}
"""Positions and lengths of strips, and of tiles."""

# Tags that the decoder needs besides positions and sizes: fill order, fax options, predictor, palette, extra
# samples, sample format, JPEG tables, YCbCr, and the profile, by which CMYK becomes RGB.
_KEPT = (258, 259, 262, 266, 277, 284, 292, 293, 317, 320, 338, 339, 347, 529, 530, 531, 532, 34675)
_MOST_PARTS = 1 << 22  # of all pages together: many may share one table of positions
_MOST_VALUE = 1 << 26  # bytes of a tag that is copied into every small file


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the rows of a page of a TIFF file are."""

    data: Readable
    layout: Layout
    place: int
    """The position of its directory."""
    width: int
    height: int
    samples: int
    """Samples of a pixel."""
    bits: int
    compression: int
    color: int
    """TIFF's number of the color space."""
    rows: int
    """Rows of pixels in a strip or tile."""
    tile: tuple[int, int] | None
    """Width and height of a tile; None for strips."""
    planes: int
    offsets: NDArray[np.uint64]
    counts: NDArray[np.uint64]

    @property
    def is_plain(self) -> bool:
        """Whether it has strips without compression, from which any rows can be cut."""
        return self.tile is None and self.compression == 1

    @property
    def is_palette(self) -> bool:
        """Whether samples are indices into a palette."""
        return self.color == kinds.PALETTE

    @property
    def row_bytes(self) -> int:
        """Bytes of an uncompressed row of the picture."""
        return self.planes * self._plane_row

    @property
    def _plane_row(self) -> int:
        return -(-self.width * (self.samples // self.planes) * self.bits // 8)

    def whole(self, top: int, bottom: int) -> tuple[int, int]:
        """The rows that must be read to get rows top…bottom: those of whole strips or tiles."""
        if self.is_plain:
            return top, bottom
        return top // self.rows * self.rows, min(-(-bottom // self.rows) * self.rows, self.height)

    def cut(self, top: int, bottom: int) -> bytes:
        """A TIFF file of rows top…bottom, which `whole` must have returned."""
        parts = self._rows_of_strips(top, bottom) if self.is_plain else self._segments(top, bottom)
        numbers = {ifd.WIDTH: [self.width], ifd.HEIGHT: [bottom - top], ifd.KIND: [0]}
        if self.tile is None:
            numbers[ifd.STRIP_ROWS] = [bottom - top if self.is_plain else self.rows]
        else:
            numbers |= {_TILE_WIDTH: [self.tile[0]], _TILE_HEIGHT: [self.tile[1]]}
        return _file(self._kept(), numbers, parts, self.layout.order, tiled=self.tile is not None)

    def _kept(self) -> Iterator[Value]:
        for entry in ifd.entries(self.data, self.place, self.layout):
            if entry.tag in _KEPT and entry.kind <= ifd.LAST_OLD_TYPE and entry.size <= _MOST_VALUE:
                yield Value(entry.tag, entry.kind, entry.count, entry.raw())

    def _segments(self, top: int, bottom: int) -> list[bytes]:
        """Strips or tiles as they are stored, plane by plane."""
        across = 1 if self.tile is None else -(-self.width // self.tile[0])
        down = -(-self.height // self.rows)
        first, last = top // self.rows * across, -(-bottom // self.rows) * across
        places = [plane * across * down + i for plane in range(self.planes) for i in range(first, last)]
        return [self._read(int(self.offsets[i]), int(self.counts[i])) for i in places]

    def _rows_of_strips(self, top: int, bottom: int) -> list[bytes]:
        """Rows top…bottom of each plane, in one piece a plane."""
        down, found = -(-self.height // self.rows), []
        for plane in range(self.planes):
            pieces = []
            for strip in range(top // self.rows, -(-bottom // self.rows)):
                start = strip * self.rows
                low, high = max(top, start), min(bottom, start + self.rows)
                offset = int(self.offsets[plane * down + strip]) + (low - start) * self._plane_row
                pieces.append(self._read(offset, (high - low) * self._plane_row))
            found.append(b"".join(pieces))
        return found

    def _read(self, offset: int, count: int) -> bytes:
        found = self.data[offset : offset + count]
        if len(found) != count:
            raise DecodeError("the TIFF file has become shorter while it was read")
        return found


def open_pages(data: Readable, max_pixels: int) -> list[Parts]:
    """The parts of every page of a TIFF file; empty if one of them has a structure that is not supported here.

    Raises:
        DecodeError: it is damaged, a camera raw file, or one of its pictures is too large.
    """
    outline.check_tiff(data)
    cameraraw.refuse(data)
    found, count = [], 0
    try:
        layout = Layout.of(data)
        for place, tags in kinds.page_tags(data, layout):
            parts = _parts(data, layout, place, tags, max_pixels)
            count += 0 if parts is None else len(parts.offsets)
            if parts is None or count > _MOST_PARTS:
                return []
            found.append(parts)
    except (DirectoryError, struct.error) as error:
        raise DecodeError(f"the TIFF file is damaged: {error}") from error
    return found


def _parts(
    data: Readable, layout: Layout, place: int, tags: dict[int, Entry], max_pixels: int
) -> Parts | None:
    number = partial(ifd.number, tags)
    width, height, samples = number(ifd.WIDTH, 0), number(ifd.HEIGHT, 0), number(ifd.SAMPLES, 1)
    limits.check_size(width, height, max_pixels)
    tiled = ifd.TILES in tags
    tile = (number(_TILE_WIDTH, 0), number(_TILE_HEIGHT, 0)) if tiled else None
    rows = tile[1] if tile else min(number(ifd.STRIP_ROWS, height), height)
    if rows < 1 or (tile and tile[0] < 1) or not 1 <= samples <= kinds.MOST_SAMPLES:
        return None
    offsets, counts = (tags.get(tag) for tag in _PLACES[tiled])
    if offsets is None or counts is None or max(offsets.count, counts.count) > _MOST_PARTS:
        return None
    found = Parts(
        data,
        layout,
        place,
        width,
        height,
        samples,
        bits=number(ifd.BITS, 1),
        compression=number(ifd.COMPRESSION, 1),
        color=number(ifd.COLOR, -1),
        rows=rows,
        tile=tile,
        planes=samples if number(_PLANAR, 1) == 2 else 1,
        offsets=offsets.integers(),
        counts=counts.integers(),
    )
    return found if _is_whole(found) else None


def _is_whole(parts: Parts) -> bool:
    """Whether every part is there; if not, the ordinary reader says what is wrong."""
    across = 1 if parts.tile is None else -(-parts.width // parts.tile[0])
    needed = across * -(-parts.height // parts.rows) * parts.planes
    if len(parts.offsets) < needed or len(parts.offsets) != len(parts.counts) or not parts.bits:
        return False
    offsets, counts, size = parts.offsets, parts.counts, np.uint64(len(parts.data))
    if not bool(((offsets > 0) & (counts > 0) & (offsets < size) & (counts <= size)).all()):
        return False
    if bool((offsets + counts > size).any()):
        return False
    if not parts.is_plain:
        return True
    last = parts.height - (-(-parts.height // parts.rows) - 1) * parts.rows
    rows = np.full(needed // parts.planes, parts.rows, np.uint64)
    rows[-1] = last
    full = np.tile(rows * np.uint64(parts.row_bytes // parts.planes), parts.planes)
    return bool((counts[:needed] >= full).all())


def _file(
    kept: Iterable[Value], numbers: dict[int, list[int]], parts: list[bytes], order: str, *, tiled: bool
) -> bytes:
    """A TIFF file of these tags and parts: header, directory, long values, parts."""
    places, sizes = _PLACES[tiled]
    values = {value.tag: value for value in kept}
    for tag, found in (numbers | {places: [0] * len(parts), sizes: [len(part) for part in parts]}).items():
        values[tag] = _longs(tag, found, order)
    start = 8 + len(ifd.build_directory(values.values(), 8, Layout(order)))
    values[places] = _longs(places, list(accumulate(map(len, parts[:-1]), initial=start)), order)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return b"".join([head, ifd.build_directory(values.values(), 8, Layout(order)), *parts])


def _longs(tag: int, numbers: list[int], order: str) -> Value:
    return Value(tag, 4, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers))
