"""The digest of a result's pixels, taken row by row, so that they need not be in memory together."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.picture import Picture

_BLOCK = 1 << 20  # pixels that are hashed at a time


class PixelDigest:
    """sha256 of what pictures look like: gray counts as equal RGB, and opaque as alpha at its maximum."""

    def __init__(self) -> None:
        self._found = hashlib.sha256()

    def begin(self, page: Picture) -> None:
        """Start a picture of this size and type; its pixels are not looked at here but passed to `add`."""
        dtype = page.pixels.dtype.newbyteorder("<")
        self._found.update(f"{page.width}x{page.height}{dtype.str}".encode())

    def add(self, pixels: NDArray[Any], alpha: NDArray[Any] | None) -> None:
        """Add rows (N, W, C), and their alpha (N, W) if there is one."""
        dtype = pixels.dtype.newbyteorder("<")
        peak = 1 if dtype.kind == "f" else np.iinfo(dtype).max
        rows = max(1, _BLOCK // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            part = pixels[top : top + rows]
            block = np.empty((*part.shape[:2], 4), dtype)
            block[..., :3] = part
            block[..., 3] = peak if alpha is None else alpha[top : top + rows]
            self._found.update(block.data)

    def hexdigest(self) -> str:
        """The digest of everything so far."""
        return self._found.hexdigest()
