"""Find what is wrong with a picture: compression, noise, missing detail."""

import math
from dataclasses import dataclass

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.codec import sniff
from nsr_cli.imaging.findings.jpegtraces import estimate_quality
from nsr_cli.imaging.findings.noise import estimate_noise, picture_over_noise
from nsr_cli.imaging.findings.upscaletraces import estimate_upscale
from nsr_cli.imaging.jpeg.tables import JpegTables, read_tables
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.whites import in_whole_range


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in a picture and its file."""

    jpeg: JpegTables | None
    """How the file was compressed, if it is a JPEG."""

    earlier_quality: int | None
    """Quality of an earlier JPEG compression that shows in the pixels of a file that is not a JPEG."""

    noise: tuple[float, ...]
    """Standard deviation of white noise in each channel, in levels of 0..255."""

    upscaled: float | None
    """The factor by which it seems to have been enlarged before."""

    over_noise: float = math.inf
    """How much more its parts differ than noise alone would make them, as a ratio; near 1 it is all noise."""


def inspect(data: bytes, picture: Picture) -> Findings:
    """Look into a file's bytes and the picture that was decoded from them."""
    jpeg, pixels = jpeg_tables(data), in_whole_range(picture.pixels, picture.white)
    earlier = None if jpeg else estimate_quality(pixels)
    noise = estimate_noise(pixels)
    over_noise = picture_over_noise(pixels, noise)
    return Findings(jpeg, earlier, noise, estimate_upscale(pixels), over_noise)


def jpeg_tables(data: bytes) -> JpegTables | None:
    """Quality and subsampling of a JPEG file; None for other files and for JPEGs without tables."""
    try:
        return read_tables(data) if sniff(data) == "JPEG" else None
    except DecodeError:
        return None
