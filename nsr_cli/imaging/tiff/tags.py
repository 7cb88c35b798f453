"""TIFF tags that hold metadata: to and from `Metadata`.

The EXIF and GPS directories of a picture become directories of the TIFF file, and vice versa. tifffile
cannot write them, so it writes private tags in their place, and `attach` appends the directories and
turns those tags into pointers to them.
"""

import io
import struct
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from nsr_cli.imaging import ifd
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DESCRIPTION, ORIENTATION, Layout, Value
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.metadata import exif, geotiff, iptc, sizes, stacks, unkept, xmp
from nsr_cli.imaging.picture import Metadata, Picture

ICC, XMP = 34675, 700
IPTC, PHOTOSHOP, LAYERS = 33723, 34377, 37724
_MAKE, _MODEL, _SOFTWARE, _DATE, _ARTIST, _HOST, _COPYRIGHT = 271, 272, 305, 306, 315, 316, 33432
_RESOLUTION_TAGS = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)
_RATINGS = (18246, 18249)
_WINDOWS = (40091, 40092, 40093, 40094, 40095)  # title, comment, author, keywords, subject
_COLORS = (318, 319)  # white point and primaries: samples keep their meaning
_TRANSFER = 301  # a table with an entry for each sample value: too long for EXIF, and wrong for another depth
_SCAN = (269, 285, 297)  # document, name of the page, and which of how many it is
_KEPT = (
    DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _DATE, _ARTIST, _HOST, _COPYRIGHT, *_SCAN, *_RATINGS, *_WINDOWS, *_COLORS,
)  # fmt: skip
_PLACEHOLDERS = {65101: exif.EXIF_DIRECTORY, 65102: exif.GPS_DIRECTORY}
_NAMES = {ICC: "color profile", XMP: "XMP packet"}
_LAYERS_NAME = "its Photoshop layers"
_BYTES = 7
_LONG, _LONG8 = 4, 16
# Tags about how samples are stored or printed, whose loss does not matter.
_OF_STORAGE = frozenset((
    *range(254, 260), *range(262, 267), *range(273, 285), *range(288, 291), 292, 293, 296, 317, *range(320, 329),
    330, 332, 334, 336, *range(338, 342), 347, *range(512, 522), *range(529, 533), 32996, 32997, 59932,
))  # fmt: skip
_READ = geotiff.TAGS.union(
    (ICC, XMP, IPTC, PHOTOSHOP, LAYERS, _TRANSFER), _RESOLUTION_TAGS, _KEPT, _PLACEHOLDERS.values()
)
_RATIONALS = {5: "I", 10: "i"}  # types of fractions, and the `struct` format of their two numbers

_Extra = tuple[int, int, int, bytes | tuple[int, ...], bool]  # tag, type, count, value, write once


def read(data: Readable, place: int) -> tuple[Metadata, int]:
    """Metadata of the page of the file `data` whose directory is at `place`, and its orientation 1..8."""
    layout = Layout.of(data)
    found = ifd.by_tag(data, place, layout)
    kept = (tag for tag in (ICC, XMP, IPTC, PHOTOSHOP) if tag in found and found[tag].size <= MOST_METADATA)
    raw = {tag: found[tag].raw() for tag in kept}
    values = ifd.read_values(data, place, layout)
    main = [value for value in values if _is_kept(value)]
    children = [_child(found, tag) for tag in (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY)]
    dots = [value for value in values if value.tag in _RESOLUTION_TAGS]
    stated = exif.build_block(dots, [], []) if dots else b""
    dpi, ratio = exif.resolution(stated), exif.ratio(stated)
    block = exif.build_block(main + dots, *children) if main or any(children) else None
    packet = xmp.decode(raw[XMP]) if XMP in raw else None
    metadata = Metadata(block, raw.get(ICC) or None, dpi, xmp.unpack(packet) if packet else ())
    orientation = ifd.number(found, ORIENTATION, 1)
    turn = orientation if 1 <= orientation <= 8 else 1
    text, left_out = _iptc(found, raw)
    geo, more = _geo(found, values, turn)
    if XMP in raw and packet is None:
        more += (xmp.NOT_UTF8,)
    if any(value.tag == DESCRIPTION and stacks.is_imagej(value.data) for value in values):
        more += (stacks.IMAGEJ_NAME,)
    if _TRANSFER in found and metadata.icc is None:
        more += ("its transfer function",)
    if metadata.icc is None and _is_adobe_rgb(found):
        more += (exif.ADOBE_RGB_NAME,)
    more += _unknown(found)
    return replace(metadata, aspect=ratio, iptc=text, geo=geo, left_out=left_out + more), turn


def _unknown(found: dict[int, ifd.Entry]) -> tuple[str, ...]:
    """Names of a page's private and rare tags, such as a microscope's, which no result keeps."""
    return unkept.content_of("TIFF tag", map(str, sorted(found.keys() - _OF_STORAGE - _READ)))


def _iptc(found: dict[int, ifd.Entry], raw: dict[int, bytes]) -> tuple[bytes | None, tuple[str, ...]]:
    """The IPTC data of a page, and what is left out of its Photoshop tags; `raw` has those that are not too long."""
    own, block = raw.get(IPTC, b""), raw.get(PHOTOSHOP, b"")
    inner, left_out = iptc.from_photoshop(block)
    text = own if iptc.is_data(own) else inner
    if text is None and IPTC in found:
        left_out += (iptc.NAME,)
    if PHOTOSHOP in found and not block:
        left_out += (iptc.REST,)
    return text, left_out + ((_LAYERS_NAME,) if LAYERS in found else ())


