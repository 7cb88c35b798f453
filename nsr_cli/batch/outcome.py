"""What became of one picture, and how that is reported: a line on stderr, a JSON object on stdout."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsr_cli.errors import DecodeError, NsrError, PartialFailure
from nsr_cli.planning.inputs import Remark
from nsr_cli.planning.job import Job
from nsr_cli.planning.plan import Plan
from nsr_cli.planning.redo import Overtaken
from nsr_cli.planning.settings import LargeEnough
from nsr_cli.steps.remedy import Step
from nsr_cli.steps.restorers import RestorerLike, Weights

STEPS = ("decode", "infer", "encode")
EDITED = "has been edited since"


@dataclass(slots=True)
class Outcome:
    """What became of one picture; filled in on its way."""

    job: Job
    label: str
    """The picture's name in messages."""
    number: int = 1
    """Which of the pictures on stdin it is."""
    status: str = "ok"
    """`ok`, `skipped`, `failed`, or `planned` in a dry run."""
    error: NsrError | None = None
    placed: bool = True
    """Whether the job says where the result goes."""
    there: str = "already exists"
    """Why the result of a skipped picture stays."""
    reason: str | None = None
    """Why a picture is skipped, unless because its result exists."""
    size: tuple[int, int] | None = None
    """Width and height of the input, once known."""
    out_size: tuple[int, int] | None = None
    restored: list[tuple[int, int]] = field(default_factory=list)
    """Width and height of each page that went through the network."""
    model: str | None = None
    model_sha256: str | None = None
    scale: float | None = None
    sigma: float | None = None
    quality: float | None = None
    device: str | None = None
    precision: str | None = None
    found: str | None = None
    """What was found in the input, such as its noise level; for `auto` the steps that were taken."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """For `auto`: one `step_record` for each step."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the result."""
    is_first_frame: bool = False
    """Whether the input is an animation of which only the first frame is taken."""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    wait: float = 0.0
    """Seconds that the network was idle before this picture: it was not decoded yet, or there was no room."""
    data: bytes | None = None
    """The finished file, if it goes to stdout."""

    def fail(self, error: NsrError) -> None:
        """Record why there is no result: a failure, unless another run made it or one of many is large enough."""
        self.status, self.error, self.data = "failed", error, None
        if isinstance(error, Overtaken):
            self.status, self.error, self.there = "skipped", None, str(error)
        # Not for a later page that is larger than the first one.
        if isinstance(error, LargeEnough) and self.job.one_of_many and self.size in (None, error.size):
            self.status, self.error, self.size = "skipped", None, error.size
            self.reason = f"it has {_size(error.size)} pixels already"

    def keep(self, why: str) -> None:
        """Record that an earlier result stays although it was made with other settings."""
        self.status, self.there = "skipped", f"was made with other settings, but {why}"

    def leave_alone(self, why: str | None, *, large: bool) -> None:
        """Record why the picture needs nothing, and decide whether there is a result nevertheless.

        A stream must not lose one of its pictures, and the user expects a result that was named. But no file is
        replaced by itself, and a picture that is too `large` for memory is not copied.
        """
        if self.job.target is None or (self.job.is_named and not self.job.is_in_place and not large):
            self.notes.append(f"{why}; passed on unchanged")
        else:
            self.status, self.reason = "skipped", why

    def note_weights(self, restorer: RestorerLike) -> None:
        """Record what restores the picture, and where; called again afterwards, since the device may have changed.

        For a chain that has decided, also the steps that it took with their weights; the first page's stand for all.
        """
        self.model = "+".join(entry.name for entry in restorer.entries)
        self.model_sha256 = "+".join(entry.sha256 for entry in restorer.entries)
        self.device, self.precision = restorer.device, restorer.precision
        if restorer.taken and not self.steps:
            self.take_steps(
                step_record(link.step, self.scale, link.restorer.entries) for link in restorer.taken
            )

    def take_steps(self, records: Iterable[dict[str, Any]]) -> None:
        """Record the steps of `auto`, and the levels in them."""
        self.steps = list(records)
        self.found = ", ".join(map(_step_text, self.steps)) or None
        for step in self.steps:
            self.sigma = self.sigma if step["sigma"] is None else step["sigma"]
            self.quality = self.quality if step["quality"] is None else step["quality"]


