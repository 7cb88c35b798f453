"""A picture on its way through a run: the input, and what one step passes to the next."""

from dataclasses import dataclass, field

from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.packing import Packer
from nsr_cli.batch.streamed import Streamed
from nsr_cli.batch.turns import Turn
from nsr_cli.errors import NsrError
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.job import Job
from nsr_cli.steps.levels import Level


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a job: that of a file, or one of those on stdin with its bytes."""

    job: Job
    number: int = 1
    data: bytes | None = None
    problem: NsrError | None = None
    """Why there is no such picture, if that is known before anything is read."""


@dataclass(slots=True)
class Work:
    """A picture between two steps: its pages and their levels, and how much memory is reserved for it."""

    outcome: Outcome
    pages: list[Picture] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    format: str = ""
    held: int = 0
    """Bytes of the memory budget that it holds."""
    streamed: Streamed | None = None
    """Instead of pages: a file that is too large to be in memory as a whole."""
    packer: Packer | None = None
    """The packer of the pages, if they were compressed one by one."""
    unchanged: bytes | None = None
    """The input itself, if there is nothing to do and the result has its format."""
    turn: Turn = field(default_factory=Turn)
    loaded: float = 0.0
    """Seconds that loading restorers had taken before this picture came to the device."""
