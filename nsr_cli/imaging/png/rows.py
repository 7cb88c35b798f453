"""Write a PNG file from rows that come a few at a time, so that neither the picture nor the file is in memory.

Each row is stored as its difference from the prediction of one of PNG's five filters (PNG specification, section 9):
the one whose differences, taken as signed bytes, have the least sum of absolute values, as section 12.7 advises.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import write as pngwrite
from nsr_cli.imaging.png.chunks import HEAD_END, SIGNATURE, chunk

Rows = Callable[[int, int], NDArray[Any]]
Bytes = NDArray[np.uint8]

_BLOCK = 1 << 20  # bytes of rows that are filtered at a time
_PIECE = 1 << 18  # bytes of packed rows in a chunk, about
_COLORS = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}


def write(file: BinaryIO, page: Picture, rows: Rows) -> None:
    """Write a picture like `page`, whose pixels are not looked at, into the empty `file`.

    Args:
        file: open for writing.
        page: size, type (uint8 or uint16) and metadata.
        rows: given top and bottom, returns these rows, (rows, width, samples) with alpha last; called from top to
            bottom.
    """
    color = _COLORS[page.channels, page.alpha is not None]
    file.write(SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", page.width, page.height, page.bits, color, 0, 0, 0)))
    file.write(pngwrite.write_metadata(page))
    packed = bytearray()
    for piece in _packed(page, rows):
        packed += piece
        if len(packed) >= _PIECE:
            file.write(chunk(b"IDAT", bytes(packed)))
            packed.clear()
    if packed:
        file.write(chunk(b"IDAT", bytes(packed)))
    file.write(chunk(b"IEND", b""))


def replace_metadata(file: BinaryIO, page: Picture) -> None:
    """Overwrite the metadata that `write` has written with those of `page`, which must be as long."""
    file.seek(HEAD_END)
    file.write(pngwrite.write_metadata(page))


def _packed(page: Picture, rows: Rows) -> Iterator[bytes]:
    """The compressed picture, piece by piece."""
    step = page.bits // 8 * page.samples
    packer = zlib.compressobj(pngwrite.LEVEL)
    above = np.zeros(page.width * step, np.uint8)
    count = max(1, _BLOCK // len(above))
    for top in range(0, page.height, count):
        part = rows(top, min(top + count, page.height))
        stored = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder(">")).view(np.uint8)
        stored = stored.reshape(len(part), -1)
        yield packer.compress(filtered(stored, above, step).data)
        above = stored[-1].copy()
    yield packer.flush()


def filtered(rows: Bytes, above: Bytes, step: int) -> Bytes:
    """Rows (N, L) of bytes as they are compressed, (N, 1 + L): each filtered, behind the number of its filter.

    Args:
        rows: samples as they are stored.
        above: (L,), the row before the first; zeros above the picture.
        step: bytes of a pixel.
    """
    best = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    least = np.full(len(rows), np.iinfo(np.int64).max)
    for number, found in enumerate(_differences(rows, above, step)):
        cost = np.minimum(found, -found).sum(axis=1, dtype=np.int64)
        better = cost < least
        best[better, 0], best[better, 1:] = number, found[better]
        least = np.minimum(cost, least)
    return best


def _differences(rows: Bytes, above: Bytes, step: int) -> Iterator[Bytes]:
    """Rows minus the prediction of each filter: zero, left, above, the mean of both, and Paeth's choice."""
    up = np.concatenate([above[np.newaxis], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    yield rows
    yield rows - left
    yield rows - up
    yield rows - ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    yield rows - _paeth(left, up, corner)


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    """Of the three neighbors the one nearest to left + up - corner; the first of equals."""
    across, down = up.astype(np.int16) - corner, left.astype(np.int16) - corner
    from_left, from_up, from_corner = np.abs(across), np.abs(down), np.abs(across + down)
    other = np.where(from_up <= from_corner, up, corner)
    return np.where((from_left <= from_up) & (from_left <= from_corner), left, other)
