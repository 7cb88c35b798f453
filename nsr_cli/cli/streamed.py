"""The way of a picture that is too large for the memory: rows through the networks, and packed row by row.

TiffSource | Held ── bands ──▶ Restorer.bands ── rows ──▶ tiffbands | pngrows ──▶ a file without a name ──▶ the result
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.cli import memory, provenance
from nsr_cli.cli.chain import Chain
from nsr_cli.cli.levels import Level, level_of
from nsr_cli.cli.memory import Ends
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.pipeline import Cancelled
from nsr_cli.cli.pixeldigest import PixelDigest
from nsr_cli.cli.plan import Job
from nsr_cli.cli.restorers import RestorerLike
from nsr_cli.cli.rows import as_stored, can_write_rows, most_rows, pack_rows, result_page, sizes_of
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import DecodeError
from nsr_cli.files import atomic_stream
from nsr_cli.imaging import codec, pngrows, tiffbands
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiffparts import FileBytes, open_parts
from nsr_cli.sandbox.decoder import Decoder

if TYPE_CHECKING:
    from nsr_cli.cli.tiffsource import Held, TiffSource
    from nsr_cli.engine.bands import Bands

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SAMPLE_BYTES = 64  # of the memory for each pixel that is looked at
_RESTORED_SHARE = 16  # one pixel in so many of those is also restored, to look again


@dataclass(slots=True)
class Streamed:
    """A picture whose result never is in memory, between two steps of its journey."""

    source: "TiffSource | Held"
    level: Level
    format: str
    room: int
    """Bytes for rows and tiles."""


class Streams:
    """Finds out which pictures go this way, and takes them along it.

    Args:
        settings: of the run.
        decoder: where parts of files are decoded.
        stop: when set, the work is given up.
        make_room: makes the folder of a job's target, and sees that nothing is replaced that should stay.
    """

    def __init__(
        self, settings: Settings, decoder: Decoder, stop: threading.Event, make_room: Callable[[Job], None]
    ) -> None:
        self._settings = settings
        self._decoder = decoder
        self._stop = stop
        self._make_room = make_room

    def open(self, job: Job, outcome: Outcome) -> Streamed | None:
        """The picture of a job, if it is a TIFF file for this way; None if it can go, or has to go, through memory.

        Raises:
            DecodeError: it cannot be read.
            MemoryExhausted: it does not fit, whatever is done.
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
        """The only picture of a file, which is in memory, if its result had better not be there too.

        Raises:
            MemoryExhausted: it does not fit, whatever is done, or the several pictures do not.
            PictureError: as for `Settings.result_size` and `level_of`.
        """
        from nsr_cli.cli.tiffsource import Held

        rows = len(pages) == 1 and can_write_rows(outcome.job, form, self._settings)
        sizes = [sizes_of(page, self._settings) for page in pages]
        route = memory.route_pages(sizes, form, self._settings, Ends(False, rows))
        if not route.bands:
            return None
        source = Held(pages[0])
        return Streamed(source, self._level(source, data), form, route.room)

    def restore(
        self,
        streamed: Streamed,
        outcome: Outcome,
        restorer: RestorerLike,
        progress: Callable[[int, int], None],
    ) -> None:
        """Restore and write one picture; whatever goes wrong, there is no file then."""
        from nsr_cli.engine.bands import alpha_bands, color_bands, with_alpha

        source, form = streamed.source, streamed.format
        page, rows = source.page, source.bands()
        if self._settings.strip:
            page = page.with_metadata(page.metadata.stripped())
        dtype = np.dtype(np.uint16) if form == "PNG" and page.is_float else page.pixels.dtype
        color = rows if page.alpha is None else color_bands(rows)
        bands = self._restored(streamed, color, dtype, outcome, restorer, progress)
        if page.alpha is not None:
            bands = with_alpha(bands, alpha_bands(rows, bands.shape.height, bands.shape.width))
        outcome.out_size = (bands.shape.width, bands.shape.height)
        made = result_page(bands, page, page.pixels.dtype)
        outcome.notes += [f"{form}: {loss}" for loss in codec.losses(made, form)]
        self._write(bands, result_page(bands, page, dtype), form, outcome)

    def _restored(
        self,
        streamed: Streamed,
        color: "Bands",
        dtype: "np.dtype[Any]",
        outcome: Outcome,
        restorer: RestorerLike,
        progress: Callable[[int, int], None],
    ) -> "Bands":
        """The rows as the network gives them, or the chain of steps that were found for the picture."""
        from nsr_cli.cli.chainbands import chain_bands, settle
        from nsr_cli.restore import Restorer

        source, level, strength = streamed.source, streamed.level, self._settings.strength
        size = self._settings.target_size(source.page.width, source.page.height)
        clipped = not source.page.is_float  # as for whole pictures, which stay floating point up to the file
        if isinstance(restorer, Chain):
            settle(restorer, lambda: source.sample(self._most_looked_at // _RESTORED_SHARE))
            outcome.note_weights(restorer)
            return chain_bands(
                restorer,
                color,
                dtype,
                strength=strength,
                size=size,
                memory=streamed.room,
                clipped=clipped,
                progress=progress,
            )
        if not isinstance(restorer, Restorer):
            raise TypeError(f"{type(restorer).__name__} works on whole pictures only")
        return restorer.bands(
            color,
            dtype,
            sigma=level.sigma,
            quality=level.quality,
            strength=strength,
            size=size,
            memory=streamed.room,
            clipped=clipped,
            progress=progress,
        )

    def _write(self, bands: "Bands", result: Picture, form: str, outcome: Outcome) -> None:
        codec.check_encodable(form, result.width, result.height, result.bits, result.alpha is not None)
        tap, digest, token = bands.tap(), PixelDigest(), secrets.token_hex(32)
        digest.begin(result)

        def rows(top: int, bottom: int) -> NDArray[Any]:
            self._check()
            made = tap.read(top, bottom)
            color = made[..., : result.channels]
            digest.add(color, None if result.alpha is None else made[..., -1])
            return as_stored(made, result)

        self._make_room(outcome.job)
        with atomic_stream(outcome.job.target or Path(), outcome.job.source) as file:
            pack_rows(file, form, self._signed(result, form, outcome, token), rows)
            if form == "TIFF":
                tiffbands.replace_text(file, token.encode(), digest.hexdigest().encode())
            else:
                pngrows.replace_metadata(file, self._signed(result, form, outcome, digest.hexdigest()))
            self._check()
            self._make_room(outcome.job)

    def _opened(self, file: FileBytes, outcome: Outcome) -> Streamed | None:
        from nsr_cli.cli.tiffsource import Unsuitable, open_source

        settings, form = self._settings, outcome.job.format or "TIFF"
        parts = open_parts(file, settings.max_pixels)
        if parts is None or memory.in_one_piece(sizes_of(parts, settings)) <= memory.allowed(settings):
            return None
        try:
            source = open_source(parts, file, self._decoder, self._check, most_rows(settings))
        except Unsuitable as reason:
            memory.route(sizes_of(parts, settings), form, settings, Ends(False, True, str(reason)))
            return None
        route = memory.route(sizes_of(parts, settings), form, settings, Ends(True, True))
        outcome.size = (source.page.width, source.page.height)
        outcome.notes += source.page.notes
        level = self._level(source, b"")
        outcome.sigma, outcome.quality, outcome.found = level.sigma, level.quality, level.note
        return Streamed(source, level, form, route.room)

    def _level(self, source: "TiffSource | Held", data: bytes) -> Level:
        """The level that was asked for, or the one found in parts of the picture."""
        settings = self._settings
        asked = settings.sigma if settings.task == "denoise" else settings.jpeg_quality
        if settings.task == "upscale" or asked is not None:
            return level_of(settings, source.page, data)
        return level_of(settings, Picture(source.sample(self._most_looked_at)), data)

    @property
    def _most_looked_at(self) -> int:
        """Pixels of a sample: looking for noise takes a multiple of what they take."""
        return memory.allowed(self._settings) // _SAMPLE_BYTES

    def _signed(self, page: Picture, form: str, outcome: Outcome, token: str) -> Picture:
        """The page with the note of how it was made, where `token` stands for the digest of its pixels."""
        if self._settings.strip:
            return page
        frames = "first" if outcome.is_first_frame else None
        command = provenance.arguments_of(self._settings, form, animated=outcome.is_first_frame)
        made_by = (outcome.model or "", outcome.model_sha256 or "")
        # What reading float samples gives is known only when all are written; such a result is never taken for ours.
        pixels = None if page.is_float else token
        steps = outcome.found if self._settings.task == "auto" else None
        return provenance.mark(page, command, *made_by, pixels, steps, frames)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled


def _is_tiff(path: Path) -> bool:
    if not path.is_file():
        raise DecodeError("it is not a file")
    with path.open("rb") as file:
        return file.read(4) in _MAGIC
