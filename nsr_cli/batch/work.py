"""A picture on its way through a run: the input, and what one step hands to the next."""

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
    """A picture of a job: the file's, or one of those on stdin with its bytes."""

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
    """Bytes that it holds of the memory budget."""
    streamed: Streamed | None = None
    """Instead of pages: a picture that is too large to be in memory as a whole."""
    packer: Packer | None = None
    """What packed the pages, if that was done one by one."""
    unchanged: bytes | None = None
    """The input itself, where nothing is to be done and the result has its format."""
    turn: Turn = field(default_factory=Turn)
    loaded: float = 0.0
    """Seconds that loading restorers had taken before this picture came to the device."""
