"""Make degraded pictures the way the evaluation protocol defines them.

Low resolution is made by `resize.downscale8`; here are the crop that comes before it, noise, and JPEG.
"""

import hashlib
import io
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]


def crop_to_multiple(pixels: NDArray[Any], multiple: int) -> NDArray[Any]:
    """The top left part of (H, W, ...) whose sides are multiples of `multiple` (a view)."""
    height, width = (side - side % multiple for side in pixels.shape[:2])
    return pixels[:height, :width]


def noise_seed(stem: str) -> int:
    """The seed of a picture's noise: sha256 of the file's stem in UTF-8, read as one big-endian integer.

    The stem is the file's name without its last suffix (`pathlib.PurePath.stem`), so the PNG and
    the WebP of one picture get the same noise.
    """
    return int.from_bytes(hashlib.sha256(stem.encode("utf-8", "surrogatepass")).digest(), "big")


def add_noise(array: NDArray[Any], sigma: float, stem: str) -> NDArray[np.float64]:
    """`array` (H, W) or (H, W, C) in 0..255 plus white Gaussian noise; float64, neither rounded nor clipped.

    The noise is `sigma * Generator(PCG64(noise_seed(stem))).standard_normal(array.shape)` in
    float64 and C order: every run sees the same noise, and two values of sigma see it scaled.
    """
    generator = np.random.Generator(np.random.PCG64(noise_seed(stem)))
    return array + sigma * generator.standard_normal(array.shape)


def jpeg(pixels: NDArray[np.uint8], quality: int, subsampling: Subsampling = "4:2:0") -> NDArray[np.uint8]:
    """(H, W, 1) or (H, W, 3) after one JPEG compression at `quality` 1..100; same shape.

    libjpeg's standard tables through Pillow; gray has no chroma, so `subsampling` does not matter there.
    """
    stored = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(stored, "JPEG", quality=quality, subsampling=subsampling)
    stored.seek(0)
    with JpegImagePlugin.JpegImageFile(stored) as again:
        return np.asarray(again).reshape(pixels.shape).copy()
