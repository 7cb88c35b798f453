"""The rows of a large TIFF file: cut out, decoded in the sandbox, and brought to one range."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.batch.heldsource import joined, sample_spans
from nsr_cli.engine.bands import Bands, Shape, blocks, rows_at_a_time
from nsr_cli.engine.tiles import Span
from nsr_cli.errors import DecodeError
from nsr_cli.forecast.rows import why_not
from nsr_cli.imaging import whites
from nsr_cli.imaging.color import White
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.floats import Tally, checked_span
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rebuild import upright_metadata
from nsr_cli.imaging.tiff import kinds, tags
from nsr_cli.imaging.tiff.bands import hollow
from nsr_cli.imaging.tiff.parts import Parts
from nsr_cli.imaging.tiff.whites import stated_white
from nsr_cli.sandbox.decoder import Decoder

_WIDE = 16  # bits of a sample from which on not all may be used


class Unsuitable(Exception):
    """The file cannot be read in bands; `str` is the reason, as words to follow "it has"."""


@dataclass(frozen=True, slots=True)
class TiffSource:
    """A TIFF file that is read in bands."""

    parts: Parts
    file: FileBytes
    page: Picture
    """The picture without its pixels."""
    orientation: int
    decoder: Decoder
    check: Callable[[], None]
    """Called repeatedly; what it raises ends the reading."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def bands(self) -> Bands:
        """All rows, from the top, alpha last."""
        page = self.page
        shape = Shape(page.height, page.width, page.samples)
        step = rows_at_a_time(page.width, 1)
        if not self.parts.is_plain:
            step = -(-step // self.parts.rows) * self.parts.rows
        # Read from the bottom up, the first block is the partial one.
        spans = blocks(page.height, step)
        if self._is_upside_down and not self.parts.is_plain and page.height % step:
            rest = page.height % step
            later = blocks(page.height - rest, step)
            moved = (Span(span.start + rest, span.stop + rest) for span in later)
            spans = itertools.chain([Span(0, rest)], moved)
        return Bands(shape, spans, self._made, page.white)

    def sample(self, most: int) -> NDArray[Any]:
        """As `Held.sample`."""
        parts = [self._made(span)[..., : self.page.channels] for span in sample_spans(self.page, most)]
        return whites.in_whole_range(np.concatenate(parts), self.page.white)

    @property
    def _is_upside_down(self) -> bool:
        return self.orientation in (3, 4)

    def _made(self, span: Span) -> NDArray[Any]:
        self.check()
        low, high = span.start, span.stop
        if self._is_upside_down:
            low, high = self.page.height - high, self.page.height - low
        first, last = self.parts.whole(low, high)
        found = _stored(_decoded(self.parts, self.decoder, first, last), self.page)[
            low - first : high - first
        ]
        self.file.check()  # a result must not have rows of two versions
        if found.dtype != self.page.pixels.dtype or found.shape[1:] != (self.page.width, self.page.samples):
            raise DecodeError("parts of the TIFF file differ in kind")
        if self.page.is_float and self.page.span != (0.0, 1.0):
            black, white = self.page.span
            found = (found - np.float32(black)) / np.float32(white - black)
        found = found[::-1] if self._is_upside_down else found
        return np.ascontiguousarray(found[:, ::-1] if self.orientation in (2, 3) else found)


def open_source(
    parts: Parts, file: FileBytes, decoder: Decoder, check: Callable[[], None], largest: int
) -> TiffSource:
    """A source for the rows of a file. Float samples are all read first, those of a palette until one has a color.

    The file is closed with the source; `largest` is as for `why_not`.

    Raises:
        Unsuitable: it must be decoded in one piece.
        DecodeError: it cannot be read, or samples are NaN, infinite, or as for `floats.checked_span`.
    """
    if reason := why_not(parts, file, largest):
        raise Unsuitable(reason)
    metadata, orientation = tags.read(file, parts.place)
    first = _decoded(parts, decoder, *parts.whole(0, 1))
    if first.is_float and parts.color == kinds.WHITE_IS_ZERO:
        raise Unsuitable("inverted float samples")
    if first.is_float and first.alpha is not None:  # opaque depends on the greatest sample of all
        raise Unsuitable("transparency in float samples")
    if parts.is_palette:
        first = _colored(parts, decoder, check, first)
    metadata = replace(metadata, icc=first.metadata.icc)
    metadata, _, notes = upright_metadata(metadata, orientation)
    page = hollow(
        parts.width,
        parts.height,
        first.channels,
        first.pixels.dtype,
        alpha=first.alpha is not None,
        metadata=metadata,
        source="TIFF",
        notes=(*first.notes, *notes),
    )
    source = TiffSource(parts, file, page, orientation, decoder, check)
    if not page.is_float:
        return source
    span, extra = checked_span(reduce(add, (Tally.of(rows) for rows in _all_rows(source))))
    return replace(source, page=replace(page.with_notes(*extra), span=span))


def with_whites(sources: Sequence[TiffSource]) -> list[TiffSource]:
    """The pages of a file, those of 16 bits with the same white, which their samples decide.

    In most files few samples are read: the first one that is too great for fewer bits is enough.
    """
    found = list[White]()
    for source in sources:
        if source.page.bits == _WIDE:
            if (white := _white(source)) is None:
                return list(sources)
            found.append(white)
    pages = whites.as_one([replace(source.page, white=whites.united(found)) for source in sources])
    return [replace(source, page=page) for source, page in zip(sources, pages, strict=True)]


def _white(source: TiffSource) -> White | None:
    parts, greatest = source.parts, 0
    stated = stated_white(source.file, parts.place, parts.bits, parts.color)
    if stated == whites.FULL:
        return None
    for rows in _all_rows(source):
        greatest = max(greatest, int(rows[..., : source.page.channels].max()))
        if greatest > whites.GREATEST and greatest > (stated or 0):
            break
    return whites.white_of(greatest, stated)


def _colored(parts: Parts, decoder: Decoder, check: Callable[[], None], first: Picture) -> Picture:
    """The first band of a palette picture that is not gray; `first` if all of them are."""
    step = -(-rows_at_a_time(parts.width, 1) // parts.rows) * parts.rows
    for span in blocks(parts.height, step):
        if not first.is_gray:
            break
        check()
        found = _decoded(parts, decoder, *parts.whole(span.start, span.stop))
        first = first if found.is_gray else found
    return first


def _all_rows(source: TiffSource) -> Iterator[NDArray[Any]]:
    """Every sample as it is stored, since black and white depend on all of them."""
    tap = source.bands().tap()
    for span in tap.shape.blocks():
        yield tap.read(span.start, span.stop)


def _decoded(parts: Parts, decoder: Decoder, first: int, last: int) -> Picture:
    try:
        return decoder.part(parts.cut(first, last))
    except DecodeError as error:
        if last - first == parts.height:
            raise
        raise DecodeError(f"rows {first} to {last - 1}: {error}") from error


def _stored(picture: Picture, page: Picture) -> NDArray[Any]:
    """Samples, alpha last; gray parts of a picture with a color palette are made RGB."""
    if picture.is_gray and not page.is_gray:
        picture = picture.with_pixels(np.repeat(picture.pixels, 3, axis=2), picture.alpha)
    return joined(picture)
