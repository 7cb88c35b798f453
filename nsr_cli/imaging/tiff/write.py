"""Write TIFF: 8 and 16 bits and floating point, any number of pages, compressed with deflate."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.metadata import density
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import tags as tifftags

CLASSIC_LIMIT = 4_000_000_000
"""Bytes of samples up to which a file is an ordinary TIFF, with positions of 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed(Picture):
    """A page whose samples are compressed already; its `pixels` only have the shape and type, and take no memory."""

    parts: list[bytes] = field(default_factory=list)
    """The strips of the file, in order; `write` and `encode` remove them as they are written."""


def pack(picture: Picture) -> Packed:
    """A page as `encode` will store it, so that its pixels can be freed before other pages are ready."""
    import tifffile

    file = io.BytesIO()
    bare = replace(picture, metadata=Metadata())
    with tifffile.TiffWriter(file, bigtiff=True, byteorder="<") as writer:
        writer.write(as_stored(picture), **options(bare))
    file.seek(0)
    with tifffile.TiffFile(file) as written:
        page = written.pages.first
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with file.getbuffer() as stored:
        parts = [bytes(stored[offset : offset + count]) for offset, count in places]
    black = np.zeros(1, picture.pixels.dtype)
    about = {one.name: getattr(picture, one.name) for one in fields(Picture)}
    about["pixels"] = np.broadcast_to(black, picture.pixels.shape)
    about["alpha"] = None if picture.alpha is None else np.broadcast_to(black, picture.alpha.shape)
    return Packed(**about, parts=parts)


def encode(pictures: Iterable[Picture]) -> bytes:
    """A TIFF file with one page for each picture, in order; the same bytes whether they are `Packed` or not.

    A file that may exceed 4 GB is a BigTIFF.
    """
    stored = io.BytesIO()
    write(stored, pictures)
    return stored.getvalue()


def write(file: BinaryIO, pictures: Iterable[Picture]) -> None:
    """Write what `encode` returns into an empty file, open for reading and writing."""
    pages = list(pictures)
    stored = ((page, _taken(page.parts) if isinstance(page, Packed) else as_stored(page)) for page in pages)
    write_pages(file, stored, sum(page.result_bytes(page.width, page.height) for page in pages))


def write_pages(file: BinaryIO, pages: Iterable[tuple[Picture, Any]], total: int, **layout: Any) -> None:
    """Write pages into the empty `file`, each before the next one is asked for.

    Args:
        file: open for reading and writing.
        pages: pictures, whose pixels are not looked at, and their samples: all of them, or strips or tiles in order.
        total: bytes of their samples, which decides about BigTIFF.
        layout: tifffile's options for strips or tiles.
    """
    import tifffile

    named = tifffile.FileHandle(file, name="result.tif")  # tifffile wants a name, which `file` may not have
    children = []
    with tifffile.TiffWriter(named, bigtiff=total > CLASSIC_LIMIT, byteorder="<") as writer:
        for page, samples in pages:
            tags, directories = tifftags.write(page)
            children.append(directories)
            shape: dict[str, Any] = {}
            if not isinstance(samples, np.ndarray):
                shape = {"shape": _stored_shape(page), "dtype": page.pixels.dtype}
            writer.write(samples, extratags=tags, **shape, **layout, **options(page))
    tifftags.attach(file, children)


def as_stored(picture: Picture) -> NDArray[Any]:
    """The samples to store, (H, W) or (H, W, S) with alpha last; float ones in the range of the file they came from."""
    if picture.is_float and picture.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in picture.span)
        alpha = None if picture.alpha is None else picture.alpha * white
        picture = picture.with_pixels(picture.pixels * (white - black) + black, alpha)
    return picture.stored


def _stored_shape(picture: Picture) -> tuple[int, ...]:
    """The shape of `as_stored`, (H, W) or (H, W, S)."""
    return (picture.height, picture.width, *([picture.samples] if picture.samples > 1 else []))


def _taken(parts: list[bytes]) -> Iterator[bytes]:
    """The parts in order, each removed from the list to free it."""
    parts.reverse()
    while parts:
        yield parts.pop()


def options(picture: Picture) -> dict[str, Any]:
    """tifffile's options for a picture, which do not depend on its sample values."""
    found: dict[str, Any] = {
        "photometric": "minisblack" if picture.is_gray else "rgb",
        "compression": "zlib",
        "predictor": True,
        "metadata": None,
        "software": False,
        "iccprofile": picture.metadata.icc,
    }
    if picture.alpha is not None:
        found |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    if (dpi := density.stated(picture.metadata.dpi, "TIFF")) is not None:
        found |= {"resolution": dpi, "resolutionunit": "inch"}
    elif picture.metadata.aspect is not None:
        found |= {"resolution": picture.metadata.aspect, "resolutionunit": "none"}
    return found
