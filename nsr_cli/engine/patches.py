"""The authors' way of running a network, kept as a slow reference: overlapping patches, averaged.

Patches of P×P pixels lie at a stride of 2P/3. Each is restored by itself with zeros around it, and the results are
averaged where they overlap. Every pixel is computed (P / stride)² = 2.25 times.
"""

import torch
from torch import Tensor

from nsr_cli.model.network import Network


@torch.inference_mode()
def overlapping_patches(network: Network, x: Tensor, level: Tensor | None = None, batch: int = 16) -> Tensor:
    """(C, H, W) -> (C, scale·H, scale·W), both about [0, 1], on the device of the network.

    A picture smaller than a patch is a single, smaller patch.
    """
    scale, (height, width) = network.config.scale, x.shape[1:]
    high, wide = min(network.config.window, height), min(network.config.window, width)
    places = [(top, left) for top in _starts(height, high) for left in _starts(width, wide)]
    total = torch.zeros(x.shape[0], scale * height, scale * width, device=x.device)
    counts = torch.zeros_like(total[:1])
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        patches = torch.stack([x[:, top : top + high, left : left + wide] for top, left in some])
        levels = None if level is None else level.expand(len(some), -1)
        for (top, left), out in zip(some, network(patches, levels), strict=True):
            area = (slice(scale * top, scale * (top + high)), slice(scale * left, scale * (left + wide)))
            total[:, *area] += out
            counts[:, *area] += 1
    return total / counts


def _starts(length: int, side: int) -> list[int]:
    """Patch positions along one axis: every 2P/3 pixels, the last one flush with the end."""
    stride = max(1, side * 2 // 3)
    return [*range(0, length - side, stride), length - side]
