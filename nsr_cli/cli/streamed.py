"""The way of a TIFF picture that is too large for the memory: rows in, rows through the networks, tiles out.

TiffSource ── bands ──▶ Restorer.bands ── rows ──▶ tiffbands.write ──▶ a file without a name ──▶ the result
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.cli import memory, provenance
from nsr_cli.cli.levels import Level, level_of
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.pipeline import Cancelled
from nsr_cli.cli.plan import Job
from nsr_cli.cli.restorers import RestorerLike
from nsr_cli.cli.seal import Seal
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import DecodeError
from nsr_cli.files import atomic_stream
from nsr_cli.imaging import codec, tiffbands
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiffparts import FileBytes, open_parts
from nsr_cli.sandbox.decoder import Decoder

if TYPE_CHECKING:
    from nsr_cli.cli.tiffsource import TiffSource
    from nsr_cli.engine.bands import Bands

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SOURCE_SHARE = 8  # one part in so many of the memory may go to rows that are just being decoded
_WRITING = 48 << 20  # bytes for tiles that are being packed, and the like


@dataclass(slots=True)
class Streamed:
    """A picture that is not in memory, between two steps of its journey."""

    source: "TiffSource"
    level: Level


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
        """The picture of a job, if it is one for this way; None if it can go, or has to go, through memory.

        Raises:
            DecodeError: it cannot be read.
            MemoryExhausted: it would have to go through memory and does not fit.
            PictureError: as for `Settings.result_size` and `level_of`.
        """
        if job.source is None or job.target is None or job.format not in (None, "TIFF"):
            return None
        if self._settings.task == "auto" or (job.target.exists() and not job.target.is_file()):
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

    def restore(
        self,
        streamed: Streamed,
        outcome: Outcome,
        restorer: RestorerLike,
        progress: Callable[[int, int], None],
    ) -> None:
        """Restore and write one picture; whatever goes wrong, there is no file then."""
        from nsr_cli.restore import Restorer

        source, settings = streamed.source, self._settings
        if not isinstance(restorer, Restorer):
            raise TypeError(f"{type(restorer).__name__} works on whole pictures only")
        page, budget = source.page, memory.allowed(settings)
        bands = restorer.bands(
            source.bands(),
            page.pixels.dtype,
            sigma=streamed.level.sigma,
            quality=streamed.level.quality,
            strength=settings.strength,
            size=settings.target_size(page.width, page.height),
            memory=max(budget - _WRITING, budget // 2),
            progress=progress,
        )
        outcome.out_size = (bands.shape.width, bands.shape.height)
        self._write(bands, page, outcome)

    def _write(self, bands: "Bands", page: Picture, outcome: Outcome) -> None:
        about: dict[str, Any] = {"metadata": page.metadata, "source": page.source, "span": page.span}
        width, height = bands.shape.width, bands.shape.height
        result = tiffbands.hollow(width, height, page.channels, page.pixels.dtype, **about)
        codec.check_encodable("TIFF", width, height, page.bits, False)
        outcome.notes += [f"TIFF: {loss}" for loss in codec.losses(result, "TIFF")]
        tap, seal, token = bands.tap(), Seal(), secrets.token_hex(32)
        seal.begin(result)

        def rows(top: int, bottom: int) -> NDArray[Any]:
            self._check()
            made = tap.read(top, bottom)
            seal.add(made, None)
            return _as_stored(made, result)

        self._make_room(outcome.job)
        with atomic_stream(outcome.job.target or Path()) as file:
            tiffbands.write(file, self._signed(result, outcome, token), rows)
            tiffbands.replace_text(file, token.encode(), seal.hexdigest().encode())
            self._check()
            self._make_room(outcome.job)

    def _opened(self, file: FileBytes, outcome: Outcome) -> Streamed | None:
        from nsr_cli.cli.tiffsource import Unsuitable, open_source

        settings = self._settings
        parts = open_parts(file, settings.max_pixels)
        if parts is None:
            return None
        samples = min(parts.samples, 4)
        size = (parts.width, parts.height)
        sizes = memory.Sizes(size, settings.result_size(*size), samples, max(1, parts.bits // 8))
        budget = memory.allowed(settings)
        if memory.in_one_piece(sizes) <= budget:
            return None
        try:
            if settings.tta:
                raise Unsuitable("--tta, which turns the picture on its side")
            source = open_source(parts, file, self._decoder, self._check, budget // _SOURCE_SHARE)
        except Unsuitable as reason:
            hint = f"it has {reason}, so that it cannot go through in bands; allow more, or cut it in parts"
            memory.check(sizes, "TIFF", settings, hint)
            return None
        outcome.size = (source.page.width, source.page.height)
        outcome.notes += source.page.notes
        level = self._level(source)
        outcome.sigma, outcome.quality, outcome.found = level.sigma, level.quality, level.note
        return Streamed(source, level)

    def _level(self, source: "TiffSource") -> Level:
        """The level that was asked for, or the one found in parts of the picture."""
        settings = self._settings
        asked = settings.sigma if settings.task == "denoise" else settings.jpeg_quality
        if settings.task == "upscale" or asked is not None:
            return level_of(settings, source.page, b"")
        return level_of(settings, Picture(source.sample()), b"")

    def _signed(self, page: Picture, outcome: Outcome, token: str) -> Picture:
        """The page with the note of how it was made, where `token` stands for the digest of its pixels."""
        if self._settings.strip:
            return page.with_metadata(replace(page.metadata, exif=None, text=()))
        command = provenance.arguments_of(self._settings, "TIFF")
        made_by = (outcome.model or "", outcome.model_sha256 or "")
        # What reading float samples gives is known only when all are written; such a result is never taken for ours.
        return provenance.mark(page, command, *made_by, None if page.is_float else token)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled


def check_fits(page: Picture, form: str, settings: Settings) -> None:
    """MemoryExhausted if a decoded picture's result will not fit into memory beside it."""
    samples = page.channels + (page.alpha is not None)
    size = (page.width, page.height)
    sizes = memory.Sizes(size, settings.result_size(*size), samples, page.bits // 8)
    hint = "allow more, or cut it in parts"
    if form != "TIFF":
        hint = "allow more, or use TIFF, which is read and written in bands (--format tiff)"
    memory.check(sizes, form, settings, hint)


def _is_tiff(path: Path) -> bool:
    if not path.is_file():
        raise DecodeError("it is no file")
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


def _as_stored(rows: NDArray[Any], page: Picture) -> NDArray[Any]:
    if page.is_float and page.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in page.span)
        stored: NDArray[Any] = rows * (white - black) + black
        return stored
    return rows
