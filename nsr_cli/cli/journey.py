"""One picture's way through a run: read and decode, restore, encode and write.

Each step takes what the one before returned. A failure becomes part of the `Outcome` and ends that picture's
way; nothing is written for it, and the other pictures go on.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nsr_cli.cli import provenance
from nsr_cli.cli.console import Console, Progress
from nsr_cli.cli.levels import Level, level_of
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.pipeline import Budget, Cancelled
from nsr_cli.cli.plan import Job
from nsr_cli.cli.redo import Stamp, is_untouched, stamp_of
from nsr_cli.cli.restorers import Loader, Restorers, Unstartable
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import DecodeError, EncodeError, MemoryExhausted, NsrError, WriteError
from nsr_cli.files import safe_text, write_atomic, write_error
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox.decoder import Decoder

_HOLD_SEVERAL = frozenset({"TIFF", "PNG", "WEBP", "GIF"})
_EXPECTED_LOSS = "compression is lossy"  # whoever asks for JPEG knows


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a job: the file's, or one of those on stdin with its bytes."""

    job: Job
    number: int = 1
    data: bytes | None = None
    problem: NsrError | None = None
    """Why it cannot be had, where that is known before it is read."""


@dataclass(slots=True)
class Passing:
    """A picture between two steps: its pages with their levels, and what is held of the memory budget."""

    outcome: Outcome
    pages: list[Picture] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    format: str = ""
    held: int = 0


