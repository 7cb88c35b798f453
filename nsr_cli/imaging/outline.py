"""Count the parts of a file before a library gets it.

Libraries can be made to waste time: they count a million frames one by one, join thousands of EXIF blocks by copying
all that came before, or decode ten thousand scans over the whole picture. So the parts are counted first, in one pass
over their heads. More than any picture needs is refused, and descriptions that are too long are cut out. Damage is
left for the library to find.
"""

import re
import struct
from collections.abc import Iterator, Sequence

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import ChainError, DirectoryError, Layout, directories
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.limits import MOST_METADATA, MOST_PICTURES
from nsr_cli.imaging.metadata import exif

_MOST_PARTS = 1 << 16
_PART = 1024  # bytes of a file for which it may have one part more
_MOST_SCANS = 100  # of a JPEG; progressive ones have about ten
_MOST_TABLES = 64 << 10  # bytes of a JPEG's quantization tables, each of which Pillow unpacks; four take 260

_GIF_BLOCK = re.compile(rb"[!,;]")
_GIF_IMAGE, _GIF_END = 0x2C, 0x3B
_GIF_COMMENT = b"!\xfe"
_GIF_CONTROL = b"\xf9\x04"  # says whether a color of the next frame is transparent
_WEBP_METADATA = {b"EXIF": "EXIF block", b"XMP ": "XMP packet", b"ICCP": "color profile"}

Cut = tuple[bytes, tuple[str, ...]]
"""A file without its overlong parts, and a note for each kind of them."""


def most_parts(size: int) -> int:
    """The most chunks or segments that a file of `size` bytes may have."""
    return _MOST_PARTS + size // _PART


def check_parts(count: int, size: int, kind: str, what: str) -> None:
    """DecodeError if a file of `size` bytes has too many parts."""
    if count > most_parts(size):
        raise DecodeError(f"the {kind} file has more than {count - 1} {what}; it is damaged")


def check_pictures(count: int, what: str) -> None:
    """DecodeError if one file has more frames or pages than are read."""
    if count > MOST_PICTURES:
        raise DecodeError(f"it has more than the {MOST_PICTURES} {what} that are read of one file; split it")


def gif(data: bytes) -> tuple[Cut, int]:
    """A GIF file without overlong comments, and how many frames it has. DecodeError if it is cut off in a block.

    A note says if its end mark is missing, since it may be cut off between two blocks.
    """
    frames, comments, is_whole = 0, [], False
    for count, (kind, start, end) in enumerate(gif_parts(data), 1):
        check_parts(count, len(data), "GIF", "blocks")
        if end > len(data):
            raise DecodeError("the GIF file is cut off")
        is_whole = kind == _GIF_END
        if kind == _GIF_IMAGE:
            frames += 1
            check_pictures(frames, "frames")
        elif data[start : start + 2] == _GIF_COMMENT:
            comments.append((start, end))
    if sum(end - start for start, end in comments) <= MOST_METADATA:
        comments = []
    kept, notes = _without(data, comments, "comment")
    return (kept, notes if is_whole else (*notes, "its end mark is missing: it may be cut off")), frames


def gif_end(data: bytes | bytearray) -> int | None:
    """Where the GIF file at the start of `data` ends; None if its end is not there."""
    return next((end for kind, _, end in gif_parts(data) if kind == _GIF_END), None)


