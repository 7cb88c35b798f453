"""How one picture fared, and how that is told: a line on stderr, a JSON object on stdout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsr_cli.cli.inputs import Remark
from nsr_cli.cli.plan import Job
from nsr_cli.errors import DecodeError, NsrError

SCHEMA = 1
STEPS = ("decode", "infer", "encode")


@dataclass(slots=True)
class Outcome:
    """How one picture fared; filled on its way."""

    job: Job
    label: str
    """How messages call the picture."""
    number: int = 1
    """Which of the pictures on stdin it is."""
    status: str = "ok"
    """`ok`, `skipped`, `failed`, or `planned` in a dry run."""
    error: NsrError | None = None
    placed: bool = True
    """Whether the job says where the result goes."""
    there: str = "is there already"
    """Of a skipped picture: why its result stays."""
    size: tuple[int, int] | None = None
    """Width and height of the input, once known."""
    out_size: tuple[int, int] | None = None
    model: str | None = None
    model_sha256: str | None = None
    scale: float | None = None
    sigma: float | None = None
    quality: float | None = None
    device: str | None = None
    precision: str | None = None
    found: str | None = None
    """What was found out about the input, such as its noise level."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the result."""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    data: bytes | None = None
    """The finished file, where it goes to stdout."""

    def fail(self, error: NsrError) -> None:
        """Note why there is no result."""
        self.status, self.error, self.data = "failed", error, None


def never_read(remark: Remark) -> Outcome:
    """The failure of an input that the plan could not do anything with."""
    outcome = Outcome(Job(Path(remark.path), None, None), remark.path, placed=False)
    outcome.fail(DecodeError(remark.reason))
    return outcome


def as_json(outcome: Outcome, task: str) -> Mapping[str, Any]:
    """The object of `--json`; what is not known is null."""
    job = outcome.job
    seconds = {step: round(outcome.seconds[step], 4) for step in STEPS}
    return {
        "schema": SCHEMA,
        "input": "-" if job.source is None else str(job.source),
        "output": _output(outcome),
        "status": outcome.status,
        "error": str(outcome.error) if outcome.error else None,
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
        "seconds": {**seconds, "total": round(sum(outcome.seconds.values()), 4)},
    }


def as_line(outcome: Outcome) -> str:
    """One line about a finished picture."""
    sizes = ""
    if outcome.size and outcome.out_size:
        sizes = f"  {_size(outcome.size)} -> {_size(outcome.out_size)}"
    found = f"  {outcome.found}" if outcome.found else ""
    return (
        f"{outcome.label} -> {outcome.job.target_label}{sizes}{found}  {sum(outcome.seconds.values()):.2f} s"
    )


def timings(outcome: Outcome) -> str:
    """How long each step took."""
    return "  " + ", ".join(f"{step} {outcome.seconds[step]:.3f} s" for step in STEPS)


def _output(outcome: Outcome) -> str | None:
    if outcome.job.target is None:
        return "-" if outcome.placed else None
    return str(outcome.job.target)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
