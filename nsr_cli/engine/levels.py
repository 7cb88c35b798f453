"""A picture's level, measured and for a network, and whether that runs once for each channel."""

from typing import Literal

from nsr_cli.errors import UsageError
from nsr_cli.imaging.findings.jpegtraces import estimate_quality
from nsr_cli.imaging.findings.noise import estimate_noise
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.whites import in_whole_range
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES

Asked = float | Literal["auto"] | None
"""A level that is asked for; "auto" is the one that is measured."""


def measured_sigma(picture: Picture) -> float:
    """The noise of a picture's noisiest channel, 0 to `MAX_SIGMA` on the 0…255 scale, to a tenth."""
    noise = max(estimate_noise(in_whole_range(picture.pixels, picture.white)))
    return round(min(noise, MAX_SIGMA), 1)


def measured_quality(picture: Picture) -> int | None:
    """The JPEG quality 1…92 of which the pixels bear traces; None without any.

    The tables of a JPEG file tell it for any quality, see `imaging.findings.inspect.jpeg_tables`.
    """
    return estimate_quality(in_whole_range(picture.pixels, picture.white))


def found_levels(
    task: str, picture: Picture, sigma: Asked, quality: Asked
) -> tuple[float | None, float | None] | None:
    """Sigma and quality, those measured that are asked for as "auto" and that the task needs.

    None if the picture bears no traces of JPEG that could be removed.
    """
    if sigma == "auto":
        sigma = measured_sigma(picture) if task == "denoise" else None
    if quality == "auto":
        quality = measured_quality(picture) if task == "dejpeg" else None
        if quality is None and task == "dejpeg":
            return None
    return sigma, quality


def network_level(
    task: str, config: NetworkConfig, sigma: float | None, quality: float | None, channels: int
) -> float | None:
    """The degradation level in [0, 1] for a network, of what it was trained for; None if it takes none.

    Args:
        task: `upscale`, `denoise` or `dejpeg`.
        config: of the network.
        sigma: noise level on the 0…255 scale; `denoise` needs it.
        quality: JPEG quality 1…100; `dejpeg` needs it.
        channels: of the picture, 1 or 3.

    Raises:
        UsageError: the level that the task needs is missing.
    """
    if config.levels == 0:
        return None
    if task == "denoise":
        if sigma is None:
            raise UsageError("denoising needs a noise level; give --sigma N or --sigma auto")
        return min(max(sigma * _shared(config, channels), 0.0), MAX_SIGMA) / MAX_SIGMA
    if quality is None:
        raise UsageError("removing JPEG artifacts needs a quality; give -q N or -q auto")
    low, high = QUALITIES
    return min(max(quality, low), high) / 100


def strongest_noise(config: NetworkConfig, channels: int) -> float:
    """The largest sigma, on the 0…255 scale, that a network accepts for a picture with so many channels."""
    return MAX_SIGMA / _shared(config, channels)


def _shared(config: NetworkConfig, channels: int) -> float:
    """How many times stronger a network sees noise that is the same in all channels.

    To a color network a gray picture is three equal channels with the same noise. Independent noise, with which the
    network was trained, would be √3 times weaker in their mean.
    """
    return 3**0.5 if channels < config.channels else 1.0


def runs_by_channel(task: str, config: NetworkConfig, channels: int) -> bool:
    """Whether a gray network restores each channel of a color picture: noise is in all, JPEG's loss mostly in luma."""
    return task == "denoise" and channels > config.channels