def gif_parts(data: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """The kind (first byte), start and end of each block, up to the end mark."""
    place, kind = 13 + _gif_palette(data, 10), 0
    while kind != _GIF_END and (found := _GIF_BLOCK.search(data, place)):
        start, place = found.start(), found.end()
        kind = data[start]
        if kind == _GIF_IMAGE:
            place = _gif_blocks(data, place + 10 + _gif_palette(data, place + 8))
        elif kind != _GIF_END:
            place = _gif_blocks(data, place + 1)
        yield kind, start, place


def is_clear_gif(start: bytes) -> bool:
    """Whether the first frame of a GIF file has transparent pixels, judged by the file's first bytes."""
    place, clear = 13 + _gif_palette(start, 10), False
    while start[place : place + 1] == b"!":
        if start[place + 1 : place + 3] == _GIF_CONTROL:
            clear = bool(int.from_bytes(start[place + 3 : place + 4]) & 1)
        place = _gif_blocks(start, place + 2)
    return clear


def _gif_palette(data: bytes | bytearray, place: int) -> int:
    """Bytes of the palette that the flags at a place announce."""
    flags = data[place] if place < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_blocks(data: bytes | bytearray, place: int) -> int:
    """Where the blocks that begin at a place end."""
    while place < len(data) and data[place]:
        place += 1 + data[place]
    return place + 1


def webp_chunks(data: Readable, most: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and start and length of the content, which may be cut off, of the first `most` chunks of a WebP file.

    Only their headers are read.
    """
    place = 12
    for _ in range(most):
        if len(head := data[place : place + 8]) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        yield name, place + 8, length
        place += 8 + length + length % 2


def webp(data: bytes) -> Cut:
    """A WebP file without overlong descriptions."""
    frames, cuts, names = 0, [], []
    for count, (name, place, length) in enumerate(webp_chunks(data, len(data)), 1):
        frames += name == b"ANMF"
        check_parts(count, len(data), "WebP", "chunks")
        check_pictures(frames, "frames")
        if name in _WEBP_METADATA and length > MOST_METADATA:
            cuts.append((place - 8, min(len(data), place + length + length % 2)))
            names.append(_WEBP_METADATA[name])
    if not cuts:
        return data, ()
    body, notes = _without(data, cuts, *dict.fromkeys(names))
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:], notes


def jpeg(data: bytes) -> Cut:
    """A JPEG file without an overlong EXIF block."""
    place, count, tables, blocks = 2, 0, 0, []
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in (0x00, 0xFF):  # padding, or left over from a scan
            place += 1 if marker else 2
            continue
        count += 1
        check_parts(count, len(data), "JPEG", "segments")
        if marker in markers.BARE:
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == markers.APP1 and data.startswith(exif.PREFIX, place + 4):
            blocks.append((place, end))
        tables += (end - place) * (marker == markers.TABLES)
        if tables > _MOST_TABLES:
            raise DecodeError("the JPEG file has far too many quantization tables; it is damaged")
        if marker == markers.END or end < place + 4:
            break
        if marker == markers.SCAN:
            _check_scans(data, end)
            break
        place = end
    if sum(end - start for start, end in blocks) <= MOST_METADATA:
        blocks = []
    return _without(data, blocks, "EXIF block")


def _check_scans(data: bytes, place: int) -> None:
    """DecodeError if more scans follow than any picture has: decoding each takes as long as the whole picture."""
    if data.count(b"\xff\xda", place) < _MOST_SCANS:  # an upper bound: other segments may hold these bytes
        return
    scans = 1
    while found := markers.IN_SCAN.search(data, place):
        marker, place = data[found.start() + 1], found.end()
        if marker == markers.END:
            return
        scans += marker == markers.SCAN
        if scans > _MOST_SCANS:
            raise DecodeError(f"the JPEG file has more than {_MOST_SCANS} scans; save it again without them")
        if marker not in markers.BARE:
            place += int.from_bytes(data[place : place + 2], "big")


def check_tiff(data: Readable) -> None:
    """DecodeError for a circle of pages, or more than are read of one file, thumbnails and masks included.

    It is also raised for far more tags than any file has, which may lie over one another.
    """
    try:
        for count, _ in enumerate(directories(data, Layout.of(data)), 1):
            check_pictures(count, "pages")
    except ChainError as error:
        raise DecodeError(f"the TIFF file is damaged: {error}") from error
    except DirectoryError:
        return


def _without(data: bytes, cuts: Sequence[tuple[int, int]], *names: str) -> Cut:
    """The file without the stretches `cuts`, and a note for each of `names`; unchanged without cuts."""
    if not cuts:
        return data, ()
    view, place, kept = memoryview(data), 0, []
    for start, end in cuts:
        kept.append(view[place:start])
        place = end
    return b"".join([*kept, view[place:]]), tuple(f"its {name} is too long: left out" for name in names)
