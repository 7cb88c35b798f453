"""A picture on its way through a run: what comes in, and what goes from step to step."""

from dataclasses import dataclass, field

from nsr_cli.cli.levels import Level
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.plan import Job
from nsr_cli.cli.streamed import Streamed
from nsr_cli.cli.turns import Turn
from nsr_cli.errors import NsrError
from nsr_cli.imaging.picture import Picture


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
    streamed: Streamed | None = None
    """In place of pages: a picture that is too large for them."""
    turn: Turn = field(default_factory=Turn)
    loaded: float = 0.0
    """Seconds that had gone into loading restorers when it came to the device."""
