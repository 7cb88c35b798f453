"""Memory for the features and results of large pictures, straight from the system.

Memory from malloc comes in pages of 4 KB, each of which costs a page fault when it is first touched: for a small
network, much of its time. And what malloc keeps is fragmented, so that the same picture takes more memory one time
than another. A mapping of its own may use pages of 2 MB, and is returned to the system when it is freed.
"""

import errno
import mmap
from contextlib import suppress

import torch
from torch import Tensor

_LARGE = 8 << 20  # bytes; for less, clearing new memory takes longer than it saves


def zeros(count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A vector of `count` zeros.

    Raises:
        MemoryError, torch.OutOfMemoryError: there is no room for it.
    """
    size = count * dtype.itemsize
    if device.type != "cpu" or size < _LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.zeros(count, device=device, dtype=dtype)
    try:
        mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"no room for {size} bytes") from error
        raise
    with suppress(OSError):  # raised by a kernel without large pages
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(mapped, dtype=dtype, count=count)
