"""Carrying out a plan: pictures through the pipeline, results reported in order, one summary, one exit code."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from nsr_cli.batch.journey import Journey
from nsr_cli.batch.outcome import Outcome, as_json, as_line, decided_by_plan, exit_code, skipped_line, timings
from nsr_cli.batch.pipeline import Pipeline
from nsr_cli.batch.work import Item, Work
from nsr_cli.errors import DecodeError, NotReady, NsrError, UsageError, WriteError
from nsr_cli.forecast.pace import Pace
from nsr_cli.imaging.stream import read_stream
from nsr_cli.machine import usable_threads
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import unread
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.restorers import Loader, Unstartable
from nsr_cli.terminal.console import Console
from nsr_cli.terminal.texts import human_duration

_MOST_ENCODERS = 6
_MANY = 10  # pictures after which the start hardly affects how long the device waited


@dataclass(slots=True)
class Tally:
    """What became of the pictures so far."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    again: int = 0
    """How many of those done replaced results that were made with other settings."""
    seconds: float = 0.0
    """Seconds of computing."""
    wait: float = 0.0
    """Seconds in which the network was idle."""
    last_error: NsrError | None = None
    """Why the last failed picture failed: it decides the exit code if there was no other picture."""

    @property
    def total(self) -> int:
        """Pictures whose outcome is known."""
        return self.done + self.skipped + self.failed


def run(plan: Plan, settings: Settings, load: Loader, console: Console, pace: Pace) -> int:
    """Restore every picture of `plan` and return the exit code.

    Results for stdout are written in order; `load` is called in another thread when the first picture is decoded;
    `pace` counts how long each picture took, and is recorded at the end. On a signal, the exception gets a note that
    says how to go on.

    Raises:
        NsrError: no restorer can be loaded.
        NotReady: no decoder can be started; a note says what was restored before, and how to go on.
        KeyboardInterrupt: a signal asked to stop; nothing half-written is left.
    """
    started = time.monotonic()
    reporter = _Reporter(console, settings.task, pace)
    _report_decided(plan, reporter, console)
    try:
        if plan.jobs:
            _restore_all(plan, settings, load, reporter, console)
        code = _summary(plan, reporter.tally, console, time.monotonic() - started)
        pace.remember()
        return code
    except Unstartable as failure:
        raise failure.args[0] from None
    except NotReady as failure:
        more = f" ({_how_to_resume(plan, reporter.tally)})" if plan.inputs > 1 else ""
        raise NotReady(f"{failure}{more}") from failure
    except KeyboardInterrupt as stopped:
        stopped.add_note(_how_to_resume(plan, reporter.tally))
        raise


def _report_decided(plan: Plan, reporter: "_Reporter", console: Console) -> None:
    """Report what the plan alone decides: what is not a picture, and which results already exist."""
    for remark in plan.skipped:
        console.note(f"{remark.path}: skipped, {remark.reason}")
    for outcome in decided_by_plan(plan):
        reporter.report(outcome)


def _restore_all(
    plan: Plan, settings: Settings, load: Loader, reporter: "_Reporter", console: Console
) -> None:
    with console.progress(plan.pictures, settings.task) as progress:
        journey = Journey(plan, settings, load, console, progress)
        decoders, encoders = _threads()
        pipeline = Pipeline[Item, Work, Outcome](
            journey.decode,
            journey.restore,
            journey.write,
            stop=journey.stop,
            decoders=decoders,
            computers=journey.turns.cores,
            encoders=encoders,
        )
        items = _items(plan.jobs, settings.max_pixels, console)
        with journey.decoder, closing(pipeline.run(items)) as outcomes:
            for outcome in outcomes:
                reporter.report(outcome)
                progress.finished()


