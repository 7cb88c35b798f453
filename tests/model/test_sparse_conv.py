"""The sparse convolution against the paper's formulas, written out here as loops."""

import pytest
import torch
import torch.nn.functional as F

from nsr_cli.model.config import Selection
from nsr_cli.model.sparse_conv import Selector, SparseConvolution

K, D, C, O, P = 4, 2, 6, 8, 5  # groups, cardinal groups, channels in, channels out, window


def make(
    kind: Selection = "softmax", temperature: float = 1.0, dtype: torch.dtype = torch.float64
) -> SparseConvolution:
    torch.manual_seed(1)
    layer = SparseConvolution(C, O, K, D, 2.0, Selector(C, K, D, kind, temperature)).to(dtype)
    torch.nn.init.normal_(layer.bias)
    return layer.eval()


def by_the_formula(layer: SparseConvolution, x: torch.Tensor) -> torch.Tensor:
    """Eq. 10, window by window, cardinal group by cardinal group, with the halo cut from the padded features."""
    weight = layer.weight.view(K, O, C, 3, 3)
    bias = layer.bias.view(K, O)
    out = torch.zeros(len(x), O, *x.shape[2:], dtype=x.dtype)
    padded = F.pad(x, (1, 1, 1, 1))
    for b in range(len(x)):
        for top in range(0, x.shape[2], P):
            for left in range(0, x.shape[3], P):
                pooled = x[b, :, top : top + P, left : left + P].mean(dim=(1, 2))
                gamma = layer.selector(pooled[None])[0]  # type: ignore[misc]
                for j in range(D):
                    rows = slice(j * O // D, (j + 1) * O // D)
                    kernel = sum(gamma[i, j] * weight[i, rows] for i in range(K))
                    offset = sum(gamma[i, j] * bias[i, rows] for i in range(K))
                    piece = padded[b : b + 1, :, top : top + P + 2, left : left + P + 2]
                    out[b, rows, top : top + P, left : left + P] = F.conv2d(piece, kernel, offset)[0]
    return out


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "gumbel"])
@pytest.mark.parametrize(
    "size", [(P, P), (2 * P, 3 * P), (P, 2 * P), (P + 1, 2 * P + 3), (3, P - 1), (1, 1), (1, 3 * P + 1)]
)
def test_equation_10(kind: Selection, size: tuple[int, int]) -> None:
    layer = make(kind)
    x = torch.randn(2, C, *size, dtype=torch.float64)
    torch.testing.assert_close(layer(x, P), by_the_formula(layer, x))


def test_one_hot_selection_is_the_chosen_group_alone() -> None:
    """Eq. 5: with a one-hot gamma the layer is an ordinary convolution with that group's kernels."""
    layer = make()
    x = torch.randn(1, C, 2 * P, P, dtype=torch.float64)
    for group in range(K):
        gamma = torch.zeros(2, K, D, dtype=torch.float64)
        gamma[:, group] = 1
        chosen = F.conv2d(x, layer.weight.view(K, O, C, 3, 3)[group], layer.bias.view(K, O)[group], padding=1)
        torch.testing.assert_close(layer(x, P, gamma), chosen)


@pytest.mark.parametrize("size", [(2 * P, 2 * P), (P + 2, 2 * P - 1), (2, 3), (P, 2 * P + 1)])
def test_mixing_kernels_equals_mixing_outputs(size: tuple[int, int]) -> None:
    layer = make()
    x = torch.randn(3, C, *size, dtype=torch.float64)
    kernels = layer(x, P)
    assert kernels.shape == (3, O, *size)
    layer.form = "mixed"
    torch.testing.assert_close(layer(x, P), kernels)


@pytest.mark.parametrize("form", ["grouped", "mixed"])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("size", [(P, P), (P, 2 * P), (P - 1, P + 2)])
def test_gradients_against_finite_differences(form: str, kind: Selection, size: tuple[int, int]) -> None:
    layer = make(kind)
    layer.form = form  # type: ignore[assignment]
    x = torch.randn(1, C, *size, dtype=torch.float64, requires_grad=True)
    parameters = tuple(layer.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: layer(x, P), (x, *parameters), fast_mode=True)


def test_squeeze_and_excitation_is_a_special_case() -> None:
    """k = 1, d = C_out with a sigmoid scales every output channel, bias included (Fig. 4)."""
    torch.manual_seed(0)
    layer = SparseConvolution(C, O, 1, O, 1.0, Selector(C, 1, O, "sigmoid", 1.0)).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, C, P, P, dtype=torch.float64)
    gate = layer.selector.linear(x.mean(dim=(2, 3))).sigmoid()  # type: ignore[union-attr]
    plain = F.conv2d(x, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x, P), plain * gate[:, :, None, None])


@pytest.mark.parametrize(("temperature", "sharper"), [(0.1, True), (10.0, False)])
def test_temperature_sharpens_or_flattens(temperature: float, sharper: bool) -> None:
    x = torch.randn(1, C, P, P, dtype=torch.float64)
    base = make(temperature=1.0).select(x, P).amax()
    other = make(temperature=temperature).select(x, P).amax()
    assert (other > base) == sharper


def test_gumbel_is_one_hot_noisy_in_training_and_fixed_in_evaluation() -> None:
    layer = make("gumbel")
    x = torch.randn(1, C, P, P, dtype=torch.float64)
    fixed = layer.select(x, P)
    assert torch.equal(fixed, layer.select(x, P))
    torch.testing.assert_close(fixed.sum(dim=1), torch.ones(1, D, dtype=torch.float64))
    assert set(fixed.round(decimals=12).unique().tolist()) == {0.0, 1.0}  # type: ignore[no-untyped-call]
    layer.train()
    drawn = torch.stack([layer.select(x, P) for _ in range(50)])
    assert len(drawn.unique(dim=0)) > 1  # type: ignore[no-untyped-call]
    drawn.square().sum().backward()  # type: ignore[no-untyped-call]
    assert layer.selector is not None and layer.selector.linear.weight.grad is not None
    assert float(layer.selector.linear.weight.grad.abs().sum()) > 0
