"""Windows convolved one after the other in one operation, against PyTorch's own convolution of each window."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.model.window_conv import convolve_windows

C, O, P = 3, 4, 5
SIZES = [(5, 5), (3, 5), (1, 1), (10, 15), (7, 5), (5, 11), (12, 9), (1, 6)]


def example(height: int, width: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(height * 100 + width)
    count = 2 * -(-height // P) * -(-width // P)
    shapes = ((2, C, height, width), (count, O, C, 3, 3), (count, O))
    x, kernels, biases = (torch.randn(shape, dtype=dtype) for shape in shapes)
    return x, kernels, biases


def together(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    return convolve_windows(x, kernels, biases, P)


def plainly(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    """Every picture convolved whole with the kernel of each of its windows, of which only the window is kept."""
    out = x.new_zeros(len(x), O, *x.shape[2:])
    index = 0
    for number in range(len(x)):
        for top in range(0, x.shape[2], P):
            for left in range(0, x.shape[3], P):
                mask = torch.zeros_like(out)
                mask[number, :, top : top + P, left : left + P] = 1
                out = out + mask * F.conv2d(x, kernels[index], biases[index], padding=1)
                index += 1
    return out


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_outputs_and_gradients_are_those_of_every_window_by_itself(height: int, width: int) -> None:
    results = []
    for convolved in (together, plainly):
        x, kernels, biases = leaves = [tensor.requires_grad_() for tensor in example(height, width)]
        out = convolved(x, kernels, biases)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        results.append((out, *torch.autograd.grad((out * weights).sum(), leaves)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(("height", "width"), [(5, 5), (7, 11)])
def test_under_autocast_only_the_convolutions_are_narrow(height: int, width: int) -> None:
    leaves = [tensor.requires_grad_() for tensor in example(height, width, torch.float32)]
    x, kernels, biases = leaves
    with torch.autocast("cpu", torch.bfloat16):
        out = together(x, kernels, biases)
    assert out.dtype == torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)
    gradients = torch.autograd.grad(out.float().square().sum(), leaves)
    wide = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    expected = torch.autograd.grad(together(wide[0], wide[1], wide[2]).square().sum(), wide)
    for found, wanted in zip(gradients, expected, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05 * float(wanted.abs().max()))
