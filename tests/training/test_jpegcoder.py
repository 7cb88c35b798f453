"""The coder for accelerators against libjpeg, on a CPU."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from nsr_cli.imaging.degrade import jpeg
from nsr_cli.training.jpegcoder import JpegCoder
from nsr_cli.training.patches import PatchSource
from nsr_cli.training.recipe import TASKS

CODER = JpegCoder.on(torch.device("cpu"))


def patches(count: int, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Smooth color with grain and hard edges, (N, H, W, C)."""
    random = np.random.default_rng(height + channels)
    made = []
    for i in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
        smooth[:, width // 2 + i % 3 :] *= 0.3
        grained = smooth + random.normal(0, 3 * (i % 4), smooth.shape)
        made.append(grained.round().clip(0, 255).astype(np.uint8)[..., :channels])
    return np.stack(made)


def coded(clean: NDArray[np.uint8], qualities: list[int], halved: list[bool]) -> NDArray[np.uint8]:
    pixels = torch.from_numpy(clean).permute(0, 3, 1, 2)
    out = CODER.recompress(pixels, torch.tensor(qualities), torch.tensor(halved))
    return out.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 56), (37, 51)])
def test_it_is_libjpeg_to_the_bit(height: int, width: int, channels: int) -> None:
    qualities = [5, 10, 20, 35, 49, 50, 65, 80, 95, 100] * 2
    halved = [i < 10 for i in range(20)]
    clean = patches(20, height, width, channels)
    for ours, patch, quality, half in zip(
        coded(clean, qualities, halved), clean, qualities, halved, strict=True
    ):
        assert np.array_equal(ours, jpeg(patch, quality, "4:2:0" if half else "4:4:4")), (quality, half)


def test_a_source_on_an_accelerator_draws_the_same_batches() -> None:
    pictures = list(patches(3, 64, 72, 3))
    host = PatchSource(TASKS["dejpeg-rgb"], pictures, 48, 1, torch.device("cpu"))
    device = PatchSource(TASKS["dejpeg-rgb"], pictures, 48, 1, torch.device("cpu"))
    device._coder = CODER  # what any other device gets
    one, other = host.batch(4, 24), device.batch(4, 24)
    assert torch.equal(one.target, other.target) and torch.equal(one.input, other.input)
    assert one.level is not None and other.level is not None and torch.equal(one.level, other.level)
