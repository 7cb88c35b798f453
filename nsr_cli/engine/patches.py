"""The authors' way of running a network, kept as a slow reference: overlapping patches, averaged.

Patches of P pixels lie at a stride of 2P/3, each is restored on its own with zeros around it, and the results are
averaged where they overlap. Every pixel is computed (P / stride)² = 2.25 times.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.model.network import Network


@torch.inference_mode()
def overlapping_patches(network: Network, x: Tensor, level: Tensor | None = None, batch: int = 16) -> Tensor:
    """(C, H, W) -> (C, scale·H, scale·W), both about [0, 1], on the device of the network.

    Pictures smaller than a patch are edge-replicated to one.
    """
    side, scale = network.config.window, network.config.scale
    height, width = x.shape[1:]
    below, right = max(0, side - height), max(0, side - width)
    padded = F.pad(x[None], (0, right, 0, below), mode="replicate")[0]
    places = [
        (top, left) for top in _starts(padded.shape[1], side) for left in _starts(padded.shape[2], side)
    ]
    total = torch.zeros(x.shape[0], scale * padded.shape[1], scale * padded.shape[2], device=x.device)
    counts = torch.zeros_like(total[:1])
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        patches = torch.stack([padded[:, top : top + side, left : left + side] for top, left in some])
        levels = None if level is None else level.expand(len(some), -1)
        for (top, left), out in zip(some, network(patches, levels), strict=True):
            area = (slice(scale * top, scale * (top + side)), slice(scale * left, scale * (left + side)))
            total[:, *area] += out
            counts[:, *area] += 1
    return (total / counts)[:, : scale * height, : scale * width]


def _starts(length: int, side: int) -> list[int]:
    """Patch positions along one axis: every 2P/3 pixels, the last one flush with the end."""
    stride = side * 2 // 3
    return [*range(0, length - side, stride), length - side]
