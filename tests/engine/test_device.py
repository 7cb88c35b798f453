"""Devices, number types and what they mean."""

import pytest
import torch

from nsr_cli.engine.device import (
    choose_device,
    choose_precision,
    free_memory,
    is_out_of_memory,
    whole_float32,
)
from nsr_cli.errors import UsageError


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cuda:x", "cpu:0", "", "CPU"])
def test_other_names_of_devices_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no such device"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused_and_auto_does_without() -> None:
    with pytest.raises(UsageError, match="no CUDA device; use --device auto or cpu"):
        choose_device("cuda:99")
    assert choose_device("auto").type in ("cpu", "mps")


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("old", [True, False], ids=["PyTorch 2.10", "later"])
def test_bf16_is_chosen_only_if_the_cpu_supports_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, old: bool
) -> None:
    if old:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native}, raising=False)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) is (torch.bfloat16 if native else torch.float32)
    assert choose_precision("fp32", cpu) is torch.float32
    with pytest.raises(UsageError, match="no such precision: 'fp64'"):
        choose_precision("fp64", cpu)


@pytest.mark.parametrize("before", [True, False])
def test_float32_is_whole_on_cuda_and_afterwards_as_it_was(
    monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """cuDNN's switch is there without CUDA too."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
    with whole_float32(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 is before

    def run_out() -> None:
        with whole_float32(torch.device("cuda")):
            assert torch.backends.cudnn.allow_tf32 is False
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run_out()
    assert torch.backends.cudnn.allow_tf32 is before


def test_what_pytorch_keeps_on_a_card_is_free_for_the_next_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 800)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 50)
    assert free_memory(torch.device("cuda")) == 100 + 800 - 50


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("Invalid buffer size: 20.00 GB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_its_text(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
