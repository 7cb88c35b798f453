"""Winograd's convolution against a direct one in double precision."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsr_cli.engine import winograd

ROUNDING = 2e-5  # of the largest result; float32, measured: below 1e-5


def _example(channels: int, out_channels: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features with their halo and kernels, both channels last, and biases; scaled as a network's are."""
    generator = torch.Generator().manual_seed(channels + out_channels + height + width)
    features = torch.randn(1, height + 2, width + 2, channels, generator=generator).permute(0, 3, 1, 2)
    kernels = torch.randn(out_channels, 3, 3, channels, generator=generator) / (9 * channels) ** 0.5
    return features, kernels.permute(0, 3, 1, 2), torch.randn(out_channels, generator=generator)


def _winograd(features: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    by_place = kernels.permute(0, 2, 3, 1).flatten(1, 2)
    return winograd.convolve(features, winograd.transformed(by_place), bias, winograd.Workspace())


def _error(out: Tensor, features: Tensor, kernels: Tensor, bias: Tensor) -> float:
    exact = F.conv2d(features.double(), kernels.double(), bias.double())
    assert out.shape == exact.shape
    return float((out - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("channels", [(64, 64), (32, 128), (128, 32), (3, 5)], ids=str)
@pytest.mark.parametrize("size", [(48, 48), (1, 1), (1, 50), (47, 5), (33, 34)], ids=str)
def test_it_equals_a_direct_convolution(channels: tuple[int, int], size: tuple[int, int]) -> None:
    example = _example(*channels, *size)
    assert _error(_winograd(*example), *example) < ROUNDING


@pytest.mark.parametrize("default", ["dtype", "device", "inference"])
def test_the_caller_s_defaults_do_not_matter(default: str) -> None:
    assert not [name for name, value in vars(winograd).items() if isinstance(value, Tensor)], "made at import"
    example, before = _example(32, 32, 8, 8), torch.get_default_dtype()
    expected = _winograd(*example)
    winograd._matrices.cache_clear()
    try:
        if default == "dtype":
            torch.set_default_dtype(torch.float64)
        with torch.device("meta") if default == "device" else torch.inference_mode(default == "inference"):
            assert torch.equal(_winograd(*example), expected)
        assert not winograd._matrices().kernel.is_inference()
    finally:
        torch.set_default_dtype(before)
        winograd._matrices.cache_clear()


def test_features_may_lie_anywhere() -> None:
    features, kernels, bias = _example(8, 8, 20, 24)
    inside = features[:, :, 3:15, 5:19]
    one_after_another = inside.contiguous()  # channels first
    assert inside.stride() != one_after_another.stride()
    assert _error(_winograd(inside, kernels, bias), inside, kernels, bias) < ROUNDING
    assert _error(_winograd(one_after_another, kernels, bias), inside, kernels, bias) < ROUNDING


def test_pixels_beside_a_view_are_not_seen() -> None:
    features, kernels, bias = _example(8, 8, 20, 24)
    inside = features[:, :, 3:14, 5:18]  # 9×11, so that the last tiles reach beyond
    before = _winograd(inside, kernels, bias)
    features[:, :, 14:] = torch.nan
    features[:, :, :, 18:] = torch.nan
    assert torch.equal(_winograd(inside, kernels, bias), before)


def test_windows_in_the_same_workspace_have_nothing_to_do_with_each_other() -> None:
    """Of one shape and of others, larger and smaller, one after another and in several threads at once."""
    examples = [_example(32, 64, side, 40) for side in (60, 20, 36, 60, 130)]
    workspace = winograd.Workspace()

    def convolve(example: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        features, kernels, bias = example
        by_place = kernels.permute(0, 2, 3, 1).flatten(1, 2)
        return winograd.convolve(features, winograd.transformed(by_place), bias, workspace)

    alone = [_winograd(*example) for example in examples]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(convolve, examples * 4))
    assert all(torch.equal(*pair) for pair in zip(together, alone * 4, strict=True))


def test_the_result_lies_channels_last() -> None:
    out = _winograd(*_example(8, 16, 12, 12))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_it_is_taken_for_wide_layers_in_float32_on_a_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "multiplies_512_bits", lambda: False)
    cpu = torch.device("cpu")
    assert winograd.suits(64, 64, cpu, torch.float32)
    assert not winograd.suits(64, 3, cpu, torch.float32)
    assert not winograd.suits(64, 64, cpu, torch.bfloat16)
    assert not winograd.suits(64, 64, torch.device("meta"), torch.float32)


def test_processors_of_512_bits_convolve_few_channels_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "multiplies_512_bits", lambda: True)
    cpu = torch.device("cpu")
    assert not winograd.suits(64, 128, cpu, torch.float32)
    assert winograd.suits(128, 128, cpu, torch.float32)
