"""Write a TIFF file of any size and number of pages in tiles, from rows that come a few at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff import write as tiffwrite

TILE = 256
"""The side of a tile in pixels, and how many rows are asked for at a time."""

_BUFFER = 1 << 24  # bytes of tiles that are compressed at the same time

Rows = Callable[[int, int], NDArray[Any]]


def hollow(
    width: int, height: int, channels: int, dtype: Any, *, alpha: bool = False, **about: Any
) -> Picture:
    """A `Picture` whose pixels take no memory, to describe one whose rows are elsewhere; `about` as for Picture."""
    black = np.zeros((1, 1, 1), dtype)
    cover = np.broadcast_to(black[0], (height, width)) if alpha else None
    return Picture(np.broadcast_to(black, (height, width, channels)), cover, **about)


def write(file: BinaryIO, pages: Iterable[tuple[Picture, Rows]], samples_bytes: int) -> None:
    """Write pages into the empty `file`, one after the other.

    Args:
        file: open for reading and writing.
        pages: for each, a picture that gives its size, type and metadata (its pixels are not looked at), and a
            callable that, given top and bottom, returns these rows as they are to be stored, (rows, width, samples)
            with alpha last. Rows are asked for from top to bottom, and a page only after the one before is written.
        samples_bytes: of all pages together, which decides about BigTIFF.
    """
    tiled = ((page, _tiles(page, rows)) for page, rows in pages)
    tiffwrite.write_pages(file, tiled, samples_bytes, tile=(TILE, TILE), buffersize=_BUFFER)


def _tiles(page: Picture, rows: Rows) -> Iterator[NDArray[Any]]:
    for top in range(0, page.height, TILE):
        band = rows(top, min(top + TILE, page.height))
        for left in range(0, page.width, TILE):
            tile = band[:, left : left + TILE]
            missing = ((0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0))
            # A repeated edge compresses better than a step to zero.
            yield tile if tile.shape[:2] == (TILE, TILE) else np.pad(tile, missing, mode="edge")


def replace_text(file: BinaryIO, old: bytes, new: bytes) -> int:
    """Replace every `old` by `new`, which must be as long; returns how many there were."""
    if len(old) != len(new):
        raise ValueError("a text in a file can only be replaced by one of its length")
    start, kept, count = 0, b"", 0
    file.seek(0)
    while block := file.read(1 << 20):
        seen, first = kept + block, start - len(kept)
        place = seen.find(old)
        while place >= 0:
            file.seek(first + place)
            file.write(new)
            count += 1
            place = seen.find(old, place + len(old))
        start = file.seek(first + len(seen))
        kept = seen[max(0, len(seen) - len(old) + 1) :]  # `old` may continue in the next block
    return count
