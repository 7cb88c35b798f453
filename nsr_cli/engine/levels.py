"""A picture's level for a network, and whether it runs once for each channel; shared by restoring and explaining."""

from nsr_cli.errors import UsageError
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES


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
