"""A dry run: what a run would do, and how much it would take, in a line or JSON object for each picture."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

from nsr_cli.batch.headchecks import refuse_file, refuse_result
from nsr_cli.batch.outcome import EDITED, Outcome, as_json, decided_by_plan, facts, step_record
from nsr_cli.batch.streamed import Streams
from nsr_cli.errors import DecodeError, NotReady, NsrError
from nsr_cli.forecast.files import Forecast, forecast_open
from nsr_cli.forecast.pace import estimate
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import unread
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.reading import read_file
from nsr_cli.planning.redo import noted_pixels
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text
from nsr_cli.steps.levels import level_of
from nsr_cli.terminal.console import Console
from nsr_cli.terminal.texts import human_bytes, human_duration


def show(plan: Plan, settings: Settings, console: Console) -> list[NsrError]:
    """Say what a run would do, in a line or JSON object for each picture, and what it would take; returns the failures.

    For `auto` the pictures are decoded and inspected.
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
    left = len(plan.jobs) - alone - impossible
    counts = [
        (alone, "better left alone"),
        (impossible, "not possible"),
        (len(plan.results), "already a result"),
        (len(plan.existing), "already done"),
        (len(plan.failed), "unreadable"),
    ]
    told = ", ".join([f"{left} to restore", *(f"{count} {what}" for count, what in counts if count)])
    takes = (
        f"; {pixels / 1e6:.1f} megapixels, at least {human_bytes(disk)} of disk, "
        f"about {human_bytes(most)} of memory for the largest file{_time(sizes, settings)}"
    )
    console.note(told + (takes if left else ""))
    return [failure for failure in failures if failure is not None]


def _planned(plan: Plan, settings: Settings) -> Iterator[tuple[Outcome, Forecast | None]]:
    """The expected outcome of each job of the plan."""
    with ExitStack() as stack:
        auto = settings.task == "auto" and any(job.source is not None for job in plan.jobs)
        decoder = stack.enter_context(Decoder(settings.max_pixels)) if auto else None
        for job in plan.jobs:
            outcome, found = Outcome(job, job.label, status="planned"), None
            outcome.sigma, outcome.quality = settings.sigma, settings.jpeg_quality
            try:
                found = _foretold(outcome, decoder, settings)
            except NotReady as error:  # there would be no decoder for the next one either
                raise NotReady(f"{safe_text(job.label)}: {error}") from error
            except NsrError as error:
                outcome.fail(error)
            yield outcome, found


def _foretold(outcome: Outcome, decoder: Decoder | None, settings: Settings) -> Forecast | None:
    """Look at a file, with a decoder also at its pixels, and fill in its outcome. NsrError if it would fail."""
    job = outcome.job
    if job.outdated is not None and job.target is not None and noted_pixels(job.target) is None:
        outcome.keep(EDITED)
    if job.source is None or outcome.status != "planned":
        return None
    try:
        with FileBytes(job.source) as data:
            found = forecast_open(job, data, settings)
            heads = found.heads if found is not None else ()
            kind = refuse_file(data, heads, job, settings)
    except OSError as error:
        raise DecodeError(unread(error)) from error
    if found is not None:
        outcome.size, outcome.out_size = found.size, found.out_size
        outcome.scale = settings.ratio(*found.size)
    if decoder is not None:
        _look(outcome, job, decoder, settings)
    if outcome.status == "planned":
        refuse_result(kind, heads, job, settings)
    return found


def _look(outcome: Outcome, job: Job, decoder: Decoder, settings: Settings) -> None:
    """Record the steps that `auto` would take for a picture, or that there would be none."""
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
    """How long computing will take, if an earlier run's pace is known."""
    seconds = estimate(sizes, settings) if sizes else None
    return "" if seconds is None else f"; about {human_duration(seconds)} at the pace of the last run"


def _show_one(outcome: Outcome, settings: Settings, console: Console) -> None:
    if console.json:
        console.json_line(as_json(outcome, settings.task))
        return
    if outcome.error is not None:
        console.error(f"{outcome.label}: {outcome.error}")
        return
    there = ""
    if outcome.status == "skipped":
        there = f"  (skipped: {outcome.reason or outcome.there})"
    elif outcome.job.outdated:
        there = "  (made with other settings: made again, unless its pixels were edited)"
    arrow = f" -> {outcome.job.target_label}" if outcome.placed else ""
    console.data(f"{outcome.label}{arrow}{facts(outcome)}{there}")
