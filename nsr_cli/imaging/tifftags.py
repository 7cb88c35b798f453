"""TIFF tags that are metadata: to and from `Metadata`.

The EXIF and GPS directories of a picture become directories of the TIFF file and the reverse. tifffile
does not write them, so it writes private tags in their place, and `attach` appends the directories and
turns those tags into pointers to them.
"""

import struct
from dataclasses import replace
from typing import Any

from nsr_cli.imaging import exif, ifd, xmp
from nsr_cli.imaging.ifd import Layout, Value
from nsr_cli.imaging.picture import Metadata, Picture

ICC, XMP, ORIENTATION, IPTC = 34675, 700, 274, 33723
DESCRIPTION, MAKE, MODEL, SOFTWARE, DATE, ARTIST, HOST, COPYRIGHT = 270, 271, 272, 305, 306, 315, 316, 33432
_RESOLUTION_TAGS = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)
_KEPT = (DESCRIPTION, MAKE, MODEL, SOFTWARE, DATE, ARTIST, HOST, COPYRIGHT, 269, 285)
_PLACEHOLDERS = {65101: exif.EXIF_DIRECTORY, 65102: exif.GPS_DIRECTORY}
_INTEROPERABILITY = 0xA005  # a pointer that would dangle in a rebuilt block
_TEXT = 2


def read(page: Any, data: bytes) -> tuple[Metadata, int]:
    """Metadata of a page (a tifffile page of the file `data`) and its orientation 1..8."""
    layout = Layout.of(data)
    found = {entry.tag: entry for entry in ifd.entries(data, int(page.offset), layout)}
    raw = {tag: found[tag].raw(data) for tag in (ICC, XMP) if tag in found}
    orientation = found[ORIENTATION].integer(data, layout) if ORIENTATION in found else 1
    main = [value for value in ifd.read_values(data, int(page.offset), layout) if _is_kept(value)]
    children = [_child(data, found.get(tag), layout) for tag in (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY)]
    dots = [v for v in ifd.read_values(data, int(page.offset), layout) if v.tag in _RESOLUTION_TAGS]
    dpi = exif.resolution(exif.build_block(dots, [], [])) if dots else None
    block = exif.build_block(main + dots, *children) if main or any(children) else None
    packet = xmp.decode(raw[XMP]) if XMP in raw else None
    metadata = Metadata(block, raw.get(ICC) or None, dpi, xmp.unpack(packet) if packet else ())
    return metadata, orientation if orientation is not None and 1 <= orientation <= 8 else 1


def _is_kept(value: Value) -> bool:
    """Whether a tag goes on to the output. tifffile describes the array it wrote; a result has another shape."""
    return value.tag in _KEPT and not (value.tag == DESCRIPTION and value.data.startswith(b'{"shape":'))


def _child(data: bytes, pointer: ifd.Entry | None, layout: Layout) -> list[Value]:
    """A sub-directory; empty if there is none or it is damaged."""
    start = pointer.integer(data, layout) if pointer else None
    if not start:
        return []
    try:
        return [v for v in ifd.read_values(data, start, layout) if v.tag != _INTEROPERABILITY]
    except ifd.DirectoryError:
        return []


def write(picture: Picture) -> tuple[list[tuple[int, int, int, bytes, bool]], list[list[Value]]]:
    """tifffile's `extratags` for a picture, and the directories to `attach` for its pointers."""
    meta = picture.metadata
    main, *children = _directories(meta.exif, picture.width, picture.height)
    tags = [(v.tag, v.kind, v.count, v.data, True) for v in main if v.tag in _KEPT]
    packet = xmp.pack(meta.text)
    if packet is not None:
        content = packet.encode("utf-8", "replace")
        tags.append((XMP, 1, len(content), content, True))
    tags.append((ORIENTATION, 3, 1, b"\1\0", True))
    present = [(tag, child) for tag, child in zip(_PLACEHOLDERS, children, strict=True) if child]
    tags += [(tag, 4, 1, b"\0\0\0\0", True) for tag, _ in present]
    return tags, [child for _, child in present]


def _directories(
    block: bytes | None, width: int, height: int
) -> tuple[list[Value], list[Value], list[Value]]:
    if block is None:
        return [], [], []
    try:
        main, inner, gps = exif.read_block(exif.with_size(block, width, height))
    except ifd.DirectoryError:
        return [], [], []
    return main, [v for v in inner if v.tag != _INTEROPERABILITY], gps


def attach(stored: bytes, pages: list[list[list[Value]]]) -> bytes:
    """The little-endian TIFF file `stored` with the directories of each page appended and pointed to."""
    if not any(pages):
        return stored
    layout = Layout.of(stored)
    block = bytearray(stored)
    place = layout.first_directory(stored)
    for children in pages:
        total = layout.number(stored, place, 2)
        rows = [stored[start : start + 12] for start in range(place + 2, place + 2 + 12 * total, 12)]
        for child, (placeholder, tag) in zip(children, _present(rows), strict=True):
            block += b"\0" * (len(block) % 2)
            row = next(i for i, row in enumerate(rows) if row[:2] == struct.pack("<H", placeholder))
            rows[row] = struct.pack("<HHII", tag, 4, 1, len(block))
            block += ifd.build_directory(child, len(block))
        rows.sort(key=lambda row: row[1] << 8 | row[0])
        block[place + 2 : place + 2 + 12 * total] = b"".join(rows)
        place = layout.number(stored, place + 2 + 12 * total, 4)
    return bytes(block)


def _present(rows: list[bytes]) -> list[tuple[int, int]]:
    """The placeholders among the rows of a directory, with the tags they stand for."""
    tags = {int.from_bytes(row[:2], "little") for row in rows}
    return [(placeholder, tag) for placeholder, tag in _PLACEHOLDERS.items() if placeholder in tags]


def without_icc(metadata: Metadata) -> Metadata:
    """The metadata without its profile."""
    return replace(metadata, icc=None)
