"""Stacks of slices, as microscope programs store them, and the TIFF descriptions that tell of them.

ImageJ and tifffile can write one directory for a whole stack, whose slices follow one another; only the description
says how many there are. It must not be kept: in a result with pages, ImageJ would look for such slices.
"""

import re
import struct
from contextlib import suppress
from math import prod

from nsr_cli.imaging import ifd
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.ifd import DirectoryError, Layout
from nsr_cli.imaging.metadata import exif
from nsr_cli.shown import counted

IMAGEJ_NAME = "its ImageJ description"
OME_NAME = "its OME-XML description"

_HEAD = 4096  # bytes at the start of a description in which to search
_IMAGEJ = re.compile(rb"ImageJ=[^\n]*\n(?:[^\n]*\n)*?images=(\d{1,9})\b")
_SHAPED = re.compile(rb'\{"shape": \[((?:\d{1,9}(?:, )?)+)\], .*"truncated": true')
_PIXELS = re.compile(rb"<(?:\w+:)?Pixels\s[^>]*")
_SIDES = re.compile(rb"""\sSize([XY])=["'](\d{1,9})["']""")


def is_imagej(description: bytes) -> bool:
    """Whether a description is ImageJ's, or in its form."""
    return description.startswith(b"ImageJ=")


def slices_behind(data: Readable, place: int) -> int:
    """How many slices follow the only page of a TIFF file, whose directory is at `place`."""
    with suppress(DirectoryError):
        layout = Layout.of(data)
        tags = ifd.by_tag(data, place, layout)
        if ifd.DESCRIPTION not in tags or ifd.STRIPS not in tags or ifd.number(tags, ifd.COMPRESSION, 1) != 1:
            return 0
        samples = ifd.number(tags, ifd.WIDTH, 0) * ifd.number(tags, ifd.HEIGHT, 0)
        samples *= ifd.number(tags, ifd.SAMPLES, 1)
        size = samples * ifd.number(tags, ifd.BITS, 1) // 8
        if size:
            stored = (len(data) - ifd.number(tags, ifd.STRIPS, 0)) // size
            return max(0, min(_described(tags[ifd.DESCRIPTION].raw(_HEAD), samples), stored) - 1)
    return 0


def _described(description: bytes, samples: int) -> int:
    """How many slices of `samples` samples a description tells of; 0 if it does not."""
    if imagej := _IMAGEJ.match(description):
        return int(imagej[1])
    if shaped := _SHAPED.match(description):
        return prod(map(int, shaped[1].split(b", "))) // samples
    return 0


def note(count: int) -> tuple[str, ...]:
    """A note that `count` further slices are left out; none for 0."""
    if not count:
        return ()
    what = f"{counted(count, 'further slice')} of its stack"
    return (f"{what} {'are' if count > 1 else 'is'} left out; save them as pages to restore all",)


def fitting(block: bytes, width: int, height: int, *, is_alone: bool) -> tuple[bytes, bool]:
    """The EXIF block without an OME-XML description that does not fit the result, and whether it had one.

    Args:
        block: the block.
        width, height: of the result.
        is_alone: whether the result holds only one of several pages that are described.
    """
    with suppress(DirectoryError, struct.error):
        layout = Layout.of(block)
        start = layout.first_directory(block)
        for entry in ifd.entries(block, start, layout):
            pixels = _PIXELS.search(entry.raw()) if entry.tag == ifd.DESCRIPTION else None
            if pixels:
                sides = dict(_SIDES.findall(pixels[0]))
                if is_alone or (int(sides.get(b"X", 0)), int(sides.get(b"Y", 0))) != (width, height):
                    found = bytearray(block)
                    exif.take_out(found, start, entry)
                    return bytes(found), True
    return block, False
