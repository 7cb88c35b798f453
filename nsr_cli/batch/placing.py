"""Put results in their places: make folders, and replace nothing that should stay."""

import threading
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

from nsr_cli.batch.outcome import EDITED, Outcome
from nsr_cli.batch.packing import pack, pack_into
from nsr_cli.batch.pipeline import raise_if
from nsr_cli.batch.work import Work
from nsr_cli.errors import DecodeError, WriteError
from nsr_cli.files import atomic_stream, write_atomic, write_error
from nsr_cli.modes import make_folder
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import is_special
from nsr_cli.planning.redo import Earlier, Overtaken, Stamp, is_untouched, stamp_of
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text


class ResultWriter:
    """Writes the results of a run by the `rule` of its plan; `decoder` reads earlier results, `stop` ends the work."""

    def __init__(self, settings: Settings, decoder: Decoder, stop: threading.Event, rule: str) -> None:
        self._settings = settings
        self._decoder = decoder
        self._stop = stop
        self._rule = rule
        self._spelled: dict[str, Path] = {}  # this run's results, by names with case folded

    def keeps(self, outcome: Outcome) -> bool:
        """Whether a result that should be made again stays nevertheless, because it has been edited or cannot be read.

        Raises:
            Overtaken, WriteError: it has just appeared or changed, as for `make_room`.
        """
        job = outcome.job
        if job.target is None:
            return False
        self._check_unchanged(job)
        if job.outdated is None or not job.target.is_file():  # deleted since
            return False
        most = round(self._settings.max_pixels * self._settings.largest_factor**2)  # pixels of a result
        changed = EDITED
        try:
            if is_untouched(job.target, most, self._decoder):
                return False
        except DecodeError as error:
            changed = f"whether it has been edited since cannot be found out: {error}"
        if not job.target.is_file():  # deleted while it was read
            return False
        outcome.keep(changed)
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
                raise_if(self._stop)
                self.make_room(job)
            return
        data = work.unchanged or pack(work.pages, work.format, self._settings, outcome, work.packer)
        raise_if(self._stop)
        if job.target is None:
            outcome.data = data
        else:
            self.make_room(job)
            write_atomic(job.target, data, like=job.source)

    def make_room(self, job: Job) -> None:
        """Make the folder of the target.

        Raises:
            Overtaken: another run has made the result in the meantime.
            WriteError: the folder cannot be made, or the target is something that should stay.
        """
        self._check_unchanged(job)
        target = job.target or Path()
        try:
            make_folder(target.parent, job.mirrored)
        except OSError as error:
            raise write_error(target, error) from error

    def _check_unchanged(self, job: Job) -> None:
        """Overtaken or WriteError if the target has changed since the plan was made."""
        target = job.target or Path()
        self._check_single(target)
        if self._rule == "overwrite" or _stamp(target) in (None, job.outdated):
            return
        what = "appeared in the meantime" if job.outdated is None else "changed in the meantime"
        if self._rule == "skip" and (job.outdated is None or self._is_made_again(job)):
            raise Overtaken(what)
        raise WriteError(f"{safe_text(target)} {what}; --if-exists overwrite replaces it")

    def _check_single(self, target: Path) -> None:
        """WriteError if the file system takes the name for that of another result: A.png and a.png on a memory card.

        Planning cannot know that, and `--if-exists` does not apply, since the other result is of this run.
        """
        other = self._spelled.setdefault(normalize("NFC", str(target)).casefold(), target)
        with suppress(OSError):
            if other != target and target.samefile(other):
                raise WriteError(
                    f"{safe_text(target)} and {safe_text(other)} are one file here: tell them apart with --name, such "
                    "as '{stem}_{index}'"
                )

    def _is_made_again(self, job: Job) -> bool:
        """Whether the target's note says that it was made as this run would make it."""
        earlier, target = Earlier(self._settings), job.target or Path()
        return earlier.knows(target) and not earlier.differs(target, job.format)


def _stamp(path: Path) -> Stamp | None:
    """The stamp of a file; None if there is none, or none any more."""
    with suppress(FileNotFoundError):
        return stamp_of(path) if path.is_file() else None
    return None
