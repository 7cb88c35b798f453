"""Rows of a picture on demand, so that no step of a journey ever holds all of them.

    source ◀── tap ── network ◀── tap ── resize ◀── tap ── writer

Each step is a `Bands`: asked for some rows, it makes the next blocks of its own picture from rows of the step
before, and drops rows that no tap will read again. Rows are asked for from top to bottom.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nsr_cli.engine.clipping import RADIUS, spread_excess
from nsr_cli.engine.tiles import Span
from nsr_cli.imaging.alpha import bleed
from nsr_cli.imaging.color import White, from_unit, to_unit
from nsr_cli.imaging.resizing.resize import BLOCK
from nsr_cli.imaging.resizing.rows import resize_rows, support

Rows = NDArray[Any]
_BLOCK_PIXELS = 1 << 20  # pixels made at a time unless something else decides
_CLEAR = 64  # rows whose color under transparency is found together, from as many rows above and below


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and channels of a picture."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def blocks(self, multiple: int = BLOCK) -> Iterator[Span]:
        """All rows in spans of about a megapixel, of a multiple of `multiple` rows."""
        return blocks(self.height, rows_at_a_time(self.width, multiple))


class Bands:
    """A picture whose rows are made when they are needed.

    Args:
        shape: of the whole picture.
        spans: the blocks in which rows are made, from the first row to the last, without gaps.
        make: makes one block, (rows, width, channels).
        white: of stored samples, as for `to_unit`. Steps that compute in float pass it on to the one that stores.
    """

    def __init__(
        self, shape: Shape, spans: Iterator[Span], make: Callable[[Span], Rows], white: White | None = None
    ) -> None:
        self.shape = shape
        self.white = white
        self._spans = spans
        self._make = make
        self._blocks: deque[tuple[int, Rows]] = deque()
        self._end = 0
        # Weak references, so that no cycle keeps rows that nobody can read any more.
        self._taps: WeakSet[Tap] = WeakSet()

    def tap(self) -> "Tap":
        """A reader; take all of them before the first row is read."""
        tap = Tap(self)
        self._taps.add(tap)
        return tap

    def read(self, top: int, bottom: int) -> Rows:
        """Rows top…bottom, for a tap."""
        self._forget()
        while self._end < bottom:
            span = next(self._spans)
            self._blocks.append((span.start, self._make(span)))
            self._end = span.stop
        parts = [
            rows[max(top - start, 0) : bottom - start]
            for start, rows in self._blocks
            if start < bottom and start + len(rows) > top
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _forget(self) -> None:
        """Drop rows that every tap has passed; what is left of a large block is copied, so that the block is freed."""
        low = min(tap.top for tap in self._taps)
        while self._blocks and self._blocks[0][0] + len(self._blocks[0][1]) <= low:
            self._blocks.popleft()
        if self._blocks:
            start, rows = self._blocks[0]
            if low - start > len(rows) // 2:
                self._blocks[0] = (low, rows[low - start :].copy())


class Tap:
    """One reader of a `Bands`; rows above its last `top` are no longer available to it."""

    def __init__(self, bands: Bands) -> None:
        self.shape = bands.shape
        self.top = 0
        self._bands = bands

    def read(self, top: int, bottom: int) -> Rows:
        """Rows top…bottom, as they are. ValueError if `top` decreases."""
        if top < self.top:
            raise ValueError(f"row {top} is gone, {self.top} is the first that is left")
        self.top = top
        return self._bands.read(top, bottom)

    def unit(self, top: int, bottom: int) -> NDArray[np.float32]:
        """Rows top…bottom in float32 with black 0 and white 1. ValueError if `top` decreases."""
        rows = self.read(top, bottom)
        return rows if rows.dtype == np.float32 else to_unit(rows, self._bands.white)


def blocks(height: int, rows: int) -> Iterator[Span]:
    """Spans of `rows` rows; the last one is as long as what is left."""
    return (Span(top, min(top + rows, height)) for top in range(0, height, rows))


def rows_at_a_time(width: int, multiple: int = BLOCK) -> int:
    """How many rows make about a megapixel, as a multiple of `multiple`."""
    return max(1, _BLOCK_PIXELS // (width * multiple)) * multiple


def spread_bands(source: Bands, limit: float) -> Bands:
    """A float picture to be clipped to [0, limit], with what that cuts off spread over the pixels around."""
    tap, shape = source.tap(), source.shape

    def make(span: Span) -> Rows:
        top = max(span.start - RADIUS, 0)
        rows = tap.unit(top, min(span.stop + RADIUS, shape.height)).copy()
        spread_excess(rows, limit)
        return rows[span.start - top : span.stop - top]

    return Bands(shape, shape.blocks(), make, source.white)


def picture_bands(pixels: Rows, white: White | None = None) -> Bands:
    """The rows of an array (H, W, C); `white` as for `to_unit`."""
    shape = Shape(*pixels.shape)
    return Bands(shape, shape.blocks(), lambda span: pixels[span.start : span.stop], white)


def collect(bands: Bands, dtype: DTypeLike) -> Rows:
    """The whole picture (H, W, C)."""
    shape, tap = bands.shape, bands.tap()
    out = np.empty((shape.height, shape.width, shape.channels), dtype)
    for span in shape.blocks():
        out[span.start : span.stop] = tap.read(span.start, span.stop)
    return out


def resized_bands(source: Bands, height: int, width: int) -> Bands:
    """Another size by bicubic resizing, equal to `imaging.resizing.resize` of the whole."""
    tap, size = source.tap(), (height, width)

    def make(span: Span) -> Rows:
        low, high = support(span.start, span.stop, tap.shape.height, height)
        return resize_rows(tap.unit(low, high), low, (span.start, span.stop), tap.shape.height, size)

    shape = Shape(height, width, source.shape.channels)
    return Bands(shape, blocks(height, rows_at_a_time(max(width, source.shape.width))), make, source.white)


def mapped_bands(change: Callable[..., Rows], *sources: Bands) -> Bands:
    """Rows of several pictures of one size, in unit range, combined by `change`."""
    taps = [source.tap() for source in sources]
    shape, white = sources[0].shape, sources[0].white

    def make(span: Span) -> Rows:
        return change(*(tap.unit(span.start, span.stop) for tap in taps))

    return Bands(shape, shape.blocks(), make, white)


def blended_bands(plain: Bands, made: Bands, strength: float, convert: Callable[[Rows], Rows]) -> Bands:
    """Restored rows blended by a strength with the plain ones resized to them, in unit range, then converted."""
    size = made.shape.size
    base = plain if plain.shape.size == size else resized_bands(plain, *size)
    part = np.float32(strength)
    return mapped_bands(lambda below, above: convert(below + part * (above - below)), base, made)


def color_bands(source: Bands) -> Bands:
    """The color of rows with alpha, in the same type, spread under what is transparent as `bleed` does.

    Equal to `bleed` of the whole picture, except deep inside transparent areas: there only colors up to 64 rows away
    count, while `bleed` looks any distance.
    """
    tap, height = source.tap(), source.shape.height

    def make(span: Span) -> Rows:
        # From a multiple of `_CLEAR`, so that colors are averaged over the same squares as in the whole picture.
        low, high = max(span.start - _CLEAR, 0), min(span.stop + _CLEAR, height)
        rows = tap.read(low, high)
        return bleed(rows[..., :-1], rows[..., -1])[span.start - low : span.stop - low]

    shape = Shape(height, source.shape.width, source.shape.channels - 1)
    return Bands(shape, blocks(height, _CLEAR), make, source.white)


def alpha_bands(source: Bands, height: int, width: int) -> Bands:
    """The alpha of rows that have it last, (N, W, 1) in their own type, at another size; see `resized_alpha`.

    Opaque is the type's maximum, whatever `white` is.
    """
    tap, shape = source.tap(), source.shape
    own = Bands(
        Shape(shape.height, shape.width, 1),
        shape.blocks(),
        lambda span: tap.read(span.start, span.stop)[..., -1:],
    )
    return own if shape.size == (height, width) else resized_bands(own, height, width)


def with_alpha(color: Bands, alpha: Bands) -> Bands:
    """Rows of finished color with alpha behind; alpha in unit range is converted to the type of the color."""
    front, back, shape = color.tap(), alpha.tap(), color.shape

    def make(span: Span) -> Rows:
        rows, cover = front.read(span.start, span.stop), back.read(span.start, span.stop)
        if cover.dtype == np.float32:
            cover = from_unit(np.clip(cover, 0, 1), rows.dtype)
        return np.concatenate([rows, cover], axis=2)

    return Bands(Shape(*shape.size, shape.channels + 1), shape.blocks(1), make)
