"""The network itself, with what the engine does at a picture's edges."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.model.sparse_conv import Convolution, from_windows


@contextmanager
def repeated_edges() -> Iterator[None]:
    """Networks see their outermost features repeated around a picture, at every layer, where they saw zeros."""

    def halo(features: Tensor, window: int) -> tuple[Tensor, int]:
        right, down = -features.shape[3] % window, -features.shape[2] % window
        padded = F.pad(F.pad(features, (1, 1, 1, 1), mode="replicate"), (0, right, 0, down))
        cut = padded.unfold(2, window + 2, window).unfold(3, window + 2, window)
        return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, features.shape[1], window + 2, window + 2), 0

    def join(windows: Tensor, batch: int, height: int, width: int) -> Tensor:
        alone = len(windows) == batch  # `from_windows` then leaves it as it is, for nothing was added to it
        return windows[..., :height, :width] if alone else from_windows(windows, batch, height, width)

    def convolve(layer: Convolution, features: Tensor) -> Tensor:
        sides = (layer.weight.shape[-1] // 2,) * 4
        return F.conv2d(F.pad(features, sides, mode="replicate"), layer.weight, layer.bias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsr_cli.model.sparse_conv.with_halo", halo)
        patch.setattr("nsr_cli.model.sparse_conv.from_windows", join)
        patch.setattr(Convolution, "forward", convolve)
        yield
