"""The restorers of a run: their interface, and each loaded once, when the first picture needs it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy.typing import DTypeLike

from nsr_cli.engine.bands import Bands
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.engine.progress import Progress
from nsr_cli.errors import NsrError
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.remedy import Step
from nsr_cli.terminal.console import Console


class Weights(Protocol):
    """What a restorer knows about its weights."""

    @property
    def name(self) -> str:
        """The name in the manifest, or the file's."""

    @property
    def sha256(self) -> str:
        """The file's hash."""


class RestorerLike(Protocol):
    """What a run needs of a `restore.Restorer`, or of a `Chain` of several."""

    @property
    def entries(self) -> Sequence[Weights]:
        """The weights it uses."""

    @property
    def device(self) -> str:
        """Where it computes."""

    @property
    def precision(self) -> str:
        """The number types of the last picture's arithmetic, joined with `+`."""

    @property
    def taken(self) -> "Sequence[Link]":
        """The steps that a chain took, once these are known; empty for a single restorer."""

    def on_one_core(self, picture: Picture, side_by_side: int) -> "RestorerLike | None":
        """One for a single core, if `side_by_side` such pictures are done sooner with a core each; else None."""

    def restore(
        self, picture: Picture, options: RestoreOptions, *, progress: Progress | None = None
    ) -> Picture:
        """Restore one picture."""

    def bands(
        self,
        source: Bands,
        dtype: DTypeLike,
        options: RestoreOptions,
        *,
        memory: int,
        clipped: bool,
        progress: Progress | None,
    ) -> Bands:
        """Restore rows, in gray or RGB, to rows of `dtype`, in `memory` bytes; see `restore.Restorer.bands`."""


@dataclass(frozen=True, slots=True)
class Link:
    """A step of a chain and the restorer that does it."""

    step: Step
    restorer: RestorerLike


Loader = Callable[[str, float | None, str], RestorerLike]
"""Loads a restorer, given `"rgb"` or `"gray"` for the pictures, the factor (None if the task has none) and the task."""

_Kind = tuple[str, float | None, str]


class Unstartable(Exception):
    """No restorer can be loaded at all; `args[0]` is the NsrError with the reason."""


def color_of(picture: Picture, task: str) -> str:
    """Which networks suit a picture, `rgb` or `gray`; those that enlarge are all for color."""
    return "gray" if picture.is_gray and task != "upscale" else "rgb"


class Restorers:
    """Loads restorers through `load` and keeps them, one for each kind of picture."""

    def __init__(self, settings: Settings, load: Loader, console: Console) -> None:
        self._settings = settings
        self._load = load
        self._console = console
        self._known: dict[_Kind, RestorerLike | NsrError] = {}
        self.seconds = 0.0
        """Time spent on loading so far."""

    def get(self, page: Picture, task: str) -> RestorerLike:
        """The restorer for pictures of this kind: color or gray, if the task distinguishes them, and factor.

        Raises:
            Unstartable: it cannot be loaded, nor could any other.
            NsrError: it cannot be loaded, but others could.
        """
        factor = self._settings.factor(page.width, page.height) if task == "upscale" else None
        key = (color_of(page, task), factor, task)
        if key not in self._known:
            started = time.perf_counter()
            self._known[key] = self._loaded(key)
            self.seconds += time.perf_counter() - started
        found = self._known[key]
        if not isinstance(found, NsrError):
            return found
        if all(isinstance(one, NsrError) for one in self._known.values()):
            raise Unstartable(found)
        raise found

    def _loaded(self, key: _Kind) -> RestorerLike | NsrError:
        try:
            restorer = self._load(*key)
        except NsrError as error:
            return error
        names = " + ".join(entry.name for entry in restorer.entries)
        self._console.note(f"{key[2]} with {names} on {restorer.device}, {restorer.precision}")
        return restorer
