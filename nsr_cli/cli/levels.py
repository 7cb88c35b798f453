"""How strong the noise or the JPEG compression of a picture is, where the user says "auto"."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, JpegImagePlugin

from nsr_cli.cli.settings import Settings
from nsr_cli.cli.values import MAX_SIGMA
from nsr_cli.errors import PictureError
from nsr_cli.imaging import codec
from nsr_cli.imaging.noise import estimate_noise
from nsr_cli.imaging.picture import Picture

_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # Pillow's numbers


@dataclass(frozen=True, slots=True)
class Level:
    """What the network is told about a picture, and what the user is told if it was estimated."""

    sigma: float | None = None
    quality: float | None = None
    note: str | None = None


def level_of(settings: Settings, page: Picture, data: bytes) -> Level:
    """The level that was asked for, or the one found in the picture and its file.

    Raises:
        PictureError: the quality of something else than a JPEG is to be found.
    """
    if settings.task == "denoise":
        if settings.sigma is not None:
            return Level(sigma=settings.sigma)
        sigma = round(min(max(estimate_noise(page.pixels)), MAX_SIGMA), 1)
        return Level(sigma=sigma, note=f"noise level {sigma:g}")
    if settings.task == "dejpeg":
        if settings.jpeg_quality is not None:
            return Level(quality=settings.jpeg_quality)
        quality, subsampling = read_quality(data)
        return Level(quality=quality, note=f"quality {quality}, {subsampling}")
    return Level()


def read_quality(data: bytes) -> tuple[int, str]:
    """Quality 1..100 and chroma subsampling of a JPEG file, from its quantization tables.

    Tables of the Independent JPEG Group are matched exactly, others by least squares.

    Raises:
        PictureError: it is no JPEG file.
    """
    if codec.sniff(data) != "JPEG":
        raise PictureError("it is no JPEG file that could tell its quality; give it with -q")
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        tables = [np.asarray(table, dtype=float) for _, table in sorted(image.quantization.items())][:2]
        sampling = JpegImagePlugin.get_sampling(image) if len(tables) > 1 else -1
    if not tables:
        raise PictureError("its JPEG data has no quantization tables; give its quality with -q")
    errors = [
        sum(float(np.square(own - known).sum()) for own, known in zip(tables, standard, strict=False))
        for standard in _standard_tables()
    ]
    # Of equal errors the last: several low qualities may share a table.
    best = len(errors) - int(np.argmin(errors[::-1]))
    return best, _SUBSAMPLING.get(sampling, "gray" if len(tables) < 2 else "other subsampling")


@cache
def _standard_tables() -> "tuple[tuple[np.ndarray, ...], ...]":
    """Luma and chroma tables of each quality from 1 to 100, as libjpeg makes them."""
    found = []
    for quality in range(1, 101):
        stored = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stored, "JPEG", quality=quality)
        stored.seek(0)
        with JpegImagePlugin.JpegImageFile(stored) as image:
            found.append(
                tuple(np.asarray(table, dtype=float) for _, table in sorted(image.quantization.items()))
            )
    return tuple(found)
