"""The level that a network is told, and when it runs over each channel."""

import pytest

from nsr_cli.engine.levels import network_level, runs_by_channel
from nsr_cli.errors import UsageError
from nsr_cli.model.config import NetworkConfig
from tests.tiny import tiny_config

GRAY, COLOR = (tiny_config(1, channels, levels=1) for channels in (1, 3))


@pytest.mark.parametrize(
    "config, channels, factor", [(COLOR, 1, 3**0.5), (COLOR, 3, 1), (GRAY, 3, 1), (GRAY, 1, 1)]
)
def test_one_noise_in_all_channels_of_a_color_network_counts_more(
    config: NetworkConfig, channels: int, factor: float
) -> None:
    assert network_level("denoise", config, 15, None, channels) == pytest.approx(factor * 15 / 75)


def test_a_quality_is_a_share_and_levels_are_needed_where_the_network_takes_one() -> None:
    assert network_level("dejpeg", COLOR, 15, 40, 1) == 0.4
    assert network_level("denoise", tiny_config(1, 3, levels=0), 15, 40, 3) is None
    with pytest.raises(UsageError, match="--sigma N"):
        network_level("denoise", COLOR, None, 40, 3)
    with pytest.raises(UsageError, match="-q N"):
        network_level("dejpeg", COLOR, 15, None, 3)


@pytest.mark.parametrize(
    "task, config, channels, expected",
    [
        ("denoise", GRAY, 3, True),
        ("denoise", GRAY, 1, False),
        ("denoise", COLOR, 1, False),
        ("dejpeg", GRAY, 3, False),
    ],
)
def test_noise_alone_is_removed_from_each_channel(
    task: str, config: NetworkConfig, channels: int, expected: bool
) -> None:
    assert runs_by_channel(task, config, channels) is expected
