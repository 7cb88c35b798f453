"""IPTC data (IIM), and the Photoshop blocks and texts that hold it in files.

    Photoshop block    8BIM │ number │ name, padded │ length │ content, padded │ 8BIM …
    JPEG               such blocks in APP13 segments, after a head
    TIFF               tag 33723 holds the data alone, tag 34377 a Photoshop block
    PNG                a text of hexadecimal digits holds a Photoshop block, a convention of ImageMagick

The data is copied as it is: captions, keywords and credits do not change when a picture is restored.
"""

import struct
from collections.abc import Iterator

from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.limits import MOST_METADATA

NAME = "IPTC"
PHOTOSHOP_HEAD = b"Photoshop 3.0\0"
REST = "the rest of its Photoshop block"
"""What is left out of a Photoshop block that holds more than IPTC data."""

_SIGNATURE = b"8BIM"
_IPTC = 0x0404
_REPEATED = frozenset({0x03ED, 0x0409, 0x040C, 0x0425})
"""Resolution, thumbnails, and a digest of the IPTC data: stated elsewhere, or about the old picture."""
_MARK = 0x1C  # begins each record of IPTC data
_DIGITS = 72  # in a line


def is_data(content: bytes) -> bool:
    """Whether these bytes look like IPTC data and are not too long to be kept."""
    return content[:1] == bytes([_MARK]) and len(content) <= MOST_METADATA


def from_photoshop(block: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """The IPTC data of a Photoshop block, if it has some, and what is left out of it."""
    data, found = None, list(_resources(block))
    rest = bool(block) and not found
    for number, content in found:
        if number == _IPTC and data is None and is_data(content):
            data = content
        elif number not in _REPEATED:
            rest = True
    return data, (REST,) if rest else ()


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each resource, up to the first damaged one."""
    place = 0
    while block[place : place + 4] == _SIGNATURE and place + 7 <= len(block):
        number = int.from_bytes(block[place + 4 : place + 6], "big")
        place += 6 + (block[place + 6] + 2) // 2 * 2
        length = int.from_bytes(block[place : place + 4], "big")
        if place + 4 + length > len(block):
            return
        yield number, block[place + 4 : place + 4 + length]
        place += 4 + (length + 1) // 2 * 2


def to_photoshop(data: bytes) -> bytes:
    """A Photoshop block that holds IPTC data alone."""
    return _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(data)) + data + b"\0" * (len(data) % 2)


def split_jpeg(file: bytes, most: int) -> tuple[bytes, bytes]:
    """A JPEG file without its Photoshop segments, and the Photoshop block that is spread over them.

    Pillow fails to read the picture if that block is damaged. No more than `most` segments are looked at.
    """
    view, kept, parts, done = memoryview(file), [], [], 0
    for marker, place, length in markers.walk(file, most):
        if marker == markers.APP13 and file.startswith(PHOTOSHOP_HEAD, place, place + length):
            kept.append(view[done : place - 4])
            done = place + length
            parts.append(view[place + len(PHOTOSHOP_HEAD) : done])
    return b"".join([*kept, view[done:]]) if parts else file, b"".join(parts)


def fits_jpeg(data: bytes) -> bool:
    """Whether the data fits one segment of a JPEG file."""
    return len(PHOTOSHOP_HEAD) + len(to_photoshop(data)) <= markers.LONGEST


def into_jpeg(file: bytes, data: bytes) -> bytes:
    """The JPEG file with a segment for the data, after the JFIF one, which must come first."""
    content = PHOTOSHOP_HEAD + to_photoshop(data)
    place = 2
    if file[2:4] == b"\xff\xe0":
        place += 2 + int.from_bytes(file[4:6], "big")
    segment = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    return file[:place] + segment + file[place:]


def to_text(data: bytes) -> bytes:
    """The data as a text for PNG: a name, the length, and lines of hexadecimal digits."""
    block = to_photoshop(data)
    digits = block.hex()
    lines = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
    return f"\niptc\n{len(block):8}\n{chr(10).join(lines)}\n".encode("ascii")


def from_raw(content: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """`from_photoshop` for bytes that may also be bare IPTC data, or begin with the head of JPEG's segments."""
    return (content, ()) if is_data(content) else from_photoshop(content.removeprefix(PHOTOSHOP_HEAD))
