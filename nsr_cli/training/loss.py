"""What training minimizes: errors of restored patches, except those that clipping results will remove."""

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
        restored: (B, C, H, W), the network's result, not clipped.
        batch: the patches that it restored.
        kind: the error of pixels, see `loss_within_range`.
        mean_color: weight of the mean-color term; with 0 there is none.
    """
    pixels = restored if batch.intact is None else torch.where(batch.intact, batch.target, restored)
    loss = loss_within_range(pixels, batch.target, kind)
    return loss + mean_color * mean_color_error(restored, batch.target) if mean_color else loss


def loss_within_range(restored: Tensor, target: Tensor, kind: Loss = "l1") -> Tensor:
    """Error of pictures (B, C, H, W) in [0, 1]; what clipping to that range removes is no error.

    Results will be clipped. If values below black counted as errors, a network would learn to stay above it, and dark
    areas would become brighter or tinted.

    Args:
        restored: the network's result, not clipped.
        target: the same size.
        kind: "l1" is the mean absolute error (the paper's, Sec. 4.1), "l2" the mean squared one. "psnr" is a tenth of
            the negative mean PSNR of the patches, bounded near 47 dB. With plain squared errors the noisiest patches
            dominate, so that a network for all levels learns little about low ones.
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

    In a loss over pixels these errors hardly count: a shift by half a level is tiny beside the errors at edges.
    """
    means = restored.clamp(0, 1).mean(dim=(2, 3)) - target.mean(dim=(2, 3))
    return means.abs().mean()


def check_sound(value: float, step: int, what: str = "loss") -> None:
    """Raise `TrainingError` for a loss that is NaN or infinite, or a validation that is NaN."""
    if math.isnan(value) or (what == "loss" and math.isinf(value)):
        raise TrainingError(
            f"the {what} became NaN or infinite before step {step}; checkpoints from before are kept; start again "
            "with a lower --learning-rate and another --out"
        )


def has_diverged(loss: float, first: float, kind: Loss, mean_color: float) -> bool:
    """Whether a loss is worse than that of the first step and than that of a uniform gray, whatever the pictures.

    A gray of 0.5 is wrong by at most 0.5 everywhere. A network that was not trained yet can be worse than that.

    Args:
        loss: of `kind`, with `mean_color` as for `batch_loss`.
        first: that of the run's first step, of the same kind.
    """
    gray = {"l1": 0.5, "l2": 0.25, "psnr": math.log10(0.25 + _FLOOR)}[kind]
    return loss > max(first, gray + 0.5 * mean_color)
