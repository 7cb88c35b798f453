"""The plan of a run, made before the first picture is opened: which file becomes which.

    inputs ──gather──▶ pictures ──place──▶ jobs ──check──▶ Plan

Whatever would lose or mix up files is found here, before anything is done: two results with one name, a result in
place of an input or among the inputs, a folder that cannot be written.
"""

import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nsr_cli.errors import UsageError
from nsr_cli.imaging.codec import LOSSLESS
from nsr_cli.planning.inputs import Gathered, Remark, gather, nothing_found
from nsr_cli.planning.job import Job
from nsr_cli.planning.kinds import is_folder, is_special, mode_of
from nsr_cli.planning.naming import format_of, name_too_long
from nsr_cli.planning.places import Request, TargetChooser
from nsr_cli.planning.redo import stamp_of
from nsr_cli.planning.refusals import check_folders, check_inputs_kept, distinct
from nsr_cli.planning.whereabouts import Whereabouts
from nsr_cli.shown import safe_text

_TOO_LONG = "the result's name would be too long; give a shorter --name"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do, and what it will leave alone."""

    jobs: tuple[Job, ...]
    existing: tuple[Job, ...]
    """Jobs whose results already exist and stay."""
    failed: tuple[Remark, ...]
    """Inputs that were named and cannot be restored."""
    skipped: tuple[Remark, ...]
    """Entries of folders that are not files to read."""
    ignored: str = ""
    """See `Gathered.ignored`."""
    results: tuple[Remark, ...] = ()
    """Inputs that are left out because an earlier run made them from other inputs."""
    again: tuple[str, ...] = ()
    """Inputs that an earlier run made from other inputs, under other names: they are restored nevertheless."""
    rule: str = "skip"
    """What to do about results that already exist: `skip`, `overwrite` or `error`."""

    @property
    def warning(self) -> str:
        """A warning about inputs that are results themselves; empty if there are none.

        Whether somebody typed them or a pattern found them is unknown, since shells expand patterns.
        """
        if not self.again:
            return ""
        first, more = safe_text(self.again[0]), len(self.again) - 1
        told = f"{first} is itself a result of this command"
        if not more:
            return f"{told}, and is restored again; leave it out if you do not want that"
        are = "are" if more > 1 else "is"
        return (
            f"{told}, as {are} {more} more of the inputs, and they are restored again; "
            "leave them out if you do not want that"
        )

    @property
    def pictures(self) -> int | None:
        """How many pictures are to be restored; None if that is unknown, since stdin may hold several."""
        return None if any(job.source is None for job in self.jobs) else len(self.jobs)

    @property
    def inputs(self) -> int:
        """How many pictures were asked for, whatever becomes of them."""
        return len(self.jobs) + len(self.existing) + len(self.failed) + len(self.results)


def make_plan(request: Request) -> Plan:
    """Plan a run without changing anything on the disk.

    Raises:
        UsageError: the results would collide, replace inputs, or lie among the inputs; nothing to do.
        WriteError: a folder for results cannot be made or written.
    """
    gathered = gather(request.inputs, request.recursive, request.listed)
    if not gathered.found and not gathered.failed:
        raise UsageError(nothing_found(gathered))
    asked = _asked(gathered, TargetChooser(request, gathered))
    rule = request.if_exists or ("error" if any(job.is_named for job in asked) else "skip")
    where = Whereabouts()
    results = _results(asked, request, where) if rule == "skip" else {}
    asked = [job for job in asked if id(job) not in results]
    too_long = [Remark(job.label, _TOO_LONG) for job in asked if _is_too_long(job)]
    jobs = distinct((job for job in asked if not _is_too_long(job)), where)
    check_inputs_kept(jobs, request.if_exists)
    there = {id(job) for job in _existing(jobs, rule)}
    left, existing = list[Job](), list[Job]()
    for job in jobs:
        if id(job) not in there:
            left.append(job)
        elif again := _again(job, request):
            left.append(again)
        else:
            existing.append(job)
    check_folders(left)
    return Plan(
        jobs=tuple(left),
        existing=tuple(existing),
        failed=(*_failed(gathered, request), *too_long),
        skipped=tuple(gathered.skipped),
        ignored=gathered.ignored,
        results=tuple(results.values()),
        again=_results_again(left, gathered, request),
        rule=rule,
    )


def _failed(gathered: Gathered, request: Request) -> Sequence[Remark]:
    """The inputs that cannot be read, with a hint if the second of two was meant as the result's name."""
    failed = gathered.failed
    second = Remark(request.inputs[1], "no such file") if len(request.inputs) == 2 else None
    if failed == [second] and request.output is None:
        return [replace(failed[0], reason="no such file; if it was to be the result, give it with -o")]
    return failed