def step_record(step: Step, scale: float | None, weights: Sequence[Weights] = ()) -> dict[str, Any]:
    """A step's record for `--json`; `scale` is that of the whole chain, `weights` those used for the step."""
    return {
        "task": step.task,
        "sigma": step.sigma,
        "quality": step.quality,
        "scale": scale if step.task == "upscale" else None,
        "model": "+".join(entry.name for entry in weights) or None,
        "model_sha256": "+".join(entry.sha256 for entry in weights) or None,
    }


def decided_by_plan(plan: Plan) -> Iterator[Outcome]:
    """Outcomes that the plan alone decides: inputs that cannot be read or are results, and results that stay."""
    for remark in plan.failed:
        outcome = _unplaced(remark)
        outcome.fail(DecodeError(remark.reason))
        yield outcome
    for remark in plan.results:
        outcome = _unplaced(remark)
        outcome.status, outcome.reason = "skipped", remark.reason
        yield outcome
    for job in plan.existing:
        yield Outcome(job, job.label, status="skipped")


def exit_code(failures: Sequence[NsrError], total: int) -> int:
    """The exit code of a run over `total` pictures: that of a single one's failure, or of `PartialFailure`."""
    if not failures:
        return 0
    return failures[-1].exit_code if total == 1 else PartialFailure.exit_code


def as_json(outcome: Outcome, task: str) -> Mapping[str, Any]:
    """The object for `--json`; what is unknown is null."""
    job = outcome.job
    seconds = {step: round(outcome.seconds[step], 4) for step in STEPS}
    record = {
        "input": "-" if job.source is None else str(job.source),
        "output": _output(outcome),
        "status": outcome.status,
        "error": str(outcome.error) if outcome.error else None,
        "reason": _reason(outcome),
        "notes": outcome.notes,
        "task": task,
        "model": outcome.model,
        "model_sha256": outcome.model_sha256,
        "scale": outcome.scale,
        "sigma": outcome.sigma,
        "quality": outcome.quality,
        "size": outcome.size,
        "out_size": outcome.out_size,
        "device": outcome.device,
        "precision": outcome.precision,
        "seconds": {
            **seconds,
            "total": round(sum(outcome.seconds.values()), 4),
            "wait": round(outcome.wait, 4),
        },
    }
    return {**record, "steps": outcome.steps} if task == "auto" else record


def skipped_line(outcome: Outcome) -> str:
    """One line about a picture that was left alone."""
    hint = "" if outcome.reason else " (--if-exists overwrite replaces it)"
    return f"{outcome.label}: skipped, {_reason(outcome)}{hint}"


def as_line(outcome: Outcome) -> str:
    """One line about a finished picture."""
    return f"{outcome.label} -> {outcome.job.target_label}{facts(outcome)}  {sum(outcome.seconds.values()):.2f} s"


def facts(outcome: Outcome) -> str:
    """The end of a picture's line: both sizes and what was found, as far as they are known."""
    sizes = ""
    if outcome.size and outcome.out_size:
        sizes = f"  {_size(outcome.size)} -> {_size(outcome.out_size)}"
    return sizes + (f"  {outcome.found}" if outcome.found else "")


def timings(outcome: Outcome) -> str:
    """How long each step took."""
    parts = [f"{step} {outcome.seconds[step]:.3f} s" for step in STEPS]
    return "  " + ", ".join([*parts, f"waited {outcome.wait:.3f} s"])


def _unplaced(remark: Remark) -> Outcome:
    """The outcome of an input that has no result."""
    return Outcome(Job(Path(remark.path), None, None), remark.path, placed=False)


def _reason(outcome: Outcome) -> str | None:
    """Why a picture was skipped."""
    if outcome.status != "skipped":
        return None
    return outcome.reason or f"{outcome.job.target_label} {outcome.there}"


def _step_text(record: Mapping[str, Any]) -> str:
    step = Step(record["task"], record["sigma"], record["quality"])
    return step.text + (f" x{record['scale']:g}" if record["scale"] else "")


def _output(outcome: Outcome) -> str | None:
    if outcome.job.target is None:
        return "-" if outcome.placed else None
    return str(outcome.job.target)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
