"""Stacks of slices, as programs for microscopes store them, and what they say of a stack in a TIFF file's description.

ImageJ and tifffile can write one directory for all slices, which lie one behind the other; only the description tells
of the others. It is that of the file as it was: in a result with pages, ImageJ would look for such slices.
"""

import re
import struct
from contextlib import suppress
from math import prod

from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DirectoryError, Layout, entries
from nsr_cli.imaging.metadata import exif

IMAGEJ_NAME = "its ImageJ description"
OME_NAME = "its OME-XML description"

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIPS, _SAMPLES = 256, 257, 258, 259, 273, 277
_DESCRIPTION = 270
_HEAD = 4096  # bytes of a description in which what is looked for stands
_IMAGEJ = re.compile(rb"ImageJ=[^\n]*\n(?:[^\n]*\n)*?images=(\d{1,9})\b")
_SHAPED = re.compile(rb'\{"shape": \[((?:\d{1,9}(?:, )?)+)\], .*"truncated": true')
_PIXELS = re.compile(rb"<(?:\w+:)?Pixels\s[^>]*")
_SIDES = re.compile(rb"""\sSize([XY])=["'](\d{1,9})["']""")


def is_imagej(description: bytes) -> bool:
    """Whether ImageJ, or a program that writes as it does, made a description."""
    return description.startswith(b"ImageJ=")


def slices_behind(data: Readable, place: int) -> int:
    """How many slices lie behind the only page of a TIFF file, whose directory is at `place`."""
    with suppress(DirectoryError):
        layout = Layout.of(data)
        found = {entry.tag: entry for entry in entries(data, place, layout)}
        numbers = {tag: entry.integer(data, layout) or 0 for tag, entry in found.items()}
        if _DESCRIPTION not in found or _STRIPS not in found or numbers.get(_COMPRESSION, 1) != 1:
            return 0
        samples = numbers.get(_WIDTH, 0) * numbers.get(_HEIGHT, 0) * numbers.get(_SAMPLES, 1)
        size = samples * numbers.get(_BITS, 1) // 8
        if size:
            told = found[_DESCRIPTION]
            head = data[told.position : told.position + min(told.size, _HEAD)]
            return max(0, min(_described(head, samples), (len(data) - numbers[_STRIPS]) // size) - 1)
    return 0


def _described(description: bytes, samples: int) -> int:
    """How many slices of so many samples a description tells of; 0 if it tells of none."""
    if imagej := _IMAGEJ.match(description):
        return int(imagej[1])
    if shaped := _SHAPED.match(description):
        return prod(map(int, shaped[1].split(b", "))) // samples
    return 0


def note(count: int) -> tuple[str, ...]:
    """What is said of so many slices behind a page."""
    if not count:
        return ()
    what = f"{count} further slice{'s' if count > 1 else ''} of its stack"
    return (f"{what} {'are' if count > 1 else 'is'} left out; save them as pages to restore all",)


def fitting(block: bytes, width: int, height: int, *, is_alone: bool) -> tuple[bytes, bool]:
    """An EXIF block without an OME-XML description of other pictures than the result, and whether it had one.

    Args:
        block: the block.
        width, height: of the result.
        is_alone: whether it is one of several pages of its file.
    """
    with suppress(DirectoryError, struct.error):
        layout = Layout.of(block)
        start = layout.first_directory(block)
        for entry in entries(block, start, layout):
            pixels = _PIXELS.search(entry.raw(block)) if entry.tag == _DESCRIPTION else None
            if pixels and not layout.big:
                sides = dict(_SIDES.findall(pixels[0]))
                if is_alone or (int(sides.get(b"X", 0)), int(sides.get(b"Y", 0))) != (width, height):
                    found = bytearray(block)
                    exif.take_out(found, layout, start, entry)
                    return bytes(found), True
    return block, False