def _asked(gathered: Gathered, place: TargetChooser) -> list[Job]:
    """A job for every picture that was found, in that order."""
    namer, jobs = place.namer, []
    many = len(gathered.found) + len(gathered.failed) > 1
    for index, found in enumerate(gathered.found, 1):
        some = found.path is not None and (many or found.root is not None)
        depth = 0 if found.root is None else 1 + len(found.relative_folder.parts)
        form = namer.format_for(found.path)
        named = place.names_result
        job = Job(found.path, place(found, index), form, one_of_many=some, depth=depth, is_named=named)
        own = format_of(found.path.suffix) if found.path is not None else None
        if found.path is None and namer.format is None:
            job = replace(job, format=None)
        elif namer.format is None and own in LOSSLESS and job.format != own:
            job = replace(job, note=f"{own} cannot hold its transparency: it becomes {job.format}")
        jobs.append(job)
    return jobs


def _is_too_long(job: Job) -> bool:
    """Whether the name of a job's result is too long for a file."""
    return job.target is not None and name_too_long(job.target.name)


def _results(jobs: Sequence[Job], request: Request, where: Whereabouts) -> dict[int, Remark]:
    """The jobs, by their identity, whose inputs are the results of other jobs, confirmed by their notes.

    A pattern finds them when a run is continued. Under another name, or behind a link, they stay inputs.
    """
    makers: dict[str, Job] = {}
    for job in jobs:
        if job.target is not None:
            makers.setdefault(where.entry(job.target), job)
    found: dict[int, Remark] = {}
    for job in jobs:
        maker = None if job.source is None else makers.get(where.entry(job.source))
        if job.source is None or maker is None or maker is job or request.earlier is None:
            continue
        if request.earlier.knows(job.source):
            found[id(job)] = Remark(job.label, f"it is the result of {maker.label}")
    return found


def _results_again(jobs: Sequence[Job], gathered: Gathered, request: Request) -> tuple[str, ...]:
    """The inputs that are results of this task, by their notes, and whose names say from which other input.

    Only the notes of files named like results are read: the part before the last `_` is the name of another input.
    """
    if request.earlier is None:
        return ()
    stems = {(found.path.parent, found.path.stem) for found in gathered.found if found.path is not None}
    likely = (
        job.source
        for job in jobs
        if job.source is not None and (job.source.parent, job.source.stem.rpartition("_")[0]) in stems
    )
    return tuple(str(source) for source in likely if request.earlier.knows(source))


def _existing(jobs: Sequence[Job], rule: str) -> list[Job]:
    """The jobs whose results already exist and stay.

    Raises:
        UsageError: there are some and the rule is `error`, or a folder is in the way.
    """
    for job in jobs:
        if job.target is not None and is_folder(job.target):
            raise UsageError(f"{safe_text(job.target)} is a folder: choose another name")
        if job.target is not None and not job.is_named and is_special(job.target):
            raise UsageError(f"{safe_text(job.target)} is a pipe or a device: choose another name")
    # A device or a pipe that is named is meant to be written to.
    there = [job for job in jobs if job.target is not None and stat.S_ISREG(mode_of(job.target))]
    if rule == "error" and there:
        label = safe_text(there[0].target_label)
        if len(there) == 1:
            raise UsageError(
                f"{label} already exists: --if-exists overwrite replaces it, --if-exists skip leaves it"
            )
        raise UsageError(
            f"{label} and {len(there) - 1} more already exist: --if-exists overwrite replaces them, "
            "--if-exists skip leaves them"
        )
    return there if rule == "skip" else []


def _again(job: Job, request: Request) -> Job | None:
    """The job to do again if its result says that it was made with other settings; None if that stays."""
    if request.earlier is not None and job.target is not None:
        with suppress(OSError):
            stamp = stamp_of(job.target)
            if request.earlier.differs(job.target, job.format):
                return replace(job, outdated=stamp)
    return None
