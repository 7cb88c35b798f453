"""Reading a file that ought to be a picture."""

from pathlib import Path

from nsr_cli.errors import DecodeError
from nsr_cli.reads import read_regular


def read_file(path: Path | None, max_pixels: int) -> bytes:
    """The bytes of a file that is not larger than any picture within the limit.

    Raises:
        DecodeError: it cannot be read, or is too large to be a picture.
    """
    if path is None:
        raise DecodeError("stdin holds no picture")
    try:
        stored, most = path.stat().st_size, max_pixels * 16 + (1 << 26)
        if stored > most:  # four float samples a pixel, and room for metadata
            raise DecodeError(
                f"its {stored} bytes are too many for a picture within --max-pixels {max_pixels}"
            )
        return read_regular(path, most)
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error
