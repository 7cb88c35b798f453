"""Losses: what counts of an error, and how much."""

import math

import pytest
import torch

from nsr_cli.training.loss import batch_loss, has_diverged, loss_within_range, mean_color_error
from nsr_cli.training.patches import Batch
from nsr_cli.training.recipe import Loss


def test_the_error_of_mean_colors_is_that_of_what_is_left_after_clipping() -> None:
    target = torch.full((2, 3, 4, 4), 0.5)
    restored = target + torch.tensor([[0.1, -0.1, 0.0], [0.0, 0.0, 0.7]])[:, :, None, None]
    restored[0, 2, :2] += 0.2
    restored[0, 2, 2:] -= 0.2  # wrong everywhere, but right on average
    restored.requires_grad_()
    error = mean_color_error(restored, target)
    assert float(error.detach()) == pytest.approx((0.1 + 0.1 + 0 + 0 + 0 + 0.5) / 6)
    error.backward()  # type: ignore[no-untyped-call]
    assert restored.grad is not None and (restored.grad[0, 0] > 0).all() and (restored.grad[1, 2] == 0).all()


def test_errors_that_clipping_removes_cost_nothing_and_all_others_what_they_are() -> None:
    target = torch.tensor([0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 0.5])
    restored = torch.tensor([-0.2, 0.1, -0.1, 1.2, 1.3, 0.8, 0.5], requires_grad=True)
    loss = loss_within_range(restored, target)
    assert float(loss.detach()) == pytest.approx((0 + 0.1 + 0.6 + 0.7 + 0 + 0.2 + 0) / 7)
    loss.backward()  # type: ignore[no-untyped-call]
    assert restored.grad is not None
    assert torch.equal(restored.grad[:6].sign(), torch.tensor([0.0, 1, -1, 1, 0, -1]))
    squared = loss_within_range(restored.detach(), target, "l2")
    assert float(squared) == pytest.approx((0 + 0.01 + 0.36 + 0.49 + 0 + 0.04 + 0) / 7)
    for kind in ("l1", "l2"):
        assert math.isnan(float(loss_within_range(torch.tensor([math.nan]), torch.tensor([0.0]), kind)))


def test_of_intact_patches_only_mean_colors_count() -> None:
    target = torch.full((2, 3, 4, 4), 0.5)
    restored = target.clone()
    restored[:, :, ::2] += 0.125
    restored[:, :, 1::2] -= 0.125  # wrong everywhere, but right on average
    restored[1, 0] += 0.25
    restored.requires_grad_()
    intact = torch.tensor([False, True])[:, None, None, None]
    loss = batch_loss(restored, Batch(target, target, None, intact), "l1", mean_color=3.0)
    assert float(loss.detach()) == pytest.approx(0.125 / 2 + 3.0 * 0.25 / 6)
    loss.backward()  # type: ignore[no-untyped-call]
    assert restored.grad is not None and (restored.grad[1, 1:] == 0).all() and (restored.grad[1, 0] > 0).all()


def test_psnr_counts_every_patch_by_its_own_error() -> None:
    target = torch.full((3, 1, 8, 8), 0.5)
    target[1, 0, 0] = 0.0
    restored = target + torch.tensor([0.1, 0.01, 0.0])[:, None, None, None]
    restored[1, 0, 0] = -0.3  # clipped to what it should be
    restored.requires_grad_()
    loss = loss_within_range(restored, target, "psnr")
    expected = [math.log10(0.1**2 + 2e-5), math.log10(0.01**2 * 7 / 8 + 2e-5), math.log10(2e-5)]
    assert float(loss.detach()) == pytest.approx(sum(expected) / 3, abs=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert restored.grad is not None and torch.isfinite(restored.grad).all()
    sizes = restored.grad.abs().amax(dim=(1, 2, 3))
    # The derivative of log(mse) is 2e/mse: an error of a tenth pulls nearly ten times as hard.
    pulls = [0.1 / (0.1**2 + 2e-5), 0.01 / (0.01**2 * 7 / 8 + 2e-5)]
    assert float(sizes[1] / sizes[0]) == pytest.approx(pulls[1] / pulls[0], rel=1e-3)
    assert (restored.grad[1, 0, 0] == 0).all() and (restored.grad[2] == 0).all()


def test_psnr_is_nan_where_the_network_is() -> None:
    broken = torch.full((1, 1, 4, 4), math.nan)
    assert math.isnan(float(loss_within_range(broken, torch.zeros(1, 1, 4, 4), "psnr")))


def test_psnr_of_intact_patches_leaves_only_their_mean_colors() -> None:
    target = torch.full((1, 3, 4, 4), 0.5)
    restored = (target + 0.125).requires_grad_()
    intact = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    loss = batch_loss(restored, Batch(target, target, None, intact), "psnr", mean_color=2.0)
    assert float(loss.detach()) == pytest.approx(math.log10(2e-5) + 2.0 * 0.125, abs=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert restored.grad is not None and torch.isfinite(restored.grad).all()


@pytest.mark.parametrize("kind", ["l1", "l2", "psnr"])
def test_a_loss_that_a_plain_gray_or_an_untrained_network_can_have_is_no_divergence(kind: Loss) -> None:
    hardest = torch.tensor([0.0, 1.0]).repeat(8).reshape(1, 1, 4, 4)
    gray = float(batch_loss(torch.full_like(hardest, 0.5), Batch(hardest, hardest, None, None), kind, 0.0))
    for first, diverged in ((gray - 1, True), (gray + 1, False)):
        assert not has_diverged(gray - 1e-6, first, kind, 0.0)
        assert has_diverged(gray + 0.1, first, kind, 0.0) == diverged
        assert not has_diverged(gray + 0.1, first, kind, 1.0)
        assert has_diverged(1e21, first, kind, 1.0)
