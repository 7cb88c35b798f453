"""Measures how many damaged pictures are read without an error, and prints a Markdown table.

No test can promise that damage is noticed: most formats have no checksum over their pixels. A picture of 64×48
pixels is stored in each format, 1 to 8 of its bits are flipped, and it is decoded as in a run. Counted are files that
are read without an error but with other pixels, read with the same pixels (the bits meant nothing), or refused.

    python tools/measure_flips.py [--count 1000]
"""

import argparse
import io
import random

import numpy as np
import pillow_heif
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec

FORMS: dict[str, tuple[str, dict[str, object]]] = {
    "PNG": ("PNG", {}),
    "JPEG": ("JPEG", {"quality": 90}),
    "JPEG, progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "WebP": ("WEBP", {"quality": 90}),
    "WebP, lossless": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "TIFF, deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "JPEG 2000, lossless": ("JPEG2000", {}),
    "AVIF": ("AVIF", {"quality": 90}),
    "HEIC": ("HEIF", {"quality": 90}),
}


def sample() -> Image.Image:
    """Waves with some noise: neither flat nor random."""
    y, x = np.mgrid[:48, :64]
    noise = np.random.default_rng(4).normal(0, 6, (48, 64, 3))
    planes = np.stack([127 + 90 * np.sin(x / 7 + phase) * np.cos(y / 5) for phase in (0, 1, 2)], axis=2)
    return Image.fromarray((planes + noise).clip(0, 255).astype(np.uint8))


def damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def shares(data: bytes, count: int) -> tuple[float, float, float]:
    """Shares of damaged files that are read with other pixels, with the same, and refused."""
    whole, chance = codec.decode(data).pixels, random.Random(9)  # noqa: S311
    other = same = 0
    for _ in range(count):
        try:
            pixels = codec.decode(damaged(data, chance), max_pixels=1 << 22).pixels
        except DecodeError:
            continue
        equal = pixels.shape == whole.shape and bool((pixels == whole).all())
        same, other = same + equal, other + (not equal)
    return other / count, same / count, 1 - (other + same) / count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="damaged files of each format")
    count = parser.parse_args().count
    pillow_heif.register_heif_opener()  # so that Pillow writes HEIC
    print("| format | read, with other pixels | read, with the same pixels | refused |\n|---|---|---|---|")
    for name, (form, options) in FORMS.items():
        file = io.BytesIO()
        sample().save(file, form, **options)
        print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares(file.getvalue(), count)) + " |")


if __name__ == "__main__":
    main()