class Journey:
    """The three steps, for the threads of a pipeline; only `restore` calls `load`.

    With `replaces` a result may replace a file that is there already.
    """

    def __init__(
        self,
        settings: Settings,
        load: Loader,
        console: Console,
        progress: Progress,
        stop: threading.Event,
        replaces: bool,
        decoder: Decoder,
    ) -> None:
        self._settings = settings
        self._restorers = Restorers(settings, load, console)
        self._console = console
        self._progress = progress
        self._stop = stop
        self._replaces = replaces
        self._decoder = decoder
        self._budget = Budget(settings.bytes_in_flight, stop)

    def decode(self, item: Item) -> Passing:
        """Read a file and decode every page that will be restored."""
        label = item.job.label if item.number == 1 else f"{item.job.label}, picture {item.number}"
        passing = Passing(Outcome(item.job, label, item.number))
        with self._step(passing.outcome, "decode"):
            if item.problem is not None:
                raise item.problem
            if self._keeps(passing.outcome):
                return passing
            data = item.data if item.data is not None else _read(item.job.source, self._settings.max_pixels)
            passing.pages = self._decoder.pages(data)
            first = passing.pages[0]
            passing.outcome.size = (first.width, first.height)
            passing.outcome.notes += first.notes
            passing.format = item.job.format or (first.source if first.source in codec.LOSSLESS else "PNG")
            _check_pages(passing)
            passing.levels = [level_of(self._settings, page, data) for page in passing.pages]
            passing.outcome.sigma = passing.levels[0].sigma
            passing.outcome.quality = passing.levels[0].quality
            passing.outcome.found = passing.levels[0].note
        return passing

    def restore(self, passing: Passing) -> Passing:
        """Run every page through the network."""
        outcome = passing.outcome
        if outcome.status != "ok":
            return passing
        self._progress.picture(outcome.label)
        before = self._restorers.seconds
        with self._step(outcome, "infer"):
            passing.held = sum(self._result_bytes(page) for page in passing.pages)
            self._budget.take(passing.held)
            pairs = zip(passing.pages, passing.levels, strict=True)
            passing.pages = [self._restored(page, level, passing) for page, level in pairs]
            outcome.out_size = (passing.pages[0].width, passing.pages[0].height)
        outcome.seconds["infer"] -= self._restorers.seconds - before
        return passing

    def write(self, passing: Passing) -> Outcome:
        """Encode the pages and put the file in its place, complete or not at all."""
        outcome = passing.outcome
        if outcome.status == "ok":
            with self._step(outcome, "encode"):
                lost = codec.losses(passing.pages[0], passing.format, self._settings.write_quality)
                outcome.notes += [f"{passing.format}: {loss}" for loss in lost if loss != _EXPECTED_LOSS]
                data = self._encoded(self._signed(passing), passing.format)
                if self._stop.is_set():
                    raise Cancelled
                if outcome.job.target is None:
                    outcome.data = data
                else:
                    self._put(outcome.job.target, data, outcome.job.outdated)
        passing.pages = []
        self._budget.give(passing.held)
        return outcome

    @contextmanager
    def _step(self, outcome: Outcome, name: str) -> Iterator[None]:
        """Time a step and turn what goes wrong in it into the picture's failure."""
        started = time.perf_counter()
        try:
            yield
        except Unstartable:
            raise
        except NsrError as error:
            outcome.fail(error)
        except MemoryError:
            outcome.fail(MemoryExhausted("out of memory; close other programs, or restore a smaller picture"))
        except Exception as error:  # noqa: BLE001 (one picture must not end the run)
            self._console.traceback(error)
            reason = f"internal error: {type(error).__name__}: {error}; run with --debug for the traceback"
            outcome.fail(NsrError(reason))
        outcome.seconds[name] = time.perf_counter() - started

    def _keeps(self, outcome: Outcome) -> bool:
        """Whether a result that was made with other settings stays all the same: it has been edited."""
        job = outcome.job
        if job.outdated is None or job.target is None:
            return False
        if is_untouched(job.target, self._settings.max_pixels, self._stop):
            return False
        outcome.status, outcome.there = "skipped", "was made with other settings, but changed since"
        return True

    def _result_bytes(self, page: Picture) -> int:
        width, height = self._settings.result_size(page.width, page.height)
        samples = page.channels + (page.alpha is not None)
        return width * height * samples * page.bits // 8

    def _restored(self, page: Picture, level: Level, passing: Passing) -> Picture:
        settings, outcome = self._settings, passing.outcome
        width, height = settings.result_size(page.width, page.height)
        codec.check_encodable(passing.format, width, height, page.bits, page.alpha is not None)
        restorer = self._restorers.get(page)
        outcome.model = "+".join(entry.name for entry in restorer.entries)
        outcome.model_sha256 = "+".join(entry.sha256 for entry in restorer.entries)
        outcome.device, outcome.precision = restorer.device, restorer.precision
        outcome.scale = settings.scale or round(width / page.width, 4) if settings.task == "upscale" else None
        result = restorer(
            page,
            sigma=level.sigma,
            quality=level.quality,
            strength=settings.strength,
            tta=settings.tta,
            size=settings.target_size(page.width, page.height),
            progress=self._watch,
        )
        outcome.notes += [note for note in result.notes if note not in outcome.notes]
        return result

    def _watch(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Cancelled
        self._progress.parts(done, total)

    def _signed(self, passing: Passing) -> list[Picture]:
        """The pages as they are written: without what `--strip` drops, else with the note of how they were made."""
        pages, outcome, form = passing.pages, passing.outcome, passing.format
        if self._settings.strip:
            return [page.with_metadata(replace(page.metadata, exif=None, text=())) for page in pages]
        quality = self._settings.write_quality
        pixels = provenance.digest_as_written(pages, form, quality, lambda: self._encoded(pages, form))
        command = provenance.arguments_of(self._settings, form)
        made_by = (outcome.model or "", outcome.model_sha256 or "")
        return [provenance.mark(page, command, *made_by, pixels) for page in pages]

    def _encoded(self, pages: list[Picture], form: str) -> bytes:
        if len(pages) == 1:
            return codec.encode(pages[0], form, quality=self._settings.write_quality)
        return codec.encode_pages(pages, form, quality=self._settings.write_quality)

    def _put(self, target: Path, data: bytes, outdated: Stamp | None) -> None:
        if not self._replaces and target.is_file() and (outdated is None or stamp_of(target) != outdated):
            what = "appeared" if outdated is None else "changed"
            raise WriteError(f"{safe_text(target)} has {what} meanwhile; --if-exists overwrite replaces it")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(target, error) from error
        write_atomic(target, data)


def _check_pages(passing: Passing) -> None:
    """EncodeError if the format cannot hold several pages or frames."""
    count, source = len(passing.pages), passing.pages[0].source
    if count > 1 and source == "TIFF" and passing.format != "TIFF":
        raise EncodeError(f"it has {count} pages, which only TIFF keeps; leave the format to TIFF")
    if count > 1 and passing.format not in _HOLD_SEVERAL:
        raise EncodeError(
            f"it has {count} frames, which {passing.format} cannot hold; choose PNG, WebP, GIF or TIFF"
        )


def _read(path: Path | None, max_pixels: int) -> bytes:
    """The bytes of a file that is not larger than any picture within the limit.

    Raises:
        DecodeError: it cannot be read, or is too large to be a picture.
    """
    if path is None:
        raise DecodeError("stdin holds no picture")
    try:
        stored = path.stat().st_size
        if stored > max_pixels * 16 + (1 << 26):  # four float samples a pixel, and room for metadata
            raise DecodeError(
                f"its {stored} bytes are too many for a picture within --max-pixels {max_pixels}"
            )
        return path.read_bytes()
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error
