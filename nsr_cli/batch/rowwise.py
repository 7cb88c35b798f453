"""Restore a picture row by row, page after page, and write the rows as they come.

Leaf ── rows ──▶ Restorer.bands ── rows ──▶ tiffbands | pngrows ──▶ a file without a name ──▶ the result
"""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.signing import how_made
from nsr_cli.batch.streamed import Leaf, Streamed
from nsr_cli.engine.bands import Bands, alpha_bands, color_bands, with_alpha
from nsr_cli.engine.progress import Progress, of_part
from nsr_cli.errors import DecodeError
from nsr_cli.files import atomic_stream
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import rows as pngrows
from nsr_cli.imaging.tiff import bands as tiffbands
from nsr_cli.notes import metadatadigest, provenance
from nsr_cli.notes.pixeldigest import PixelDigest
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.levels import options_of
from nsr_cli.steps.restorers import RestorerLike

Rows = Callable[[int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class RowWriter:
    """Restores one file in this way; if anything goes wrong, there is no result.

    `outcome` gets the size, and notes on what the format cannot hold. What `check` raises, which is called repeatedly,
    ends the work.
    """

    settings: Settings
    streamed: Streamed
    outcome: Outcome
    progress: Progress
    check: Callable[[], None]

    def write(self, restorers: Sequence[RestorerLike | None], make_room: Callable[[Job], None]) -> None:
        """Restore each page by its restorer, or copy it unchanged if that is None, and write the file.

        `make_room` makes the folder of a job's target, and raises if something there should stay.
        """
        # All pages of a file have the same digest in their notes: until all are written a token stands for it, and
        # another token for that of the metadata.
        job, digest = self.outcome.job, PixelDigest()
        token, seal = secrets.token_hex(32), secrets.token_hex(32)
        pages = self._pages(restorers)
        pages = itertools.chain([next(pages)], pages)  # raises before a folder is made
        make_room(job)
        with atomic_stream(job.target or Path(), job.source) as file:
            written = (
                (self._signed(page, token, seal), self._told(rows, page, digest)) for page, rows in pages
            )
            if self.streamed.format == "TIFF":
                tiffbands.write(file, written, self._samples_bytes())
                tiffbands.replace_text(file, token.encode(), digest.hexdigest().encode())
            else:
                page, rows = next(written)
                pngrows.write(file, page, rows)
                pngrows.replace_metadata(file, self._signed(page, digest.hexdigest(), seal))
            metadatadigest.seal_file(file, seal)
            self.check()
            make_room(job)

    def _pages(self, restorers: Sequence[RestorerLike | None]) -> Iterator[tuple[Picture, Rows]]:
        """A description of each page of the result, and its rows."""
        leaves = self.streamed.leaves
        for number, (leaf, restorer) in enumerate(zip(leaves, restorers, strict=True)):
            bands, page = self._bands(leaf, restorer, of_part(self.progress, number, len(leaves)))
            if number == 0:
                self.outcome.out_size = (page.width, page.height)
            form = self.streamed.format
            codec.check_encodable(form, page.width, page.height, alpha=page.alpha is not None)
            read = bands.tap().read
            yield page, read if len(leaves) == 1 else _named(read, number + 1)

    def _bands(
        self, leaf: Leaf, restorer: RestorerLike | None, progress: Progress | None
    ) -> tuple[Bands, Picture]:
        """The rows of a page's result, alpha last, and the result without its pixels."""
        form, page, rows = self.streamed.format, leaf.source.page, leaf.source.bands()
        if self.settings.strip:
            page = page.with_metadata(page.metadata.stripped())
        dtype = np.dtype(np.uint16) if form == "PNG" and page.is_float else page.pixels.dtype
        bands = rows
        if restorer is not None:
            color = rows if page.alpha is None else color_bands(rows)
            bands = self._restored(leaf, color, dtype, restorer, progress)
            if page.alpha is not None:
                bands = with_alpha(bands, alpha_bands(rows, bands.shape.height, bands.shape.width))
        losses = (
            f"{form}: {loss}" for loss in codec.losses(_result_page(bands, page, page.pixels.dtype), form)
        )
        self.outcome.notes += [loss for loss in losses if loss not in self.outcome.notes]
        return bands, _result_page(bands, page, dtype)

    def _restored(
        self,
        leaf: Leaf,
        color: Bands,
        dtype: "np.dtype[Any]",
        restorer: RestorerLike,
        progress: Progress | None,
    ) -> Bands:
        """The rows from the network, or from the chain of steps that were found for the page."""
        page = leaf.source.page
        try:
            return restorer.bands(
                color,
                dtype,
                options_of(self.settings, leaf.level, page),
                memory=self.streamed.room,
                clipped=not page.is_float,  # as for whole pictures, which stay floating point up to the file
                progress=progress,
            )
        finally:
            if restorer.taken:  # a chain has decided only now
                self.outcome.note_weights(restorer)

    def _told(self, read: Rows, page: Picture, digest: PixelDigest) -> Rows:
        """The rows of a page as they are stored; they are added to the digest too."""
        digest.begin(page)

        def rows(top: int, bottom: int) -> NDArray[Any]:
            self.check()
            made = read(top, bottom)
            digest.add(made[..., : page.channels], None if page.alpha is None else made[..., -1])
            return _as_stored(made, page)

        return rows

    def _samples_bytes(self) -> int:
        pages = [leaf.source.page for leaf in self.streamed.leaves]
        return sum(page.result_bytes(*self.settings.result_size(page.width, page.height)) for page in pages)

    def _signed(self, page: Picture, token: str, seal: str) -> Picture:
        """The page with its note, in which `token` and `seal` stand for the digests of pixels and metadata.

        With `--strip` it has no note, and is returned as it is.
        """
        if self.settings.strip:
            return page
        # How float samples will be read is known only once all are written; such a result is never taken for ours.
        pixels = None if page.is_float else token
        made = how_made(page, self.settings, self.outcome, self.streamed.format, len(self.streamed.leaves))
        return provenance.mark(page, made, pixels, seal)


def _named(read: Rows, number: int) -> Rows:
    """Rows whose errors name their page."""

    def rows(top: int, bottom: int) -> NDArray[Any]:
        try:
            return read(top, bottom)
        except DecodeError as error:
            raise DecodeError(f"page {number}: {error}") from error

    return rows


def _result_page(bands: Bands, page: Picture, dtype: "np.dtype[Any]") -> Picture:
    """A result without its pixels."""
    return tiffbands.hollow(
        bands.shape.width,
        bands.shape.height,
        page.channels,
        dtype,
        alpha=page.alpha is not None,
        span=page.span if dtype == page.pixels.dtype else (0.0, 1.0),
        metadata=page.metadata,
        source=page.source,
    )


def _as_stored(rows: NDArray[Any], page: Picture) -> NDArray[Any]:
    """Samples with black 0 and white 1 as the page stores them: floating point may have other values for these."""
    if page.is_float and page.span != (0.0, 1.0):
        black, white = (np.float32(value) for value in page.span)
        stored: NDArray[Any] = rows * (white - black) + black
        if page.alpha is not None:
            stored[..., -1] = rows[..., -1] * white
        return stored
    return rows
