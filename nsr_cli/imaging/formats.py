"""The names of the formats that are read and written; without imports that take time."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".png": "PNG",
        ".apng": "PNG",
        ".jpg": "JPEG",
        ".jpeg": "JPEG",
        ".jpe": "JPEG",
        ".jfif": "JPEG",
        ".webp": "WEBP",
        ".bmp": "BMP",
        ".dib": "BMP",
        ".gif": "GIF",
        ".tif": "TIFF",
        ".tiff": "TIFF",
        ".ppm": "PPM",
        ".pgm": "PPM",
        ".pbm": "PPM",
        ".pnm": "PPM",
        ".pam": "PPM",
    }
)
"""Lower-case file suffixes and the names of their formats, which are read and written."""

_READ_ONLY = (".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")
_HEIC_SUFFIXES = (".heic", ".heif", ".hif")


def reads_heic() -> bool:
    """Whether pillow-heif is installed, which HEIC needs."""
    return find_spec("pillow_heif") is not None


def readable_suffixes() -> frozenset[str]:
    """The suffixes of files that can be read here."""
    return frozenset((*SUFFIXES, *_READ_ONLY, *(_HEIC_SUFFIXES if reads_heic() else ())))


FORMATS = frozenset(SUFFIXES.values())
LOSSLESS = frozenset({"PNG", "TIFF", "BMP", "PPM"})
"""Formats that a result may follow from its input, since they always keep every sample."""

OPAQUE = frozenset({"JPEG", "BMP", "PPM"})
"""Formats that are written without transparency."""
