"""The header of a JPEG file: the frame's size, the quantization tables, and the quality they stand for."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.jpeg.markers import FRAMES, TABLES, walk

# The example tables of the JPEG standard (ITU-T T.81, Annex K.1), row by row.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)
_SUBSAMPLINGS = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}

_MOST_SEGMENTS = 1 << 16  # that are looked at

Table = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JpegTables:
    """How a JPEG file was compressed."""

    quality: int
    """1..100 on the scale of the Independent JPEG Group (libjpeg, Pillow and most tools)."""

    exact: bool
    """Whether the tables are that group's for this quality, not merely near to them."""

    subsampling: str
    """"4:4:4", "4:2:2", "4:2:0" and so on; "gray" without chroma."""


def frame_size(data: bytes) -> tuple[int, int]:
    """Width and height of the frame that JPEG data describes. DecodeError if it has none."""
    height, width = struct.unpack_from(">HH", _frame(data), 1)
    return width, height


def _frame(data: bytes) -> bytes:
    for marker, place, length in walk(data, _MOST_SEGMENTS):
        if marker in FRAMES and len(content := data[place : place + length]) >= 6:
            return content
    raise DecodeError("the JPEG data has no frame")


def read_tables(data: bytes) -> JpegTables:
    """Quality and chroma subsampling of a JPEG file. DecodeError if it has no frame or tables.

    Tables of the Independent JPEG Group are recognized exactly. For others, such as a camera's or
    Adobe's, the quality is the one whose luma table is nearest by least squares of logarithms. Plain
    differences would be decided by the high frequencies, where steps are large and little happens. The
    quality chosen by logarithms also loses about as much of a photograph.
    """
    components = _components(_frame(data))
    tables = _tables(data)
    wanted = [table for _, _, table in components[:3]]
    if any(number not in tables for number in wanted):
        raise DecodeError("the JPEG data has no quantization tables")
    # Files without separate chroma, such as CMYK, use one table throughout.
    own = [tables[number] for number in dict.fromkeys(wanted)][:2]
    quality, exact = nearest_quality(own)
    return JpegTables(quality, exact, _subsampling(components))


def _components(frame: bytes) -> list[tuple[int, int, int]]:
    """Horizontal and vertical sampling and the table's number of each component."""
    rows = [frame[6 + 3 * i : 9 + 3 * i] for i in range(frame[5])]
    if not rows or len(rows[-1]) < 3:
        raise DecodeError("the JPEG frame is damaged")
    return [(row[1] >> 4, row[1] & 15, row[2]) for row in rows]


def _subsampling(components: list[tuple[int, int, int]]) -> str:
    if len(components) == 1:
        return "gray"
    luma, chroma = components[0], components[1]
    if not chroma[0] or not chroma[1] or luma[0] % chroma[0] or luma[1] % chroma[1]:
        return "irregular"
    ratio = (luma[0] // chroma[0], luma[1] // chroma[1])
    return _SUBSAMPLINGS.get(ratio, f"1/{ratio[0]}×1/{ratio[1]}")


def _tables(data: bytes) -> dict[int, Table]:
    """The quantization tables by number, (8, 8) in rows."""
    found: dict[int, NDArray[Any]] = {}
    for marker, start, length in walk(data, _MOST_SEGMENTS):
        place, stop = start, min(start + length, len(data))
        while marker == TABLES and place < stop:
            wide, number = data[place] >> 4, data[place] & 15
            end = place + 1 + (128 if wide else 64)
            if end > stop:
                raise DecodeError("a quantization table of the JPEG data is cut off")
            # Only the last table of each number is unpacked, below: a file may have millions.
            found[number] = np.frombuffer(data[place + 1 : end], ">u2" if wide else np.uint8)
            place = end
    return {number: _in_rows(values) for number, values in found.items()}


def _in_rows(values: NDArray[Any]) -> Table:
    """The 64 values of a table, in zigzag order as files have them, as (8, 8) in rows."""
    table = np.zeros(64, dtype=np.int64)
    table[zigzag()] = values
    return table.reshape(8, 8)


def zigzag() -> NDArray[np.int64]:
    """The position, counted row by row, of each coefficient in the zigzag order of JPEG files."""
    cells = [(row, column) for row in range(8) for column in range(8)]
    # Along each diagonal, downwards on the odd ones and upwards on the even ones.
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return np.array([8 * row + column for row, column in cells])


def standard_table(quality: int, *, chroma: bool = False, largest: int = 255) -> Table:
    """The Independent JPEG Group's table (8, 8) for a quality of 1..100."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.array(_CHROMA if chroma else _LUMA, dtype=np.int64)
    return np.clip((base * percent + 50) // 100, 1, largest)


def nearest_quality(tables: list[Table]) -> tuple[int, bool]:
    """The quality of a luma table and, if given, a chroma table, and whether both fit exactly."""
    for largest in (255, 32_767):  # baseline files stop at 8 bits
        for quality in range(1, 101):
            standard = [standard_table(quality, chroma=bool(i), largest=largest) for i in range(len(tables))]
            if all(np.array_equal(own, known) for own, known in zip(tables, standard, strict=True)):
                return quality, True
    logarithm = np.log(np.maximum(tables[0], 1))
    errors = [np.square(logarithm - np.log(standard_table(quality))).sum() for quality in range(1, 101)]
    return 1 + int(np.argmin(errors)), False
