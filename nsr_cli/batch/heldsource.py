"""A picture in memory as a source of rows, and the choice of rows from which estimates are made."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.bands import Bands, Shape
from nsr_cli.engine.tiles import Span
from nsr_cli.imaging import whites
from nsr_cli.imaging.picture import Picture

_SAMPLE_PIXELS = 1 << 24  # from which an estimate is made
_SAMPLE_ROWS = 64  # in one piece, aligned to JPEG's blocks


@dataclass(frozen=True, slots=True)
class Held:
    """A picture in memory as a source of rows."""

    page: Picture

    def close(self) -> None:
        """Do nothing: no file is open."""

    def bands(self) -> Bands:
        """All rows, from the top, alpha last."""
        page = self.page
        shape = Shape(page.height, page.width, page.samples)
        return Bands(shape, shape.blocks(1), lambda span: joined(_rows(page, span)), page.white)

    def sample(self, most: int) -> NDArray[Any]:
        """About `most` pixels (N, W, C), from parts spread evenly over the picture; see `whites.in_whole_range`.

        A small picture is returned as a whole.
        """
        spans = sample_spans(self.page, most)
        found = np.concatenate([self.page.pixels[span.start : span.stop] for span in spans])
        return whites.in_whole_range(found, self.page.white)


def sample_spans(page: Picture, most: int) -> list[Span]:
    """Spans of rows spread evenly over a picture, for estimates of its noise and the like.

    Together they have up to `most` pixels, but there is at least one span.
    """
    count = max(1, min(most, _SAMPLE_PIXELS) // (page.width * _SAMPLE_ROWS))
    if count * _SAMPLE_ROWS >= page.height:
        return [Span(0, page.height)]
    step = max(_SAMPLE_ROWS, page.height // count // 8 * 8)
    return [Span(top, top + _SAMPLE_ROWS) for top in range(0, page.height - _SAMPLE_ROWS + 1, step)]


def _rows(page: Picture, span: Span) -> Picture:
    rows = slice(span.start, span.stop)
    return page.with_pixels(page.pixels[rows], None if page.alpha is None else page.alpha[rows])


def joined(picture: Picture) -> NDArray[Any]:
    """Samples (H, W, S), alpha last."""
    if picture.alpha is None:
        return picture.pixels
    return np.concatenate([picture.pixels, picture.alpha[..., np.newaxis]], axis=2)
