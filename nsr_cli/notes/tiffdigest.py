"""The digest of a TIFF file's pixels, decoded a few rows at a time: a result may be larger than the memory."""

from collections.abc import Callable, Iterator

from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff import tags
from nsr_cli.imaging.tiff.bands import hollow
from nsr_cli.imaging.tiff.parts import Parts, open_pages
from nsr_cli.notes.pixeldigest import PixelDigest

_BLOCK = 1 << 22  # pixels that are decoded at a time, unless a strip or a row of tiles has more


def digest(file: FileBytes, decode: Callable[[bytes], Picture], max_pixels: int) -> str | None:
    """`provenance.digest` of all pages of a file.

    Args:
        file: the file.
        decode: decodes a TIFF file with some of its rows, as `Decoder.part`.
        max_pixels: pages with more pixels are refused.

    Returns:
        None if a page cannot be read in bands, is not upright, or has float samples, whose range the whole decides.

    Raises:
        DecodeError: it cannot be read, or has been changed in the meantime.
    """
    pages = open_pages(file, max_pixels)
    if not pages or any(tags.read(file, parts.place)[1] != 1 for parts in pages):
        return None
    found = PixelDigest()
    for parts in pages:
        for top, band in _bands(parts, decode):
            if band.is_float:
                return None
            if top == 0:
                found.begin(hollow(parts.width, parts.height, 1, band.pixels.dtype))
            found.add(band.pixels, band.alpha)
    file.check()
    return found.hexdigest()


def _bands(parts: Parts, decode: Callable[[bytes], Picture]) -> Iterator[tuple[int, Picture]]:
    """The rows of a page, and the number of the first one."""
    step = max(1, _BLOCK // parts.width)
    if not parts.is_plain:
        step = -(-step // parts.rows) * parts.rows
    for top in range(0, parts.height, step):
        yield top, decode(parts.cut(*parts.whole(top, min(top + step, parts.height))))
