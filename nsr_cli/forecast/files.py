"""What each file of a run will take, from its header alone: sizes, disk space, memory."""

import struct
from contextlib import suppress
from dataclasses import dataclass, replace

from nsr_cli.errors import DecodeError, PictureError
from nsr_cli.forecast import memory
from nsr_cli.forecast.memory import Ends, Sizes
from nsr_cli.forecast.rows import can_write_rows, most_rows, why_not
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.heads.head import Head
from nsr_cli.imaging.heads.pages import read_heads
from nsr_cli.imaging.ifd import DirectoryError
from nsr_cli.imaging.limits import check_size
from nsr_cli.imaging.tiff import cameraraw
from nsr_cli.imaging.tiff.parts import open_pages
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import LargeEnough, Settings

# Bytes of a compressed file for each byte of samples: the least that photographs reach.
_LEAST = {"PNG": 0.25, "TIFF": 0.25, "GIF": 0.1, "WEBP": 0.15, "JPEG": 0.02}
_MOST_PACKED = 60  # bytes of samples for each byte of a file, in photographs
# Samples of a pixel, and bytes of a sample, by the bytes of a pixel.
_SAMPLES = {1: (1, 1), 2: (1, 2), 3: (3, 1), 4: (4, 1), 6: (3, 2), 8: (4, 2), 12: (3, 4), 16: (4, 4)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a file before it is read; sizes are those of its first picture."""

    size: tuple[int, int]
    out_size: tuple[int, int]
    heads: tuple[Head, ...]
    """The heads of all pictures that are read."""
    pixels: int
    """Pixels of all results together."""
    least: int
    """Bytes that the result will take at least on the disk."""
    memory: int
    """About how many bytes of memory it takes while it is restored, without libraries and weights."""

    @property
    def pages(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every picture that is read of it."""
        return tuple((head.width, head.height) for head in self.heads)


def surely_enough(job: Job, stored: int, settings: Settings) -> float:
    """Bytes that `Forecast.least` hardly exceeds for a file of `stored` bytes, which need not be opened.

    For a packed result it never does: `least` is at most half of what the file grows to, and rounding up the size of
    a few pixels does not double that.
    """
    each = 1 if (job.format or "PNG") in _LEAST else _MOST_PACKED
    return stored * each * settings.largest_factor**2


def forecast(job: Job, settings: Settings) -> Forecast | None:
    """A forecast from the header of a file, or of each of its pages; None if that does not say enough.

    Raises:
        DecodeError: it has more pixels than may be read, or is a camera raw file.
        PictureError: the result's size is not possible.
        MemoryExhausted: it takes more memory than it may.
    """
    if job.source is None:
        return None
    with suppress(OSError), FileBytes(job.source) as data:  # the decoder says what is wrong
        return forecast_open(job, data, settings)
    return None


def forecast_open(job: Job, data: FileBytes, settings: Settings) -> Forecast | None:
    """`forecast` for an open file, which might change or vanish before it is opened again."""
    cameraraw.refuse(data)  # the heads would be those of previews
    heads, stored = read_heads(data, every_frame=settings.all_frames), len(data)
    if not heads or job.source is None:
        return None
    tiff = job.source.suffix.lower() in (".tif", ".tiff")
    form = job.format or ("TIFF" if tiff else "PNG")
    copies = memory.copies_of(codec.sniff(data))
    found = [replace(sizes, copies=copies) for sizes in _sizes_of(heads, stored, settings)]
    samples = sum(page.result for page in found)
    # A drawing that compresses well as an input does so as a result.
    packed = stored / sum(page.stored for page in found)
    rate = _LEAST.get(job.format or "PNG")
    least = int(samples * min(rate, packed / 2)) if rate else samples
    written = can_write_rows(job, form, settings)
    ends = (
        _tiff_ends(data, form, settings)
        if tiff and written
        else Ends(form, read=False, written=written, tiff=tiff)
    )
    taken = memory.route_pages(found, settings, ends).peak
    pixels = sum(page.out_size[0] * page.out_size[1] for page in found)
    return Forecast(found[0].size, found[0].out_size, tuple(heads), pixels, least, taken)


def _sizes_of(heads: list[Head], stored: int, settings: Settings) -> list[Sizes]:
    """The sizes of each picture of a file with `stored` bytes, and of its result. Raises as `forecast`."""
    known: dict[Head, Sizes] = {}
    for number, head in enumerate(heads, 1):
        if head in known:
            continue
        size = head.width, head.height
        try:
            check_size(*size, settings.max_pixels)
            out = settings.result_size(*size)
        except LargeEnough as error:  # a file is skipped only if its first picture is large enough
            raise error if number == 1 else PictureError(f"picture {number}: {error}") from error
        known[head] = Sizes(size, out, *_SAMPLES.get(head.depth, (3, -(-head.depth // 3))), stored)
    return [known[head] for head in heads]


def _tiff_ends(file: FileBytes, form: str, settings: Settings) -> Ends:
    """Which ends of a TIFF file's way, to a result that is written in rows, can go in bands."""
    with suppress(OSError, DecodeError, DirectoryError, struct.error):
        pages = open_pages(file, settings.max_pixels)
        reasons = (why_not(parts, file, most_rows(settings)) for parts in pages)
        why = next((reason for reason in reasons if reason), "")
        return Ends(form, read=bool(pages) and not why, written=True, why=why)
    return Ends(form, read=False, written=True, tiff=True)  # the decoder says what is wrong
