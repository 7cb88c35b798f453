"""Results that are written row by row: which can be, how much is in memory at once, and what they are like."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.cli import memory
from nsr_cli.cli.memory import Sizes
from nsr_cli.cli.plan import Job
from nsr_cli.cli.settings import Settings
from nsr_cli.imaging import tiffbands
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiffparts import Parts

if TYPE_CHECKING:
    from nsr_cli.engine.bands import Bands

_SAMPLE_BYTES = 64  # of the memory for each pixel that is looked at: looking for noise takes a multiple of it
_RESTORED_SHARE = 16  # one pixel in so many of those that are looked at is also restored
_SOURCE_SHARE = 8  # one part in so many of the memory may go to rows that are just being decoded


def can_write_rows(job: Job, form: str, settings: Settings) -> bool:
    """Whether the result of a job can be made and written row by row."""
    if form not in memory.ROW_FORMATS or settings.tta or job.target is None:
        return False
    return job.target.is_file() or not job.target.exists()


def sizes_of(found: Parts | Picture, settings: Settings) -> Sizes:
    """The sizes of a TIFF file or a picture, and of its result; PictureError as for `Settings.result_size`."""
    size, file = (found.width, found.height), 0
    if isinstance(found, Picture):
        samples, depth = found.samples, found.bits // 8
    else:
        samples, depth = (3, 1) if found.is_palette else (min(found.samples, 4), max(1, found.bits // 8))
        file = len(found.data)
    return Sizes(size, settings.result_size(*size), samples, depth, file)


def most_rows(settings: Settings) -> int:
    """Bytes of a file's rows that may be decoded at once."""
    return memory.allowed(settings) // _SOURCE_SHARE


def most_looked_at(settings: Settings) -> int:
    """Pixels of a sample of which noise and the like are estimated."""
    return memory.allowed(settings) // _SAMPLE_BYTES


def most_restored(settings: Settings) -> int:
    """Pixels of a sample that is restored, to be looked at again."""
    return most_looked_at(settings) // _RESTORED_SHARE


def result_page(bands: "Bands", page: Picture, dtype: "np.dtype[Any]") -> Picture:
    """What a result is like, without its pixels."""
    about: dict[str, Any] = {"metadata": page.metadata, "source": page.source}
    span = page.span if dtype == page.pixels.dtype else (0.0, 1.0)
    size = (bands.shape.width, bands.shape.height)
    return tiffbands.hollow(*size, page.channels, dtype, alpha=page.alpha is not None, span=span, **about)


def as_stored(rows: NDArray[Any], page: Picture) -> NDArray[Any]:
    """Samples with black 0 and white 1 as the page has them: floating point may have another black and white."""
    if page.is_float and page.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in page.span)
        stored: NDArray[Any] = rows * (white - black) + black
        if page.alpha is not None:
            stored[..., -1] = rows[..., -1] * white
        return stored
    return rows
