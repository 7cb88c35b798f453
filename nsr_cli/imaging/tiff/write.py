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

_UNASSOCIATED = "unassalpha"


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
    import tifffile

    pages = list(pictures)
    named = tifffile.FileHandle(file, name="result.tif")  # tifffile wants a name, which `file` may not have
    big = sum(samples_bytes(page) for page in pages) > CLASSIC_LIMIT
    children = []
    with tifffile.TiffWriter(named, bigtiff=big, byteorder="<") as writer:
        for page in pages:
            tags, directories = tifftags.write(page)
            children.append(directories)
            if isinstance(page, Packed):
                stored_as: dict[str, Any] = {"shape": stored_shape(page), "dtype": page.pixels.dtype}
                writer.write(_taken(page.parts), extratags=tags, **stored_as, **options(page))
            else:
                writer.write(as_stored(page), extratags=tags, **options(page))
    tifftags.attach(file, children)


def samples_bytes(picture: Picture) -> int:
    """Bytes of a picture's samples, alpha included."""
    return picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)


def as_stored(picture: Picture) -> NDArray[Any]:
    """The samples to store, (H, W) or (H, W, S) with alpha last; float ones in the range of the file they came from."""
    pixels, alpha = picture.pixels, picture.alpha
    if picture.is_float and picture.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in picture.span)
        pixels = pixels * (white - black) + black
        alpha = None if alpha is None else alpha * white
    if alpha is None:
        return pixels.squeeze(2) if picture.is_gray else pixels
    return np.concatenate([pixels, alpha[..., np.newaxis]], axis=2)


def stored_shape(picture: Picture) -> tuple[int, ...]:
    """The shape of `as_stored`, (H, W) or (H, W, S)."""
    size = (picture.height, picture.width)
    return (*size, picture.samples) if picture.samples > 1 else size


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
        found |= {"extrasamples": [_UNASSOCIATED], "planarconfig": "contig"}
    if (dpi := density.stated(picture.metadata.dpi, "TIFF")) is not None:
        found |= {"resolution": dpi, "resolutionunit": "inch"}
    elif picture.metadata.aspect is not None:
        found |= {"resolution": picture.metadata.aspect, "resolutionunit": "none"}
    return found
