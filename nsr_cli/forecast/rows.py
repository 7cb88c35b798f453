"""Which files can be read, and which results written, row by row, and how much is in memory at once."""

from nsr_cli.forecast import memory
from nsr_cli.forecast.memory import Sizes
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.metadata import exif
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff import tags
from nsr_cli.imaging.tiff.parts import Parts
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from nsr_cli.shown import counted

_COLORS = 6  # the most bytes of a palette's color
_SAMPLE_BYTES = 64  # of memory for each pixel that is looked at, a multiple of its own
_RESTORED_SHARE = 16  # one in so many of these pixels is also restored
_SOURCE_SHARE = 8  # rows that are being decoded may take one part in so many of the memory


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
    """Pixels of a sample from which noise and the like are estimated."""
    return memory.allowed(settings) // _SAMPLE_BYTES


def most_restored(settings: Settings) -> int:
    """Pixels of a sample that is restored, to be looked at again."""
    return most_looked_at(settings) // _RESTORED_SHARE


def why_not(parts: Parts, file: FileBytes, largest: int) -> str:
    """What prevents a file from being read in bands, as far as its directory tells; empty if nothing does.

    Up to `largest` bytes of rows may be decoded at once.
    """
    if tags.read(file, parts.place)[1] in exif.SIDEWAYS:
        return "a picture on its side"
    step = 1 if parts.is_plain else parts.rows
    unpacked = parts.row_bytes * (_COLORS if parts.is_palette else 1)
    return f"strips or tiles of {counted(step, 'row')}" if 3 * step * unpacked > largest else ""
