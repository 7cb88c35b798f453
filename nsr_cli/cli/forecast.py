"""What a run will take, from the pictures' headers alone: sizes, disk space, memory."""

import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

from nsr_cli.cli import memory
from nsr_cli.cli.console import Console
from nsr_cli.cli.headchecks import refuse_file, refuse_result
from nsr_cli.cli.levels import level_of
from nsr_cli.cli.memory import Ends, Sizes
from nsr_cli.cli.outcome import Outcome, as_json, decided_by_plan, step_record
from nsr_cli.cli.pace import estimate
from nsr_cli.cli.plan import Job, Plan
from nsr_cli.cli.reading import read_file
from nsr_cli.cli.rows import can_write_rows, most_rows
from nsr_cli.cli.settings import LargeEnough, Settings
from nsr_cli.cli.streamed import Streams
from nsr_cli.cli.texts import human_bytes, human_duration
from nsr_cli.errors import DecodeError, NotReady, NsrError, PictureError
from nsr_cli.imaging import cameraraw
from nsr_cli.imaging.heads import Head
from nsr_cli.imaging.ifd import DirectoryError
from nsr_cli.imaging.limits import check_size
from nsr_cli.imaging.pageheads import read_heads
from nsr_cli.imaging.tiffparts import FileBytes, open_pages
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text

