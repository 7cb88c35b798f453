"""Muon: momentum, made orthogonal before each step, for the kernels of the blocks; Adam for everything else.

A kernel (O, C, 3, 3) is a matrix of O rows. Its gradients are nearly of low rank, so that Adam mostly changes few
directions of it; a step with all singular values near 1 changes every direction alike. (Jordan et al., "Muon: An
optimizer for hidden layers in neural networks", 2024, https://kellerjordan.github.io/posts/muon/)
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_MOMENTUM = 0.95
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # Adam's, with their usual values
# An odd polynomial that moves singular values in (0, 1] towards 1; five rounds leave them in about 0.7..1.2 (Jordan).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
# Root mean square of a step, so that the learning rate can be Adam's (arXiv 2502.16982, Sec. 2.2).
_LIKE_ADAM = 0.2


class Muon(torch.optim.Optimizer):
    """Both optimizers as one, with one learning rate.

    Args:
        groups: parameters, and `matrices` for each group: 0 leaves its parameters to Adam, k > 0 takes each of them as
            k matrices, one below the other.
        learning_rate: of all groups.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], learning_rate: float) -> None:
        super().__init__(groups, {"lr": learning_rate, "matrices": 0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (its name for callers)
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if group["matrices"]:
                    change = _orthogonal_step(parameter.grad, state, group["matrices"])
                else:
                    change = _adam_step(parameter.grad, state)
                parameter.add_(change, alpha=-group["lr"])


def _orthogonal_step(gradient: Tensor, state: dict[str, Tensor], matrices: int) -> Tensor:
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
    ahead = gradient.lerp(momentum, _MOMENTUM)  # Nesterov's
    turned = orthogonalized(ahead.reshape(matrices, len(ahead) // matrices, -1))
    length: float = _LIKE_ADAM * max(turned.shape[-2:]) ** 0.5
    return (turned * length).view(gradient.shape)


def orthogonalized(matrices: Tensor) -> Tensor:
    """(k, R, C) -> the same with all singular values near 1, by a Newton-Schulz iteration; zero stays zero."""
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


def _adam_step(gradient: Tensor, state: dict[str, Tensor]) -> Tensor:
    if not state:
        state.update(step=torch.zeros((), dtype=torch.float64))
        state.update(exp_avg=torch.zeros_like(gradient), exp_avg_sq=torch.zeros_like(gradient))
    step = int(state["step"].add_(1))
    first = state["exp_avg"].lerp_(gradient, 1 - _FIRST)
    second = state["exp_avg_sq"].lerp_(gradient.square(), 1 - _SECOND)
    root = second.div(1 - _SECOND**step).sqrt_().add_(_TINY)
    return first.div(1 - _FIRST**step).div_(root)
