"""Refuse pictures whose headers claim too much, before anything of that size is allocated."""

from nsr_cli.errors import DecodeError

DEFAULT_MAX_PIXELS = 1 << 29
"""The most pixels of one picture unless the caller says otherwise (about 23,000 x 23,000)."""

MAX_SIDE = 1_000_000
"""The longest side of a picture, so that products of sizes stay small numbers."""

MOST_PICTURES = 10_000
"""The most pages or frames of one file."""

MOST_METADATA = 1 << 23
"""Bytes of one text, profile, or EXIF block; longer ones are left out, with a note."""

# Pixels of a picture from which on a byte stands for at most so many, in formats that code empty areas in a few bits.
_LARGE, _MOST_PER_BYTE = 1 << 24, 1 << 14

_ADVICE = "; raise it with --max-pixels "  # most commands can


def most_bytes(max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """The most bytes that the file of a picture within the limit has: 4 float samples a pixel, and metadata."""
    return max_pixels * 16 + (1 << 26)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """DecodeError if a claimed size is empty or above the limit."""
    if width < 1 or height < 1:
        raise DecodeError(f"the picture is empty ({width}×{height})")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise DecodeError(f"a side of {width}×{height} is longer than {MAX_SIDE} pixels")
    if width * height > max_pixels:
        size, limit = _told_apart(width * height, max_pixels)
        raise DecodeError(
            f"{width}×{height} is {size}, above the limit of {limit}{_ADVICE}{width * height} if you trust the file"
        )


def _told_apart(pixels: int, limit: int) -> tuple[str, str]:
    """Both numbers in megapixels, or in pixels where megapixels are too coarse; the first one with its unit."""
    most, least = (f"{count / 1e6:.0f}" for count in (pixels, limit))
    if limit < 1_000_000 or most == least:
        return f"{pixels:,} pixels", f"{limit:,}"
    return f"{most} megapixels", least


def without_option(reason: str) -> str:
    """An error of `check_size` with other advice than --max-pixels, for commands without it; others unchanged."""
    what, found, _ = reason.partition(_ADVICE)
    return f"{what}; cut it into smaller ones" if found else reason


def check_content(needed: int, stored: int, ratio: float, what: str) -> None:
    """DecodeError if `stored` bytes cannot unpack to `needed` at the format's greatest ratio."""
    if needed > stored * ratio + 4096:
        raise DecodeError(
            f"{what} claims {needed} bytes of samples but holds only {stored} bytes; it is cut off"
        )


def check_claim(pixels: int, stored: int, what: str) -> None:
    """DecodeError if a large picture has so few bytes as only an empty one could, in formats without a ratio."""
    if pixels > _LARGE and pixels > stored * _MOST_PER_BYTE:
        told = f"{what} claims {pixels} pixels but holds only {stored} bytes"
        raise DecodeError(f"{told}; it is damaged, or if it is of one color, save it as PNG")
