"""The rows of a large TIFF file: cut out, decoded where strangers' files are decoded, and brought to one range."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.bands import Bands, Shape, blocks, rows_at_a_time
from nsr_cli.engine.tiles import Span
from nsr_cli.errors import DecodeError
from nsr_cli.imaging import tifftags
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rebuild import float_span, upright_metadata
from nsr_cli.imaging.tiffbands import hollow
from nsr_cli.imaging.tiffparts import FileBytes, Parts
from nsr_cli.sandbox.decoder import Decoder

_PALETTE, _WHITE_IS_ZERO = 3, 0
_SIDEWAYS = 5  # orientations from here on turn rows into columns
_SAMPLE_PIXELS = 1 << 24  # of which an estimate is made
_SAMPLE_ROWS = 64  # in one piece, and in the raster of JPEG's blocks


class Unsuitable(Exception):
    """The file cannot be read in bands; `str` says why, to follow "it has"."""


@dataclass(frozen=True, slots=True)
class TiffSource:
    """A TIFF file that is read in bands; nobody else closes its file."""

    parts: Parts
    file: FileBytes
    page: Picture
    """What it is like, without its pixels."""
    orientation: int
    decoder: Decoder
    check: Callable[[], None]
    """Called again and again; what it raises ends the reading."""

    def bands(self) -> Bands:
        """All rows, from the top."""
        page = self.page
        shape = Shape(page.height, page.width, page.channels)
        step = rows_at_a_time(page.width, 1)
        if not self.parts.is_plain:
            step = -(-step // self.parts.rows) * self.parts.rows
        # From the bottom up, the first block is the one that is not full.
        spans = blocks(page.height, step)
        if self._is_upside_down and not self.parts.is_plain and page.height % step:
            rest = page.height % step
            later = blocks(page.height - rest, step)
            moved = (Span(span.start + rest, span.stop + rest) for span in later)
            spans = itertools.chain([Span(0, rest)], moved)
        return Bands(shape, spans, self._made)

    def sample(self) -> NDArray[Any]:
        """Pixels (N, W, C) of parts of the picture, evenly spread; all of it if it is small."""
        height, width = self.page.height, self.page.width
        count = max(1, _SAMPLE_PIXELS // (width * _SAMPLE_ROWS))
        if count * _SAMPLE_ROWS >= height:
            return self._made(Span(0, height))
        step = max(_SAMPLE_ROWS, height // count // 8 * 8)
        tops = range(0, height - _SAMPLE_ROWS + 1, step)
        return np.concatenate([self._made(Span(top, top + _SAMPLE_ROWS)) for top in tops])

    @property
    def _is_upside_down(self) -> bool:
        return self.orientation in (3, 4)

    def _made(self, span: Span) -> NDArray[Any]:
        self.check()
        low, high = span.start, span.stop
        if self._is_upside_down:
            low, high = self.page.height - high, self.page.height - low
        first, last = self.parts.whole(low, high)
        found = _stored(_decoded(self.parts, self.decoder, first, last))[low - first : high - first]
        if found.dtype != self.page.pixels.dtype or found.shape[1:] != (self.page.width, self.page.channels):
            raise DecodeError("parts of the TIFF file differ in kind")
        if self.page.is_float and self.page.span != (0.0, 1.0):
            black, white = self.page.span
            found = (found - np.float32(black)) / np.float32(white - black)
        found = found[::-1] if self._is_upside_down else found
        return np.ascontiguousarray(found[:, ::-1] if self.orientation in (2, 3) else found)


def open_source(
    parts: Parts, file: FileBytes, decoder: Decoder, check: Callable[[], None], largest: int
) -> TiffSource:
    """A source for the rows of a file; float samples are all looked at first.

    Args:
        parts: where they are.
        file: the file, which the source closes when it is closed.
        decoder: what turns parts of files into pictures.
        check: as for `TiffSource`.
        largest: bytes of rows that may be decoded at once.

    Raises:
        Unsuitable: it has to be decoded in one piece.
        DecodeError: it cannot be read, or samples are NaN or infinite.
    """
    metadata, orientation = tifftags.read(file, parts.place)
    if orientation >= _SIDEWAYS:
        raise Unsuitable("a picture on its side")
    if parts.color == _PALETTE:
        raise Unsuitable("a palette")
    step = 1 if parts.is_plain else parts.rows
    if 3 * step * parts.row_bytes > largest:
        raise Unsuitable(f"strips or tiles of {step} rows")
    first = _decoded(parts, decoder, *parts.whole(0, 1))
    if first.alpha is not None:
        raise Unsuitable("transparency")
    if first.is_float and parts.color == _WHITE_IS_ZERO:
        raise Unsuitable("inverted float samples")
    metadata = replace(metadata, icc=first.metadata.icc)
    metadata, _, notes = upright_metadata(metadata, orientation)
    page = hollow(
        parts.width,
        parts.height,
        first.channels,
        first.pixels.dtype,
        metadata=metadata,
        source="TIFF",
        notes=(*first.notes, *notes),
    )
    source = TiffSource(parts, file, page, orientation, decoder, check)
    return replace(source, page=replace(page, span=_span(source))) if page.is_float else source


def _span(source: TiffSource) -> tuple[float, float]:
    """Stored values of black and white of a float picture, every sample of which is looked at."""
    tap = source.bands().tap()
    low, high = np.inf, -np.inf
    for span in blocks(tap.shape.height, rows_at_a_time(tap.shape.width)):
        rows = tap.read(span.start, span.stop)
        low, high = min(low, float(rows.min())), max(high, float(rows.max()))
    return float_span(low, high)


def _decoded(parts: Parts, decoder: Decoder, first: int, last: int) -> Picture:
    try:
        return decoder.pages(parts.cut(first, last))[0]
    except DecodeError as error:
        if last - first == parts.height:
            raise
        raise DecodeError(f"rows {first} to {last - 1}: {error}") from error


def _stored(picture: Picture) -> NDArray[Any]:
    """Pixels with the values that the file has."""
    if not picture.is_float or picture.span == (0.0, 1.0):
        return picture.pixels
    black, white = (np.float32(value) for value in picture.span)
    found: NDArray[Any] = picture.pixels * (white - black) + black
    return found
