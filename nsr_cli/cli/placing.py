"""Results go to their places: folders are made, and nothing is replaced that should stay."""

import threading
from pathlib import Path

from nsr_cli.cli.inputs import is_special
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.packing import pack, pack_into
from nsr_cli.cli.pipeline import Cancelled
from nsr_cli.cli.plan import Job
from nsr_cli.cli.redo import is_untouched, stamp_of
from nsr_cli.cli.settings import Settings
from nsr_cli.cli.work import Work
from nsr_cli.errors import WriteError
from nsr_cli.files import atomic_stream, write_atomic, write_error
from nsr_cli.shown import safe_text


class ResultWriter:
    """Writes the results of a run.

    Args:
        settings: of the run.
        stop: when set, the work is given up.
        replaces: a result may replace an existing file.
    """

    def __init__(self, settings: Settings, stop: threading.Event, replaces: bool) -> None:
        self._settings = settings
        self._stop = stop
        self._replaces = replaces

    def keeps(self, outcome: Outcome) -> bool:
        """Whether a result that is there stays all the same: it has just appeared, or been edited."""
        job = outcome.job
        if job.target is None:
            return False
        if job.outdated is None:  # the plan knew of none: another run may be at the same folder
            if not self._replaces and job.target.is_file():
                outcome.status, outcome.there = "skipped", "appeared in the meantime"
            return outcome.status == "skipped"
        if is_untouched(job.target, self._settings.max_pixels, self._stop):
            return False
        outcome.status, outcome.there = "skipped", "was made with other settings, but has been edited since"
        return True

    def put(self, work: Work) -> None:
        """Encode the pages and put the file in its place, complete or not at all.

        Raises:
            EncodeError: the format cannot hold them.
            WriteError: it cannot be written.
            Cancelled: the run was stopped.
        """
        outcome, job = work.outcome, work.outcome.job
        if (
            work.packer is not None
            and work.unchanged is None
            and job.target is not None
            and not is_special(job.target)
        ):
            self.make_room(job)
            with atomic_stream(job.target, job.source) as file:
                pack_into(file, work.pages, self._settings, outcome, work.packer)
                self._go_on()
                self.make_room(job)
            return
        data = work.unchanged or pack(work.pages, work.format, self._settings, outcome, work.packer)
        self._go_on()
        if job.target is None:
            outcome.data = data
        else:
            self.make_room(job)
            write_atomic(job.target, data, like=job.source)

    def make_room(self, job: Job) -> None:
        """Make the folder of the target. WriteError if that cannot be, or something is there that should stay."""
        target = job.target or Path()
        if (
            not self._replaces
            and target.is_file()
            and (job.outdated is None or stamp_of(target) != job.outdated)
        ):
            what = "appeared" if job.outdated is None else "changed"
            raise WriteError(f"{safe_text(target)} {what} in the meantime; --if-exists overwrite replaces it")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(target, error) from error

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Cancelled
