"""One picture's way through a run: read and decode, restore, encode and write.

Each step takes what the one before returned. A failure is recorded in the `Outcome` and ends that picture's way;
nothing is written for it, and the other pictures go on.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial

from nsr_cli.batch.choice import Choice
from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.packing import check_count, own_format, packer_of
from nsr_cli.batch.pipeline import Budget, GoOn, raise_if
from nsr_cli.batch.placing import ResultWriter
from nsr_cli.batch.rowwise import RowWriter
from nsr_cli.batch.streamed import Streamed, Streams
from nsr_cli.batch.turns import Turns
from nsr_cli.batch.work import Item, Work
from nsr_cli.errors import MemoryExhausted, NotReady, NsrError
from nsr_cli.forecast.files import forecast as check_fits
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.stream import is_followed
from nsr_cli.machine import NO_THREADS, lacks_threads
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.reading import read_file
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text
from nsr_cli.steps.levels import Level, level_of, options_of
from nsr_cli.steps.restorers import Loader, RestorerLike, Restorers, Unstartable
from nsr_cli.terminal.console import Console
from nsr_cli.terminal.progress import Progress


class Journey:
    """The three steps, for the threads of a pipeline.

    Args:
        plan, settings: of the run.
        load: loads restorers; called only by `restore`, before it lets another picture begin.
        console: shows the tracebacks of internal errors, and what the decoder says.
        progress: told which picture is being restored, and how much of it is done.
    """

    def __init__(
        self, plan: Plan, settings: Settings, load: Loader, console: Console, progress: Progress
    ) -> None:
        self.stop = threading.Event()
        """When set, the work is given up."""
        self.decoder = Decoder(
            settings.max_pixels, every_frame=settings.all_frames, stop=self.stop, notice=console.warning
        )
        """Where files are decoded; to be closed after the last one."""
        self.turns = Turns(plan.pictures, self.stop)
        """When each picture has the device."""
        self._settings = settings
        self._restorers = Restorers(settings, load, console)
        self._console = console
        self._progress = progress
        self._check = partial(raise_if, self.stop)
        self._choice = Choice(settings, self._restorers, self._check)
        self._writer = ResultWriter(settings, self.decoder, self.stop, plan.rule)
        self._budget = Budget(settings.bytes_in_flight, self.stop)
        self._streams = Streams(settings, self.decoder, self.stop)

    def decode(self, item: Item) -> Work:
        """Read a file and decode every page that will be restored."""
        label = item.job.label if item.number == 1 else f"{item.job.label}, picture {item.number}"
        work = Work(Outcome(item.job, label, item.number))
        with self._step(work.outcome, "decode"):
            if item.problem is not None:
                raise item.problem
            if self._writer.keeps(work.outcome):
                return work
            check_fits(item.job, self._settings)
            work.streamed = self._streams.open(item.job, work.outcome)
            if work.streamed is None:
                self._decode_pages(item, work)
            elif work.streamed.skip_reason:
                work.streamed.close()
                work.outcome.leave_alone(work.streamed.skip_reason, large=True)
        return work

    def _decode_pages(self, item: Item, work: Work) -> None:
        """Decode a whole file; if its only picture's result is too large for memory, that is streamed nevertheless."""
        settings, outcome = self._settings, work.outcome
        data = item.data if item.data is not None else read_file(item.job.source, settings.max_pixels)
        pages = work.pages = self.decoder.pages(data)
        first = pages[0]
        outcome.size = (first.width, first.height)
        outcome.notes += (*first.remarks, *((item.job.note,) if item.job.note else ()))
        if item.data is None and is_followed(data):
            outcome.notes.append("further pictures follow it in the file: left out; piped in, all are taken")
        outcome.is_first_frame = first.first_of > 1
        work.format = item.job.format or own_format(pages)
        check_count(len(pages), first.source, work.format)
        work.streamed = self._streams.hold(pages, work.format, data, outcome)
        if work.streamed is not None:
            work.levels, work.pages = [work.streamed.first.level], []
        else:
            work.levels = [level_of(settings, page, data) for page in pages]
        level = work.levels[0]
        outcome.sigma, outcome.quality, outcome.found = level.sigma, level.quality, level.note
        if all(one.skip_reason for one in work.levels):
            outcome.leave_alone(level.skip_reason, large=work.streamed is not None)
            if work.format == first.source and not settings.strip:
                work.unchanged = data

    def restore(self, work: Work, go_on: GoOn) -> Work:
        """Restore every page; calling `go_on` lets the next picture begin beside it."""
        outcome = work.outcome
        self.turns.arrive()
        if outcome.status != "ok":
            return work
        self._progress.picture(outcome.label)
        work.loaded = self._restorers.seconds
        with self._step(outcome, "infer"):
            work.held = self._most_bytes(work)
            self._budget.take(work.held)
            if work.streamed is not None:
                self._stream(work.streamed, work)
            else:
                self._restore_pages(work, go_on)
                outcome.out_size = (work.pages[0].width, work.pages[0].height)
        outcome.wait, outcome.seconds["infer"] = work.turn.wait, work.turn.seconds  # without loading
        return work

    def write(self, work: Work) -> Outcome:
        """Encode the pages and put the file in its place, complete or not at all."""
        outcome = work.outcome
        if outcome.status == "ok" and work.streamed is None:
            with self._step(outcome, "encode"):
                self._writer.put(work)
        outcome.seconds["encode"] += 0 if work.packer is None else work.packer.seconds
        work.pages, work.unchanged = [], None
        self._budget.give(work.held)
        return outcome

    @contextmanager
    def _step(self, outcome: Outcome, name: str) -> Iterator[None]:
        """Time a step, and record an error in it as the picture's failure."""
        started = time.perf_counter()
        try:
            yield
        except Unstartable:
            raise
        except NotReady as error:
            raise NotReady(f"{safe_text(outcome.label)}: {error}") from error
        except NsrError as error:
            outcome.fail(error)
        except MemoryError:
            outcome.fail(MemoryExhausted("out of memory; close other programs, or restore a smaller picture"))
        except Exception as error:  # noqa: BLE001 (one picture must not end the run)
            self._console.traceback(error)
            reason = f"internal error: {type(error).__name__}: {error}; run with --debug for the traceback"
            outcome.fail(NsrError(NO_THREADS if lacks_threads(error) else reason))
        outcome.seconds[name] = time.perf_counter() - started

    def _most_bytes(self, work: Work) -> int:
        """Bytes that the results take until they are written; a streamed picture takes the whole budget."""
        if work.streamed is not None:
            return self._settings.bytes_in_flight
        size = self._settings.result_size
        return sum(page.result_bytes(*size(page.width, page.height)) for page in work.pages)

    def _turn(self, work: Work, cores: int) -> AbstractContextManager[None]:
        """Hold the device, or one of its cores, for a picture."""
        return self.turns.take(work.turn, cores, self._restorers.seconds - work.loaded)

    def _stream(self, streamed: Streamed, work: Work) -> None:
        """Restore and write a file in bands."""
        settings, outcome, page = self._settings, work.outcome, streamed.first.source.page
        with closing(streamed):
            restorers = [
                None if leaf.level.skip_reason else self._choice.for_leaf(leaf) for leaf in streamed.leaves
            ]
            outcome.scale = settings.ratio(page.width, page.height)
            used = next(restorer for restorer in restorers if restorer is not None)
            outcome.note_weights(used)
            writer = RowWriter(settings, streamed, outcome, self._watch, self._check)
            with self._turn(work, self.turns.cores):
                try:
                    writer.write(restorers, self._writer.make_room)
                finally:
                    outcome.note_weights(used)  # before another picture can begin with the same restorer
            pages = [leaf.source.page for leaf in streamed.leaves if not leaf.level.skip_reason]
            outcome.restored += [(page.width, page.height) for page in pages]

    def _restore_pages(self, work: Work, go_on: GoOn) -> None:
        """Replace the pages by their results; those for a TIFF file are compressed at once, to save memory."""
        work.packer = packer_of(work.pages, work.format)
        for index, level in enumerate(work.levels):
            # No variable for a page or its result here: it would keep them while the next one is restored.
            work.pages[index] = self._finished(self._restored(work.pages[index], level, work, go_on), work)

    def _finished(self, page: Picture, work: Work) -> Picture:
        self._check()
        return page if work.packer is None else work.packer.packed(page)

    def _restored(self, page: Picture, level: Level, work: Work, go_on: GoOn) -> Picture:
        settings, outcome = self._settings, work.outcome
        width, height = settings.result_size(page.width, page.height)
        codec.check_encodable(work.format, width, height, alpha=page.alpha is not None)
        if level.skip_reason:
            return page
        restorer = self._choice.for_page(page, level)
        outcome.scale = settings.ratio(page.width, page.height)
        outcome.note_weights(restorer)
        beside = self._beside(restorer, page, work)
        if beside is not None:
            with suppress(MemoryExhausted), self._turn(work, 1):  # later, alone, it may find room
                go_on()
                return self._computed(beside, page, level, work)
        with self._turn(work, self.turns.cores):
            return self._computed(restorer, page, level, work)

    def _beside(self, restorer: RestorerLike, page: Picture, work: Work) -> RestorerLike | None:
        """The restorer for a small picture on one core, while others are restored on the other cores."""
        if len(work.pages) > 1 or not self.turns.crowded:
            return None
        return restorer.on_one_core(page, self.turns.cores)

    def _computed(self, restorer: RestorerLike, page: Picture, level: Level, work: Work) -> Picture:
        outcome = work.outcome
        try:
            result = restorer.restore(page, options_of(self._settings, level, page), progress=self._watch)
        finally:
            outcome.note_weights(restorer)
        outcome.notes += [note for note in result.notes if note not in outcome.notes]
        outcome.restored.append((page.width, page.height))
        return result

    def _watch(self, done: int, total: int) -> None:
        self._check()
        self._progress.parts(done, total)
