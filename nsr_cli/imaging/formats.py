"""The names of the formats that are read and written; without imports that take time."""

from collections.abc import Mapping
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
"""Lower-case file suffixes and the names of their formats."""

FORMATS = frozenset(SUFFIXES.values())
LOSSLESS = frozenset({"PNG", "TIFF", "BMP", "PPM"})
"""Formats that a result may follow from its input, since they always keep every sample."""

OPAQUE = frozenset({"JPEG", "BMP", "PPM"})
"""Formats that are written without transparency."""
