"""What training minimizes: errors of restored patches that the clipping of results will not mend."""

import math

import torch
from torch import Tensor

from nsr_cli.errors import TrainingError
from nsr_cli.training.patches import Batch
from nsr_cli.training.recipe import Loss

# 47 dB. Without it the few patches that are nearly perfect would outweigh all others.
_FLOOR = 2e-5


def batch_loss(restored: Tensor, batch: Batch, kind: Loss, mean_color: float) -> Tensor:
    """What a step minimizes: the error of pixels, and `mean_color` times that of mean colors.

    For intact patches only the mean-color term counts: their pixels are taken as restored without error.

    Args:
        restored: (B, C, H, W), of the network, not clipped.
        batch: the patches that it restored.
        kind: of the error of pixels, see `loss_within_range`.
        mean_color: weight of the mean-color term; with 0 there is none.
    """
    pixels = restored if batch.intact is None else torch.where(batch.intact, batch.target, restored)
    loss = loss_within_range(pixels, batch.target, kind)
    return loss + mean_color * mean_color_error(restored, batch.target) if mean_color else loss


def loss_within_range(restored: Tensor, target: Tensor, kind: Loss = "l1") -> Tensor:
    """Error of pictures (B, C, H, W) in [0, 1]; what clipping to the range mends costs nothing.

    Results are clipped to that range. An error to both sides of black would become one to the brighter side alone, and
    dark areas would get a tint: a network may stay below black there.

    Args:
        restored: of the network, not clipped.
        target: the same size.
        kind: "l1" is the mean absolute error (the paper's, Sec. 4.1), "l2" the mean squared one. "psnr" is a tenth of
            the negative mean PSNR of the patches, bounded near 47 dB. Squared errors alone are those of the noisiest
            patches: a network for all levels then learns little of the fine ones.
    """
    beyond = ((target <= 0) & (restored < 0)) | ((target >= 1) & (restored > 1))
    error = (restored - target).masked_fill(beyond, 0.0)
    if kind == "l1":
        return error.abs().mean()
    if kind == "l2":
        return error.square().mean()
    return (error.square().mean(dim=(1, 2, 3)) + _FLOOR).log10().mean()


def mean_color_error(restored: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the mean of each channel of each patch (B, C, H, W), the restored one clipped to [0, 1].

    In a loss over pixels these errors hardly count: a shift by half a level is nothing beside what is wrong with edges.
    """
    means = restored.clamp(0, 1).mean(dim=(2, 3)) - target.mean(dim=(2, 3))
    return means.abs().mean()


def check_sound(value: float, step: int, what: str = "loss") -> None:
    """Raise `TrainingError` for a loss that is NaN or infinite, or a validation that is NaN, before a step."""
    if math.isnan(value) or (what == "loss" and math.isinf(value)):
        raise TrainingError(
            f"the {what} became NaN or infinite before step {step}; checkpoints from before are kept; start again "
            "with a lower --learning-rate and another --out"
        )


class Losses:
    """Losses of single steps that stay on the device until they are asked for: every transfer would hold it up."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """One more, of no dimensions."""
        self._losses.append(loss)

    def taken(self) -> float:
        """Their mean; they are let go of."""
        mean = float(torch.stack(self._losses).mean())
        self._losses.clear()
        return mean