def _geo(found: dict[int, ifd.Entry], values: list[Value], turn: int) -> tuple[bytes | None, tuple[str, ...]]:
    """The GeoTIFF tags of a page; None once it is turned, since they do not hold then, with their name."""
    geo = geotiff.pack(values, ifd.number(found, ifd.WIDTH, 0), ifd.number(found, ifd.HEIGHT, 0))
    return (None, (geotiff.NAME,)) if geo is not None and turn != 1 else (geo, ())


def too_long(data: Readable, place: int) -> tuple[str, ...]:
    """A note for each text or profile of the page's directory that `read` leaves out for its length."""
    found = ifd.entries(data, place, Layout.of(data))
    tags = [entry.tag for entry in found if entry.tag in (ICC, XMP, *_KEPT) and entry.size > MOST_METADATA]
    return tuple(f"its {_NAMES.get(tag, f'tag {tag}')} is too long: left out" for tag in tags)


def _is_kept(value: Value) -> bool:
    """Whether a result keeps a tag. Descriptions by tifffile and ImageJ are of the array they wrote, not the result."""
    of_array = value.data.startswith(b'{"shape":') or stacks.is_imagej(value.data)
    return value.tag in _KEPT and not (value.tag == DESCRIPTION and of_array)


def _child(found: dict[int, ifd.Entry], tag: int) -> list[Value]:
    """The values of the subdirectory to which a tag points; empty if there is none or it is damaged."""
    with suppress(ifd.DirectoryError):
        if start := ifd.number(found, tag, 0):
            values = exif.read_directory(found[tag].data, start, found[tag].layout)
            # The interoperability directory is not rebuilt, so the pointer to it would dangle.
            return [value for value in values if value.tag != exif.INTEROPERABILITY]
    return []


def _is_adobe_rgb(found: dict[int, ifd.Entry]) -> bool:
    """Whether the interoperability directory, which is not kept, says that the colors are Adobe RGB."""
    with suppress(ifd.DirectoryError):
        if start := ifd.number(found, exif.EXIF_DIRECTORY, 0):
            pointer = found[exif.EXIF_DIRECTORY]
            return exif.has_adobe_index(ifd.entries(pointer.data, start, pointer.layout))
    return False


def write(picture: Picture) -> tuple[list[_Extra], list[list[Value]]]:
    """tifffile's `extratags` for a picture, and the directories to `attach` for its pointers."""
    meta = sizes.stated(picture)
    main, *children = _directories(meta.exif)
    tags = [_extra(v) for v in main if v.tag in _KEPT]
    packet = xmp.pack(meta.text)
    if packet is not None:
        content = packet.encode("utf-8", "replace")
        tags.append((XMP, 1, len(content), content, True))
    if meta.iptc is not None:
        tags.append((IPTC, _BYTES, len(meta.iptc), meta.iptc, True))
    tags += map(_extra, geotiff.unpack(meta.geo, picture.width, picture.height))
    tags.append((ORIENTATION, 3, 1, b"\1\0", True))
    present = [(tag, child) for tag, child in zip(_PLACEHOLDERS, children, strict=True) if child]
    tags += [(tag, _LONG, 1, b"\0\0\0\0", True) for tag, _ in present]
    return tags, [child for _, child in present]


def _extra(value: Value) -> _Extra:
    """A tag as tifffile wants it: fractions as tuples, since it counts them twice in bytes."""
    data: bytes | tuple[int, ...] = value.data
    if value.kind in _RATIONALS:
        data = struct.unpack(f"<{2 * value.count}{_RATIONALS[value.kind]}", value.data)
    return value.tag, value.kind, value.count, data, True


def _directories(block: bytes | None) -> tuple[list[Value], list[Value], list[Value]]:
    with suppress(ifd.DirectoryError):
        if block is not None:
            main, inner, gps = exif.read_block(block)
            return main, [v for v in inner if v.tag != exif.INTEROPERABILITY], gps
    return [], [], []


def attach(file: BinaryIO, pages: list[list[list[Value]]]) -> None:
    """Append the directories of each page to the little-endian TIFF file that `file` holds, and point to them.

    It may be a BigTIFF; `file` is open for reading and writing.
    """
    file.seek(0)
    layout = Layout.of(start := file.read(16))
    place = layout.first_directory(start)
    head, row, wide = layout.sizes
    for children in pages if any(pages) else []:
        file.seek(place)
        total = int.from_bytes(file.read(head), "little")
        rows = [file.read(row) for _ in range(total)]
        after = int.from_bytes(file.read(wide), "little")
        placed = ((_PLACEHOLDERS.get(int.from_bytes(found[:2], "little")), i) for i, found in enumerate(rows))
        pointers = [(tag, index) for tag, index in placed if tag]
        for child, (tag, index) in zip(children, pointers, strict=True):
            position = file.seek(0, io.SEEK_END)
            position += file.write(b"\0" * (position % 2))
            file.write(ifd.build_directory(child, position, layout))
            rows[index] = struct.pack(
                "<HHQQ" if layout.big else "<HHII", tag, _LONG8 if layout.big else _LONG, 1, position
            )
        rows.sort(key=lambda found: found[1] << 8 | found[0])
        file.seek(place + head)
        file.write(b"".join(rows))
        place = after
