"""From the restored pages of a picture to the bytes of its file: the format, the note of how it was made, encoding."""

from collections.abc import Sequence
from dataclasses import replace

from nsr_cli.cli import provenance
from nsr_cli.cli.outcome import Outcome
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import EncodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture

_HOLD_SEVERAL = frozenset({"TIFF", "PNG", "WEBP", "GIF"})
_EXPECTED_LOSS = "compression is lossy"  # whoever asks for JPEG knows


def own_format(pages: Sequence[Picture]) -> str:
    """The format of the file that some pages come from, if that holds them as they are; else PNG."""
    source, clear = pages[0].source, any(page.alpha is not None for page in pages)
    return source if source in codec.LOSSLESS and not (clear and source in codec.OPAQUE) else "PNG"


def check_pages(pages: Sequence[Picture], form: str) -> None:
    """EncodeError if the format cannot hold several pages or frames."""
    count, source = len(pages), pages[0].source
    if count > 1 and source == "TIFF" and form != "TIFF":
        raise EncodeError(f"it has {count} pages, which only TIFF keeps; leave the format to TIFF")
    if count > 1 and form not in _HOLD_SEVERAL:
        raise EncodeError(f"it has {count} frames, which {form} cannot hold; choose PNG, WebP, GIF or TIFF")


def pack(pages: list[Picture], form: str, settings: Settings, outcome: Outcome) -> bytes:
    """The file of a result; `outcome` says how it was made, and is told what the format cannot hold.

    Raises:
        EncodeError: the format cannot hold the picture.
    """
    lost = codec.losses_of_pages(pages, form, settings.write_quality)
    outcome.notes += [f"{form}: {loss}" for loss in lost if loss != _EXPECTED_LOSS]
    return _encoded(_signed(pages, form, settings, outcome), form, settings.write_quality)


def _signed(pages: list[Picture], form: str, settings: Settings, outcome: Outcome) -> list[Picture]:
    """The pages as they are written: without what `--strip` drops, else with the note of how they were made."""
    if settings.strip:
        return [page.with_metadata(replace(page.metadata, exif=None, text=())) for page in pages]
    quality = settings.write_quality
    pixels = provenance.digest_as_written(pages, form, quality, lambda bare: _encoded(bare, form, quality))
    command = provenance.arguments_of(settings, form)
    made_by = (outcome.model or "", outcome.model_sha256 or "")
    steps = outcome.found if settings.task == "auto" else None
    return [provenance.mark(page, command, *made_by, pixels, steps) for page in pages]


def _encoded(pages: list[Picture], form: str, quality: int | None) -> bytes:
    if len(pages) == 1:
        return codec.encode(pages[0], form, quality=quality)
    return codec.encode_pages(pages, form, quality=quality)
