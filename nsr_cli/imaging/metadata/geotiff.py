"""GeoTIFF tags: where on the map a picture lies, and how large its pixels are there.

They hold for one grid of pixels, so only a result of the same size keeps them.
"""

from nsr_cli.imaging.ifd import HEIGHT, WIDTH, DirectoryError, Value
from nsr_cli.imaging.metadata import exif

TAGS = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113})
"""Pixel scale, tie points, transformation, the keys and their values; GDAL's notes, and its value for no data."""

NAME = "the place on the map (GeoTIFF)"


def pack(values: list[Value], width: int, height: int) -> bytes | None:
    """The GeoTIFF tags among the values of a page, packed with its size; None if there are none."""
    found = [value for value in values if value.tag in TAGS]
    if not found:
        return None
    size = ((WIDTH, width), (HEIGHT, height))
    return exif.build_block(
        [*(Value(tag, 4, 1, side.to_bytes(4, "little")) for tag, side in size), *found], [], []
    )


def unpack(block: bytes | None, width: int, height: int) -> list[Value]:
    """The packed tags, if they are for this size; else none."""
    if block is None:
        return []
    try:
        values = exif.read_block(block)[0]
    except DirectoryError:
        return []
    size = {value.tag: int.from_bytes(value.data, "little") for value in values if value.tag not in TAGS}
    if size != {WIDTH: width, HEIGHT: height}:
        return []
    return [value for value in values if value.tag in TAGS]
