"""The passes over a window's features between two convolutions."""

import pytest
import torch

from nsr_cli.engine.executor import Executor
from nsr_cli.engine.forward_pass import rectify_, window_sums
from tests.tiny import tiny_network

TYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_relu_is_that_of_pytorch(dtype: torch.dtype) -> None:
    edges = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e-38, -1e-38, 6e4, -6e4])
    values = torch.cat((edges, torch.linspace(-3, 3, 56))).to(dtype).view(1, 4, 4, 4).permute(0, 3, 1, 2)
    expected = values.relu()
    out = rectify_(values)
    assert out.data_ptr() == values.data_ptr()
    assert torch.equal(out, expected)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_nan_stays_visible_in_the_result(dtype: torch.dtype) -> None:
    executor = Executor(tiny_network(), torch.device("cpu"), dtype)
    x = torch.rand(3, 60, 60)
    x[:, 30, 30] = torch.nan
    out = executor(x, None, 1)
    assert out[:, 60, 60].isnan().all()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("size", [(48, 48), (16, 32), (48, 47), (1, 1)], ids=str)
def test_sums_of_windows_are_nearly_exact_in_every_type(dtype: torch.dtype, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, *size, 8, generator=generator).to(dtype).permute(0, 3, 1, 2)
    sums = window_sums(features)
    assert sums.dtype == torch.float32 and sums.shape == (2, 8)
    error = sums.double() - features.double().sum(dim=(2, 3))
    # As means, which choose the kernels, of values whose deviation is 1.
    assert float(error.abs().max()) / (size[0] * size[1]) < 2e-4


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("size", [(48, 48), (16, 32), (1, 3)], ids=str)
def test_sums_of_windows_beside_each_other_are_those_of_each(
    dtype: torch.dtype, size: tuple[int, int]
) -> None:
    high, wide = size
    features = torch.randn(2, high, 3 * wide, 8).to(dtype).permute(0, 3, 1, 2)
    windows = torch.split(features, wide, dim=3)
    expected = torch.stack([window_sums(window.contiguous()) for window in windows], dim=1).flatten(0, 1)
    torch.testing.assert_close(window_sums(features, 3), expected, rtol=1e-4, atol=1e-3)
