"""Memory that comes straight from the system: zeros, in large pages, given back, and refused where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nsr_cli.engine.buffers import zeros

CPU = torch.device("cpu")
COUNT = 16 << 20  # 64 MB of float32

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def mapping_of(tensor: torch.Tensor) -> list[str]:
    """What the kernel says of the memory that a tensor begins in."""
    lines: list[str] = []
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            low, high = (int(end, 16) for end in first.split("-"))
            here = low <= tensor.data_ptr() < high
        if here:
            lines.append(line)
    return lines


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 1000, COUNT])
def test_they_are_zeros_that_can_be_written(count: int, dtype: torch.dtype) -> None:
    made = zeros(count, CPU, dtype)
    assert made.shape == (count,) and made.dtype == dtype and not made.any()
    made += 1
    assert made.sum(dtype=torch.float64) == count


@linux
def test_large_ones_are_a_mapping_of_their_own_in_large_pages() -> None:
    made = zeros(COUNT, CPU, torch.float32)
    flags = next(line for line in mapping_of(made) if line.startswith("VmFlags:"))
    if Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        assert "hg" in flags.split()


@linux
def test_freed_memory_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    made = zeros(COUNT, CPU, torch.float32)
    view = made.fill_(1).view(4, -1)[2:]
    del made
    # Without a copy in float64, which malloc may keep after other tests have told it to.
    assert resident() - before > 60e6 and view.sum() == COUNT / 2
    del view
    assert resident() - before < 8e6


@linux
def test_no_room_is_a_memory_error() -> None:
    code = """
import resource
import torch
from nsr_cli.engine.buffers import zeros
from nsr_cli.engine.device import is_out_of_memory
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    zeros(16 << 30, torch.device("cpu"), torch.float32)
except MemoryError as error:
    print(is_out_of_memory(error), error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"True no room for {64 << 30} bytes\n"
