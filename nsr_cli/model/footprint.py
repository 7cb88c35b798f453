"""How much memory a network takes, computed from its configuration alone (no torch)."""

from nsr_cli.model.config import NetworkConfig

SHARE = 0.85
"""The share of a memory limit for what is counted here; the rest is for what is not."""
FLOAT_BYTES = 4
"""Bytes of a sample in float32."""
MOST_STACKED = 16
"""The most windows that a CPU core computes together."""
MOST_PLACE_BYTES = 1 << 10
"""The most bytes of the features of all stacked windows at one place within a window."""


def bytes_per_pixel(
    config: NetworkConfig, colors: int, item_bytes: int = FLOAT_BYTES, *, inside: bool = True
) -> float:
    """Peak bytes per input pixel while a picture goes through a network.

    `tests/cli/test_memory.py` compares it with what the command takes.

    Args:
        config: of the network.
        colors: channels of the picture; if these are more than the network's, each runs by itself.
        item_bytes: bytes of a feature.
        inside: whether features are in the memory in question, and not in that of another device.
    """
    seen, inner = config.channels, config.inner
    # The input, as the network needs it; and the same with a border, and behind an unshuffling.
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
    """Bytes that the cores of a CPU take for the windows they are computing, beside the picture's features.

    Each works on so many windows that their features take a kilobyte at each place within a window, at two bytes a
    feature (`engine.executor.most_stacked`), and holds the output of a layer or, three times, that of the last one.

    Args:
        config: of the network.
        pixels: pixels of the picture; a core gets half of its share at most.
        cores: how many cores compute.
    """
    inner = config.inner
    width = inner.width * (1 + inner.expansion)
    stacked = max(1, min(MOST_STACKED, MOST_PLACE_BYTES // width))
    places = min(stacked * inner.window**2, pixels / config.unshuffle**2 / (2 * cores))
    return int(cores * places * FLOAT_BYTES * (width + 3 * inner.scale**2 * inner.channels))