# Bytes of a compressed file for each byte of samples, at the least that photographs come to.
_LEAST = {"PNG": 0.25, "TIFF": 0.25, "GIF": 0.1, "WEBP": 0.15, "JPEG": 0.02}
# Samples of a pixel, and bytes of a sample, by the bytes of a pixel.
_SAMPLES = {1: (1, 1), 2: (1, 2), 3: (3, 1), 4: (4, 1), 6: (3, 2), 8: (4, 2), 12: (3, 4), 16: (4, 4)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a file before it is read; sizes are those of its first picture."""

    size: tuple[int, int]
    out_size: tuple[int, int]
    heads: tuple[Head, ...]
    """Of every picture that is read of it."""
    pixels: int
    """Of all results together."""
    least: int
    """Bytes that the result will surely take on the disk."""
    memory: int
    """Bytes that it takes while it is restored, about; the libraries and the weights are not counted."""

    @property
    def pages(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every picture that is read of it."""
        return tuple((head.width, head.height) for head in self.heads)


def forecast(job: Job, settings: Settings) -> Forecast | None:
    """Look at the header of a file, or of each of its pages; None if that does not say enough.

    Raises:
        DecodeError: it has more pixels than may be read, or is a camera raw file.
        PictureError: the result's size is not possible.
        MemoryExhausted: it takes more memory than it may.
    """
    if job.source is None:
        return None
    with suppress(OSError), FileBytes(job.source) as data:  # the decoder says what is wrong
        return _forecast(job, data, settings)
    return None


def _forecast(job: Job, data: FileBytes, settings: Settings) -> Forecast | None:
    """From one opening, since the file may change or vanish between two. Raises as `forecast`."""
    cameraraw.refuse(data)  # its heads are those of previews
    heads, stored = read_heads(data, every_frame=settings.all_frames), len(data)
    if not heads or job.source is None:
        return None
    tiff = job.source.suffix.lower() in (".tif", ".tiff")
    form = job.format or ("TIFF" if tiff else "PNG")
    found = _sizes_of(heads, stored, settings)
    samples = sum(page.result for page in found)
    # A drawing that packs well as an input packs well as a result.
    packed = stored / sum(page.stored for page in found)
    rate = _LEAST.get(job.format or "PNG")
    least = int(samples * min(rate, packed / 2)) if rate else samples
    written = can_write_rows(job, form, settings)
    ends = _ends(data, settings) if tiff and written else Ends(False, written, tiff=tiff)
    taken = memory.route_pages(found, form, settings, ends).peak
    pixels = sum(page.out_size[0] * page.out_size[1] for page in found)
    return Forecast(found[0].size, found[0].out_size, tuple(heads), pixels, least, taken)


def _sizes_of(heads: list[Head], stored: int, settings: Settings) -> list[Sizes]:
    """The sizes of each picture of a file of `stored` bytes, and of its result. Raises as `forecast`."""
    known: dict[Head, Sizes] = {}
    for number, head in enumerate(heads, 1):
        if head in known:
            continue
        size = head.width, head.height
        try:
            check_size(*size, settings.max_pixels)
            out = settings.result_size(*size)
        except LargeEnough as error:  # only a file whose first picture is large enough is left out
            raise error if number == 1 else PictureError(f"picture {number}: {error}") from error
        known[head] = Sizes(size, out, *_SAMPLES.get(head.depth, (3, -(-head.depth // 3))), stored)
    return [known[head] for head in heads]


def _ends(file: FileBytes, settings: Settings) -> Ends:
    """How much of a TIFF file's way to a result that is written in rows can go in bands."""
    from nsr_cli.cli.tiffsource import why_not

    with suppress(OSError, DecodeError, DirectoryError, struct.error):
        pages = open_pages(file, settings.max_pixels)
        reasons = (why_not(parts, file, most_rows(settings)) for parts in pages)
        why = next((reason for reason in reasons if reason), "")
        return Ends(bool(pages) and not why, True, why)
    return Ends(False, True, tiff=True)  # the decoder says what is wrong


def show(plan: Plan, settings: Settings, console: Console) -> list[NsrError]:
    """Say what a run would do, one line or JSON object for each picture, and what it would take; returns the failures.

    For `auto` the pictures are read and looked at.
    """
    pixels, most, disk, alone, impossible = 0, 0, 0, 0, 0
    failures: list[NsrError | None] = []
    sizes: list[tuple[int, int]] = []
    for outcome, found in _planned(plan, settings):
        _show_one(outcome, settings, console)
        alone += outcome.status == "skipped"
        impossible += outcome.status == "failed"
        failures.append(outcome.error)
        if found is not None and outcome.status == "planned":
            sizes += found.pages
            pixels += found.pixels
            most, disk = max(most, found.memory), disk + found.least
    for outcome in decided_by_plan(plan):
        _show_one(outcome, settings, console)
        failures.append(outcome.error)
    for remark in plan.skipped:
        console.note(f"{remark.path}: to be skipped, {remark.reason}")
    if plan.ignored:
        console.note(plan.ignored)
    counts = [f"{len(plan.jobs) - alone - impossible} to restore"]
    counts += [f"{alone} better left alone"] if alone else []
    counts += [f"{impossible} not possible"] if impossible else []
    counts += [f"{len(plan.results)} already a result"] if plan.results else []
    counts += [f"{len(plan.existing)} already done", f"{len(plan.failed)} unreadable"]
    console.note(
        f"{', '.join(counts)}; {pixels / 1e6:.1f} megapixels, at least {human_bytes(disk)} of disk, "
        f"about {human_bytes(most)} of memory for the largest file{_time(sizes, settings)}"
    )
    return [failure for failure in failures if failure is not None]


def _planned(plan: Plan, settings: Settings) -> Iterator[tuple[Outcome, Forecast | None]]:
    """What each job of the plan would come to."""
    with ExitStack() as stack:
        auto = settings.task == "auto" and any(job.source is not None for job in plan.jobs)
        decoder = stack.enter_context(Decoder(settings.max_pixels)) if auto else None
        for job in plan.jobs:
            outcome, found = Outcome(job, job.label, status="planned"), None
            outcome.sigma, outcome.quality = settings.sigma, settings.jpeg_quality
            try:
                found = _foretold(outcome, decoder, settings)
            except NotReady as error:  # nor would there be a decoder for the next one
                raise NotReady(f"{safe_text(job.label)}: {error}") from error
            except NsrError as error:
                outcome.fail(error)
            yield outcome, found


def _foretold(outcome: Outcome, decoder: Decoder | None, settings: Settings) -> Forecast | None:
    """Look at a file, with a decoder also at its pixels, and note what it would come to. NsrError if it would fail."""
    job = outcome.job
    if job.source is None:
        return None
    try:
        with FileBytes(job.source) as data:
            found = _forecast(job, data, settings)
            heads = found.heads if found is not None else ()
            kind = refuse_file(data, heads, job, settings)
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error
    if found is not None:
        outcome.size, outcome.out_size = found.size, found.out_size
        outcome.scale = settings.ratio(*found.size)
    if decoder is not None:
        _look(outcome, job, decoder, settings)
    if outcome.status == "planned":
        refuse_result(kind, heads, job, settings)
    return found


def _look(outcome: Outcome, job: Job, decoder: Decoder, settings: Settings) -> None:
    """Note the steps that `auto` would take with a picture, or that it would take none."""
    streams = Streams(settings, decoder, threading.Event())
    if (large := streams.open(job, outcome)) is not None:
        with closing(large):
            page, level = large.first.source.page, large.first.level
    else:
        data = read_file(job.source, settings.max_pixels)
        page = decoder.pages(data)[0]
        level = level_of(settings, page, data)
    ratio = settings.ratio(page.width, page.height)
    outcome.take_steps(step_record(step, ratio) for step in level.steps)
    if not level.steps:
        outcome.leave_alone(level.skip_reason, large=large is not None)


def _time(sizes: list[tuple[int, int]], settings: Settings) -> str:
    """The time that computing will take, if earlier runs tell."""
    seconds = estimate(sizes, settings) if sizes else None
    return "" if seconds is None else f"; about {human_duration(seconds)} at the pace of the last run"


def _show_one(outcome: Outcome, settings: Settings, console: Console) -> None:
    if console.json:
        console.json_line(as_json(outcome, settings.task))
        return
    if outcome.error is not None:
        console.error(f"{outcome.label}: {outcome.error}")
        return
    sizes = ""
    if outcome.size and outcome.out_size:
        sizes = "  {}x{} -> {}x{}".format(*outcome.size, *outcome.out_size)
    there = f"  (skipped: {outcome.reason or 'already exists'})" if outcome.status == "skipped" else ""
    there = (
        "  (made with other settings: made again, unless it was edited)" if outcome.job.outdated else there
    )
    steps = f"  {outcome.found}" if outcome.found else ""
    arrow = f" -> {outcome.job.target_label}" if outcome.placed else ""
    console.data(f"{outcome.label}{arrow}{sizes}{steps}{there}")
