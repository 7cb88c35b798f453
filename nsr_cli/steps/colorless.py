"""Gray pictures in three equal channels, as scans of black-and-white photographs often are.

    three channels ─> one ─> a restorer for gray pictures ─> one ─> three channels

A network for color would add color fringes, and the result would differ from that of a file with one channel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nsr_cli.engine.bands import Bands, Shape
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.engine.progress import Progress
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.reading import Source
from nsr_cli.steps.restorers import Link, RestorerLike, Weights

_ROWS = 256  # compared at a time: in most color pictures the first ones suffice


def is_colorless(picture: Picture) -> bool:
    """Whether all channels of a picture with three channels are equal."""
    if picture.is_gray:
        return False
    pixels = picture.pixels
    return all(_are_equal(pixels[top : top + _ROWS]) for top in range(0, len(pixels), _ROWS))


def are_colorless(bands: Bands, check: Callable[[], None]) -> bool:
    """`is_colorless` for rows of three channels, with or without alpha behind them.

    They are read up to the first ones with a color, or until `check`, called repeatedly, raises.
    """
    tap = bands.tap()
    for span in tap.shape.blocks():
        check()
        if not _are_equal(tap.read(span.start, span.stop)):
            return False
    return True


def in_gray(picture: Picture) -> Picture:
    """A colorless picture as one with a single channel."""
    return picture.with_pixels(picture.pixels[..., :1], picture.alpha)


def as_restored(source: Source) -> Source:
    """The source as the restoring commands treat it: three equal channels become one."""
    return replace(source, picture=in_gray(source.picture)) if is_colorless(source.picture) else source


@dataclass(frozen=True, slots=True)
class ColorlessRestorer:
    """Restores colorless pictures with three channels by a restorer for gray ones."""

    restorer: RestorerLike

    @property
    def entries(self) -> Sequence[Weights]:
        """The weights of the restorer."""
        return self.restorer.entries

    @property
    def device(self) -> str:
        """Where the restorer computes."""
        return self.restorer.device

    @property
    def precision(self) -> str:
        """The number types of the restorer's arithmetic."""
        return self.restorer.precision

    @property
    def taken(self) -> Sequence[Link]:
        """The steps that the restorer took."""
        return self.restorer.taken

    def on_one_core(self, picture: Picture, side_by_side: int) -> "ColorlessRestorer | None":
        """As the restorer's, for a picture with one channel."""
        one = self.restorer.on_one_core(in_gray(picture), side_by_side)
        return None if one is None else ColorlessRestorer(one)

    def restore(
        self, picture: Picture, options: RestoreOptions, *, progress: Progress | None = None
    ) -> Picture:
        """Restore one colorless picture; the result has three equal channels."""
        gray = self.restorer.restore(in_gray(picture), options, progress=progress)
        return gray.with_pixels(_thrice(gray.pixels), gray.alpha)

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
        """Restore colorless rows to rows of three equal channels."""
        gray = _changed(source, 1, lambda rows: rows[..., :1])
        made = self.restorer.bands(gray, dtype, options, memory=memory, clipped=clipped, progress=progress)
        return _changed(made, 3, _thrice)


def _changed(source: Bands, channels: int, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Bands:
    """The rows of a source, each changed to have `channels` channels."""
    tap, shape = source.tap(), source.shape
    changed = Shape(*shape.size, channels)
    return Bands(
        changed, changed.blocks(), lambda span: change(tap.read(span.start, span.stop)), source.white
    )


def _are_equal(rows: NDArray[Any]) -> bool:
    """Whether the first three samples of every pixel are the same."""
    return bool((rows[..., 0] == rows[..., 1]).all() and (rows[..., 0] == rows[..., 2]).all())


def _thrice(rows: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(rows, 3, axis=2)
