"""How much memory a network takes, told from its settings alone (no torch)."""

from nsr_cli.model.config import NetworkConfig

SHARE = 0.85
"""How much of a memory limit may be filled with what is counted; the rest is for what is not."""
FLOAT_BYTES = 4
"""Bytes of a sample in float32."""
MOST_STACKED = 16
"""Windows that a core of a CPU computes together, at most."""
MOST_PLACE_BYTES = 1 << 10
"""Bytes, at most, of the features of all stacked windows at one place within a window."""


def bytes_per_pixel(
    config: NetworkConfig, colors: int, item_bytes: int = FLOAT_BYTES, *, inside: bool = True
) -> float:
    """Peak bytes per input pixel while a picture goes through a network.

    `tests/cli/test_memory.py` compares it with what the command takes.

    Args:
        config: of the network.
        colors: channels of the picture; of more than the network has, each goes through by itself.
        item_bytes: of a feature.
        inside: whether features are in the memory that is asked about, and not in that of another device.
    """
    seen, inner = config.channels, config.inner
    # What comes in, as the network wants it; and the same with a border, and behind an unshuffling.
    before = seen + (0 if colors == seen else colors + seen) + seen * (2 if config.unshuffle > 1 else 1)
    out = config.scale**2 * seen * (2 if config.unshuffle > 1 else 1)
    after = config.scale**2 * (seen + (0 if colors == seen else 2 * colors))
    if not inside:
        return FLOAT_BYTES * max(before + out, after)
    rim, wide_rim = (1 + 2 * count / inner.window for count in (1, 2))
    strips = (seen + config.levels / config.unshuffle**2) * wide_rim
    features = inner.width / config.unshuffle**2 * rim * item_bytes / FLOAT_BYTES
    blocks = before + strips + features * (1 + inner.expansion)
    return FLOAT_BYTES * max(blocks, before + strips + features + out, after)


def bytes_at_work(config: NetworkConfig, pixels: float, cores: int) -> int:
    """What the cores of a CPU hold of the windows that they compute, beside the picture's features.

    Each has a piece of work: so many windows that their features take a kilobyte at each place within a window, two
    bytes each (`engine.executor.most_stacked`), and what comes out of a layer or, thrice, of the last one.

    Args:
        config: of the network.
        pixels: of the picture; a core gets half of its share at most.
        cores: that compute.
    """
    inner = config.inner
    width = inner.width * (1 + inner.expansion)
    stacked = max(1, min(MOST_STACKED, MOST_PLACE_BYTES // width))
    places = min(stacked * inner.window**2, pixels / config.unshuffle**2 / (2 * cores))
    return int(cores * places * FLOAT_BYTES * (width + 3 * inner.scale**2 * inner.channels))
