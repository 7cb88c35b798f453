"""Write TIFF: 8 and 16 bits and floating point, any number of pages, deflate without loss."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging import tifftags
from nsr_cli.imaging.picture import Picture

CLASSIC_LIMIT = 4_000_000_000
"""Bytes of samples up to which a file is an ordinary TIFF, whose positions have 32 bits."""

_UNASSOCIATED = "unassalpha"


def encode(pictures: Iterable[Picture]) -> bytes:
    """A TIFF file with one page for each picture, in order.

    Files that may pass 4 GB are BigTIFF.
    """
    import tifffile

    pages = list(pictures)
    stored = io.BytesIO()
    big = sum(samples_bytes(page) for page in pages) > CLASSIC_LIMIT
    children = []
    with tifffile.TiffWriter(stored, bigtiff=big, byteorder="<") as writer:
        for page in pages:
            tags, directories = tifftags.write(page)
            children.append(directories)
            writer.write(as_stored(page), extratags=tags, **options(page))
    tifftags.attach(stored, children)
    return stored.getvalue()


def samples_bytes(picture: Picture) -> int:
    """Bytes of a picture's samples, alpha included."""
    return picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)


def as_stored(picture: Picture) -> NDArray[Any]:
    """(H, W) or (H, W, S) with alpha last; float samples in the range of the file they came from."""
    pixels, alpha = picture.pixels, picture.alpha
    if picture.is_float and picture.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in picture.span)
        pixels = pixels * (white - black) + black
        alpha = None if alpha is None else alpha * white
    if alpha is None:
        return pixels.squeeze(2) if picture.is_gray else pixels
    return np.concatenate([pixels, alpha[..., np.newaxis]], axis=2)


def options(picture: Picture) -> dict[str, Any]:
    """What tifffile has to be told about a picture, whatever its samples are."""
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
    if picture.metadata.dpi is not None:
        found |= {"resolution": picture.metadata.dpi, "resolutionunit": "inch"}
    return found
