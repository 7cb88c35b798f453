"""The PNG chunks that define the colors of samples; they go from PNG to PNG unchanged.

Restoring keeps the samples in the color space of the file, so what described them still does. Readers use the first
that is present: cICP, the ICC profile, sRGB, gAMA with cHRM (PNG specification, section 4.3).
"""

import struct
import zlib

from nsr_cli.imaging.png.chunks import chunks

LENGTHS = {"cICP": 4, "sRGB": 1, "gAMA": 4, "cHRM": 32, "mDCV": 24, "cLLI": 8}
"""The chunks, and the bytes of their content; mDCV and cLLI say more about the brightness that cICP means."""

_AFTER = (b"PLTE", b"IDAT")  # color chunks behind these do not count
_SRGB_CODE = bytes([1, 13, 0, 1])  # cICP: BT.709 primaries, sRGB transfer, RGB, full range
_SRGB_GAMMA = 45_455  # 1 / 2.2
_SRGB_PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)  # white, red, green, blue
_GAMMA_TOLERANCE = 0.05  # libpng takes gammas as close as this for the same
_PRIMARY_TOLERANCE = 1_000


def read(data: bytes) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    """Name and content of each such chunk of a file, and a note for each that is damaged."""
    found: dict[str, bytes] = {}
    damaged: dict[str, None] = {}
    for kind, content, end in chunks(data):
        if kind in _AFTER:
            break
        name = kind.decode("latin-1")
        if name not in LENGTHS or name in found:
            continue
        whole = len(content) == LENGTHS[name]
        if whole and zlib.crc32(kind + bytes(content)).to_bytes(4, "big") == data[end - 4 : end]:
            found[name] = bytes(content)
        else:
            damaged[name] = None
    return tuple(found.items()), tuple(f"its {name} chunk is damaged: left out" for name in damaged)


def decisive(color: tuple[tuple[str, bytes], ...], *, profile: bool) -> tuple[str, ...]:
    """The names of those chunks without which the picture looks different.

    Args:
        color: names and contents of all.
        profile: whether the picture has an ICC profile; the loss of that is reported elsewhere.
    """
    found = dict(color)
    if "cICP" in found:
        plain = found["cICP"] == _SRGB_CODE and not profile
        return () if plain else tuple(name for name in ("cICP", "mDCV", "cLLI") if name in found)
    if profile or "sRGB" in found:
        return ()
    return tuple(name for name in ("gAMA", "cHRM") if name in found and not _is_srgb(name, found[name]))


def _is_srgb(name: str, content: bytes) -> bool:
    """Whether gAMA or cHRM state about the values of sRGB, which readers assume without them."""
    values: tuple[int, ...] = struct.unpack(f">{len(content) // 4}I", content)
    if name == "gAMA":
        return abs(values[0] / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE
    return all(abs(a - b) <= _PRIMARY_TOLERANCE for a, b in zip(values, _SRGB_PRIMARIES, strict=True))
