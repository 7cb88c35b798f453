"""From the restored pages of a picture to the bytes of its file: format, note of how it was made, encoding."""

import secrets
import time
from collections.abc import Sequence
from typing import BinaryIO

from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.signing import how_made
from nsr_cli.errors import EncodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import write as tiffwrite
from nsr_cli.notes import metadatadigest, provenance
from nsr_cli.notes.pixeldigest import PixelDigest
from nsr_cli.planning.settings import Settings

_HOLD_SEVERAL = frozenset({"TIFF", "PNG", "WEBP", "GIF"})
_EXPECTED_LOSS = "compression is lossy"  # known to anyone who asks for JPEG


def own_format(pages: Sequence[Picture]) -> str:
    """The format of the file from which the pages come, if it is lossless for them; else PNG."""
    source, clear = pages[0].source, any(page.alpha is not None for page in pages)
    return source if source in codec.LOSSLESS and not (clear and source in codec.OPAQUE) else "PNG"


def check_count(count: int, source: str, form: str) -> None:
    """EncodeError if the format cannot hold so many pages or frames, which come from a file of format `source`."""
    if count > 1 and source == "TIFF" and form != "TIFF":
        raise EncodeError(f"it has {count} pages, which only TIFF keeps; leave the format to TIFF")
    if count > 1 and form not in _HOLD_SEVERAL:
        raise EncodeError(f"it has {count} frames, which {form} cannot hold; choose PNG, WebP, GIF or TIFF")


class Packer:
    """Compresses the pages of a TIFF file one by one, so that only one of them has its pixels in memory."""

    def __init__(self) -> None:
        self._digest = PixelDigest()
        self.seconds = 0.0
        """Seconds that compressing took so far."""

    def packed(self, page: Picture) -> tiffwrite.Packed:
        """The page with its pixels compressed; call it once for each page, in order."""
        started = time.perf_counter()
        written = page
        if page.is_float:  # the digest is of the samples as the file gives them when read
            bare = page.with_metadata(Metadata())
            written = codec.decode(codec.encode(bare, "TIFF"), max_pixels=1 << 62)
        self._digest.begin(written)
        self._digest.add(written.pixels, written.alpha)
        found = tiffwrite.pack(page)
        self.seconds += time.perf_counter() - started
        return found

    def digest(self) -> str:
        """The digest of the pixels of all pages, as from `provenance.digest_as_written`."""
        return self._digest.hexdigest()


def packer_of(pages: Sequence[Picture], form: str) -> Packer | None:
    """A packer for the pages of a file; None if they must be encoded together."""
    return Packer() if form == "TIFF" and len(pages) > 1 else None


def pack(
    pages: list[Picture], form: str, settings: Settings, outcome: Outcome, packer: Packer | None = None
) -> bytes:
    """The file of a result; `outcome` says how it was made, and gets notes on what the format cannot hold.

    The pages are the restored ones, or those that `packer` made of them, which are consumed.

    Raises:
        EncodeError: the format cannot hold the picture.
    """
    token = secrets.token_hex(32)
    finished = _finished(pages, form, settings, outcome, packer, token)
    return metadatadigest.seal(_encoded(finished, form, settings.write_quality), token)


def pack_into(
    file: BinaryIO, pages: list[Picture], settings: Settings, outcome: Outcome, packer: Packer
) -> None:
    """Write the TIFF file that `pack` would return for pages from `packer`; frees them on the way."""
    token = secrets.token_hex(32)
    codec.write_pages(file, _finished(pages, "TIFF", settings, outcome, packer, token))
    metadatadigest.seal_file(file, token)


def _finished(
    pages: list[Picture], form: str, settings: Settings, outcome: Outcome, packer: Packer | None, token: str
) -> list[Picture]:
    """The pages as they are written: with the note of how they were made, unless `--strip` drops all metadata.

    `token` stands in the note for the digest of the metadata, which is known once the file is written. `outcome`
    gets notes on what the format cannot hold.
    """
    quality = settings.write_quality
    if settings.strip:
        pages = [page.with_metadata(page.metadata.stripped()) for page in pages]
    lost = codec.losses_of_pages(pages, form, quality)
    outcome.notes += [f"{form}: {loss}" for loss in lost if loss != _EXPECTED_LOSS]
    if settings.strip:  # no digests are needed
        return pages
    if packer is not None:
        pixels: str | None = packer.digest()
    else:
        pixels = provenance.digest_as_written(
            pages, form, quality, lambda bare: _encoded(bare, form, quality)
        )
    count = len(pages)
    return [
        provenance.mark(page, how_made(page, settings, outcome, form, count), pixels, token) for page in pages
    ]


def _encoded(pages: list[Picture], form: str, quality: int | None) -> bytes:
    if len(pages) == 1:
        return codec.encode(pages[0], form, quality=quality)
    return codec.encode_pages(pages, form, quality=quality)
