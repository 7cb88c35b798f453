"""Write a TIFF file of any size in tiles, from rows that come a few at a time."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging import tifftags, tiffwrite
from nsr_cli.imaging.picture import Picture

TILE = 256
"""Pixels of a side of a tile, and rows that are asked for at a time."""

_BUFFER = 1 << 24  # bytes of tiles that are packed at the same time

Rows = Callable[[int, int], NDArray[Any]]


def hollow(
    width: int, height: int, channels: int, dtype: Any, *, alpha: bool = False, **about: Any
) -> Picture:
    """A `Picture` that takes no memory, to say what one is like whose rows are elsewhere; `about` as for Picture."""
    black = np.zeros((1, 1, 1), dtype)
    cover = np.broadcast_to(black[0], (height, width)) if alpha else None
    return Picture(np.broadcast_to(black, (height, width, channels)), cover, **about)


def write(file: BinaryIO, page: Picture, rows: Rows) -> None:
    """Write a page like `page`, whose pixels are not looked at, into the empty `file`.

    Args:
        file: open for reading and writing.
        page: size, type and metadata.
        rows: given top and bottom, returns these rows as they are to be stored, (rows, width, samples) with
            alpha last; called from top to bottom.
    """
    import tifffile

    samples = page.channels + (page.alpha is not None)
    shape = (page.height, page.width) + ((samples,) if samples > 1 else ())
    big = page.height * page.width * samples * page.bits // 8 > tiffwrite.CLASSIC_LIMIT
    tags, children = tifftags.write(page)
    named = tifffile.FileHandle(file, name="result.tif")  # asks for the name of one that has none otherwise
    with tifffile.TiffWriter(named, bigtiff=big, byteorder="<") as writer:
        writer.write(
            _tiles(page, rows),
            shape=shape,
            dtype=page.pixels.dtype,
            tile=(TILE, TILE),
            extratags=tags,
            buffersize=_BUFFER,
            **tiffwrite.options(page),
        )
    tifftags.attach(file, [children])


def _tiles(page: Picture, rows: Rows) -> Iterator[NDArray[Any]]:
    for top in range(0, page.height, TILE):
        band = rows(top, min(top + TILE, page.height))
        for left in range(0, page.width, TILE):
            tile = band[:, left : left + TILE]
            missing = ((0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0))
            # Repeating the edge packs better than a step to zero.
            yield tile if tile.shape[:2] == (TILE, TILE) else np.pad(tile, missing, mode="edge")


def replace_text(file: BinaryIO, old: bytes, new: bytes) -> bool:
    """Put `new` in the place of the first `old`, which is as long; False if it is not there."""
    if len(old) != len(new):
        raise ValueError("a text in a file can only be replaced by one of its length")
    start, kept = 0, b""
    file.seek(0)
    while block := file.read(1 << 20):
        found = (kept + block).find(old)
        if found >= 0:
            file.seek(start - len(kept) + found)
            file.write(new)
            return True
        start += len(block)
        kept = (kept + block)[-len(old) :]
    return False