class _Reporter:
    """Reports what became of each picture, and counts."""

    def __init__(self, console: Console, task: str, pace: Pace) -> None:
        self._console = console
        self._task = task
        self._pace = pace
        self.tally = Tally()

    def report(self, outcome: Outcome) -> None:
        """Report and count one outcome; write its file if that goes to stdout."""
        if outcome.data is not None:
            _to_stdout(outcome)
        self._count(outcome)
        if self._console.json:
            self._console.json_line(as_json(outcome, self._task))
        if outcome.error is not None:
            if outcome.error.__traceback__ is not None:
                self._console.traceback(outcome.error)
            self._console.error(f"{outcome.label}: {outcome.error}")
            return
        if outcome.status == "skipped":
            self._console.note(skipped_line(outcome))
            return
        for note in outcome.notes:
            hint = "; --all-frames takes every one" if note.startswith("first of ") else ""
            self._console.warning(f"{outcome.label}: {note}{hint}")
        # A film has too many frames for a line about each.
        say = self._console.note if outcome.number == 1 else self._console.detail
        say(as_line(outcome))
        self._console.detail(timings(outcome))

    def _count(self, outcome: Outcome) -> None:
        if outcome.status == "failed":
            self.tally.failed += 1
            self.tally.last_error = outcome.error
        elif outcome.status == "skipped":
            self.tally.skipped += 1
        else:
            self.tally.done += 1
            self.tally.seconds += outcome.seconds["infer"]
            self.tally.wait += outcome.wait
            self._pace.add(outcome.restored, outcome.seconds["infer"])
            self.tally.again += outcome.job.outdated is not None


def _items(jobs: tuple[Job, ...], max_pixels: int, console: Console) -> Iterator[Item]:
    """The pictures of the jobs; those on stdin are cut from the stream as they come."""

    def notice(text: str) -> None:
        console.warning(f"stdin: {text}")

    for job in jobs:
        if job.source is not None:
            yield Item(job)
            continue
        number = 0
        try:
            for data in read_stream(sys.stdin.buffer, max_pixels=max_pixels, notice=notice):
                number += 1
                if number > 1 and job.target is not None:
                    yield Item(job, problem=UsageError("it holds more than one picture; write them to -o -"))
                    break
                yield Item(job, number, data)
        except DecodeError as error:
            yield Item(job, problem=error)
        except OSError as error:
            yield Item(job, problem=DecodeError(unread(error)))


def _to_stdout(outcome: Outcome) -> None:
    data, outcome.data = outcome.data or b"", None
    stdout: BinaryIO = sys.stdout.buffer
    try:
        stdout.write(data)
        stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write to stdout: {error.strerror or error}") from error


def _threads() -> tuple[int, int]:
    """How many decoders and encoders: a fast device must not wait for them, and a small machine needs few."""
    usable = usable_threads()
    return (1 if usable < 4 else 2), max(1, min(_MOST_ENCODERS, usable // 2))


def _how_to_resume(plan: Plan, tally: Tally) -> str:
    """How far a run got, and what the same command would do now."""
    total, left = len(plan.jobs), plan.inputs - tally.total
    if plan.pictures is None:
        return f"{tally.done} picture{' is' if tally.done == 1 else 's are'} done"
    done = f"{tally.done} of {total} picture{'s' * (total > 1)} {'is' if 1 in (tally.done, total) else 'are'} done"
    if not left or any(job.target is None for job in plan.jobs):  # no run resumes a stream
        return done
    if plan.rule == "overwrite" and any(job.is_in_place for job in plan.jobs):
        return f"{done}; the same command would restore finished files twice; nsr info FILE tells which those are"
    if plan.rule == "overwrite" and tally.done:
        skip = "with --if-exists skip it does only those without a result"
        return f"{done}; the same command would restore all {total} again, {skip}"
    others = "it" if total == 1 else "the other one" if left == 1 else f"the other {left}"
    skip = " with --if-exists skip" if plan.rule == "error" else ""
    return f"{done}; run the same command again{skip} for {others}"


def _summary(plan: Plan, tally: Tally, console: Console, seconds: float) -> int:
    if tally.total > 1 or plan.ignored or tally.again:
        parts = [f"{tally.done} restored"]
        parts += [f"{tally.again} of them again, made with other settings before"] if tally.again else []
        parts += [f"{tally.skipped} skipped"] if tally.skipped else []
        parts += [f"{tally.failed} failed"] if tally.failed else []
        whole = tally.seconds + tally.wait
        waited = f"; the device waited {tally.wait / whole:.0%} of its time" if tally.done >= _MANY else ""
        ignored = f"; {plan.ignored}" if plan.ignored else ""
        console.note(f"{', '.join(parts)} in {human_duration(seconds)}{waited}{ignored}")
    return exit_code([] if tally.last_error is None else [tally.last_error], tally.total)
