"""One picture to restore: its input and its result, and what is known of both before anything is read."""

import os
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.planning.redo import Stamp


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to restore: from `source` (None: every picture on stdin) to `target` (None: stdout)."""

    source: Path | None
    target: Path | None
    format: str | None
    """The format to write; None: that of the input, if it is lossless, else PNG."""
    outdated: Stamp | None = None
    """The state of a `target` that was made with other settings: it may be replaced only if it is still the same."""
    note: str = ""
    """What the user should know about the format."""
    one_of_many: bool = False
    """Whether it was found in a folder, or is one of several files: then having nothing to do is no failure."""
    depth: int = 0
    """How many of the folders above `target`, counted from the innermost, mirror those of the input."""
    is_named: bool = False
    """Whether `-o` names the result itself, so that the user expects a file of that name."""

    @property
    def is_in_place(self) -> bool:
        """Whether the result takes the place of its input."""
        if self.source is None or self.target is None:
            return False
        return os.path.realpath(self.source) == os.path.realpath(self.target)

    @property
    def mirrored(self) -> tuple[Path, ...]:
        """The input's folders that are mirrored by those of the result, the innermost first."""
        return () if self.source is None else tuple(self.source.parents[: self.depth])

    @property
    def label(self) -> str:
        """How messages call the input."""
        return "stdin" if self.source is None else str(self.source)

    @property
    def target_label(self) -> str:
        """How messages call the output."""
        return "stdout" if self.target is None else str(self.target)
