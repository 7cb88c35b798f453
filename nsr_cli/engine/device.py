"""Where and how precisely a network runs: device, number type, threads and C allocator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nsr_cli import machine
from nsr_cli.errors import UsageError
from nsr_cli.machine import usable_threads

# parameters of glibc's mallopt (malloc.h)
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30

# What the CPU's allocator, CUDA, cuBLAS and cuDNN, and Metal say when they run out of memory.
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "Invalid buffer size")

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, else MPS, else the CPU; otherwise `cpu`, `cuda`, `cuda:N` or `mps`, which must exist.

    Raises:
        UsageError: no such kind of device, or this machine has none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if not re.fullmatch(r"cpu|mps|cuda(:[0-9]+)?", name):
        raise UsageError(f"no such device: {name!r}; use auto, cpu, cuda, cuda:N or mps")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("this machine has no MPS device; use --device auto or cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"this machine has {count or 'no'} CUDA device{'s' * (count > 1)}; use --device auto or cpu"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bf16 on CUDA cards and CPUs that support it natively, else fp32.

    Raises:
        UsageError: the name is not auto, fp32, bf16 or fp16.
    """
    if name == "auto":
        return torch.bfloat16 if _native_bf16(device) else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"no such precision: {name!r}; use auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        if hasattr(torch.cpu, "get_capabilities"):
            return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
        return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 (PyTorch 2.10 has no other)
    return False


def prepare_cpu() -> None:
    """Tune this process for large pictures on the CPU.

    glibc returns every large activation to the kernel, which has to provide the memory again at the next layer; with
    higher thresholds glibc keeps it. Threads stay within the control group's CPU quota, of which torch does not know.
    """
    if (libc := machine.glibc()) is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    threads = usable_threads()
    if threads < torch.get_num_threads():
        torch.set_num_threads(threads)


def give_back() -> None:
    """Return to the system what the C allocator keeps, which would grow with blocks of ever new sizes."""
    if (libc := machine.glibc()) is not None:
        libc.malloc_trim(0)


@contextmanager
def one_core(after: int | None = None) -> Iterator[None]:
    """Within this context, an operation of PyTorch in this thread uses one core.

    For many small operations: waking the other cores takes longer than they save, much longer if other programs use
    them. `after` is the number of threads from then on; None restores the one before. Several threads that do this at
    once must pass it, since the number that one of them finds may be what another has just set.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(after or before)


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """Within this context, CUDA convolves float32 with all 23 bits of the fraction, not with 10 (TF32)."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def free_memory(device: torch.device) -> int:
    """Bytes that are free on the device now, on a CPU within the control group's limit; 4 GiB if unknown."""
    if device.type == "cuda":
        # PyTorch keeps the memory of earlier tensors: the card counts it as used, but new tensors can use it.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return machine.free_memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. CUDA has an error class for that; of other allocators only the error's text tells."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in _OUT_OF_MEMORY
    )


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished all work that was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
