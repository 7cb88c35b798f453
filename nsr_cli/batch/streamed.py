"""Which files are too large for memory, and are therefore read and restored row by row, one page after the other."""

import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nsr_cli.batch.heldsource import Held
from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.packing import check_count
from nsr_cli.batch.pipeline import raise_if
from nsr_cli.batch.tiffsource import TiffSource, Unsuitable, open_source, with_whites
from nsr_cli.errors import DecodeError
from nsr_cli.forecast import memory
from nsr_cli.forecast.memory import Ends
from nsr_cli.forecast.rows import can_write_rows, most_looked_at, most_rows, sizes_of
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.metadata import stacks
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff.parts import Parts, open_pages
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import unreadable
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.steps.levels import Level, level_of

_MOST_METADATA = 64 << 20  # bytes of all pages of a file together


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page: the source of its rows, and what to do with them."""

    source: TiffSource | Held
    level: Level


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file between two steps of its journey; the results of its pages are never in memory as a whole."""

    leaves: list[Leaf]
    format: str
    room: int
    """Bytes for rows and tiles."""

    @property
    def first(self) -> Leaf:
        """The first page."""
        return self.leaves[0]

    @property
    def skip_reason(self) -> str | None:
        """Why the file is better left alone, if that holds for every page."""
        return self.first.level.skip_reason if all(leaf.level.skip_reason for leaf in self.leaves) else None

    def close(self) -> None:
        """Close the file."""
        for leaf in self.leaves:
            leaf.source.close()


class Streams:
    """Decides which files are streamed; `decoder` decodes parts of them, `stop` ends the work."""

    def __init__(self, settings: Settings, decoder: Decoder, stop: threading.Event) -> None:
        self._settings = settings
        self._decoder = decoder
        self._check = partial(raise_if, stop)

    def open(self, job: Job, outcome: Outcome) -> Streamed | None:
        """The pages of a job, if it is a TIFF file to be streamed; None if it can, or must, be decoded as a whole.

        Raises:
            DecodeError: it cannot be read.
            EncodeError: the result's format cannot hold the pages.
            MemoryExhausted: it does not fit in any way.
            PictureError: as for `Settings.result_size` and `level_of`.
        """
        if job.source is None or not can_write_rows(job, job.format or "TIFF", self._settings):
            return None
        try:
            if not _is_tiff(job.source):
                return None
            file = FileBytes(job.source)
        except OSError:
            return None  # the ordinary reader says what is wrong
        found = None
        try:
            found = self._opened(file, outcome)
        finally:
            if found is None:
                file.close()
        return found

    def hold(self, pages: list[Picture], form: str, data: bytes, outcome: Outcome) -> Streamed | None:
        """A file's only picture, already in memory, to be streamed if its result does not fit beside it; else None.

        Raises:
            MemoryExhausted: it does not fit in any way, or the several pictures do not.
            PictureError: as for `Settings.result_size` and `level_of`.
        """
        rows = len(pages) == 1 and can_write_rows(outcome.job, form, self._settings)
        sizes = [sizes_of(page, self._settings) for page in pages]
        ends = Ends(form, read=False, written=rows, tiff=pages[0].source == "TIFF")
        route = memory.route_pages(sizes, self._settings, ends)
        if not route.bands:
            return None
        source = Held(pages[0])
        return Streamed([Leaf(source, self._level(source, data))], form, route.room)

    def _opened(self, file: FileBytes, outcome: Outcome) -> Streamed | None:
        settings, form = self._settings, outcome.job.format or "TIFF"
        pages = open_pages(file, settings.max_pixels)
        sizes = [sizes_of(parts, settings) for parts in pages]
        if not pages or memory.fits(sizes, form, settings):
            return None
        try:
            leaves = self._leaves(pages, file)
        except Unsuitable as reason:
            memory.route_pages(sizes, settings, Ends(form, read=False, written=True, why=str(reason)))
            return None
        check_count(len(leaves), "TIFF", form)
        route = memory.route_pages(sizes, settings, Ends(form, read=True, written=True))
        page, level = leaves[0].source.page, leaves[0].level
        outcome.size = (page.width, page.height)
        behind = stacks.slices_behind(file, pages[0].place) if len(pages) == 1 else 0
        outcome.notes += (*page.remarks, *stacks.note(behind))
        outcome.sigma, outcome.quality, outcome.found = level.sigma, level.quality, level.note
        return Streamed(leaves, form, route.room)

    def _leaves(self, pages: list[Parts], file: FileBytes) -> list[Leaf]:
        """The pages of a file. Raises as `open_source`."""
        sources, profiles, taken = list[TiffSource](), dict[bytes | None, bytes | None](), 0
        for parts in pages:
            source = open_source(parts, file, self._decoder, self._check, most_rows(self._settings))
            metadata = source.page.metadata
            taken += metadata.size - (len(metadata.icc or b"") if metadata.icc in profiles else 0)
            if taken > _MOST_METADATA:
                raise Unsuitable("more than its share of texts and profiles")
            # The pages of a scan have the same profile, which is kept in memory only once.
            metadata = replace(metadata, icc=profiles.setdefault(metadata.icc, metadata.icc))
            sources.append(replace(source, page=source.page.with_metadata(metadata)))
        return [Leaf(source, self._level(source, b"")) for source in with_whites(sources)]

    def _level(self, source: TiffSource | Held, data: bytes) -> Level:
        """The level that was asked for, or the one found in parts of the picture."""
        settings = self._settings
        asked = settings.sigma if settings.task == "denoise" else settings.jpeg_quality
        if settings.task == "upscale" or asked is not None:
            return level_of(settings, source.page, data)
        return level_of(settings, Picture(source.sample(most_looked_at(settings))), data)


def _is_tiff(path: Path) -> bool:
    if reason := unreadable(str(path)):
        raise DecodeError(reason)
    with path.open("rb") as file:
        return file.read(4) in codec.TIFF_MAGIC
