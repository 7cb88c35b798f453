"""One text of a picture file, found without decoding its pixels, nor reading them where they can be passed over."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, png, xmp

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MOST = 1 << 24  # bytes of texts that are read of one file
_XMP_TAG = 700  # of TIFF
_HEAD = 64


def find(path: Path, keyword: str) -> str | None:
    """The first text under `keyword` in a file; None if there is none, or it cannot be had.

    Raises:
        OSError: the file cannot be read.
        DecodeError: it is no picture.
    """
    with path.open("rb") as file:
        kind = codec.sniff(file.read(_HEAD))
        try:
            texts = _texts(file, kind, keyword)
        except OSError:
            raise
        except Exception as error:
            raise DecodeError(f"the {kind} file is damaged") from error
    return next((value for key, value in texts if key == keyword), None)


def _texts(file: BinaryIO, kind: str, keyword: str) -> tuple[tuple[str, str], ...]:
    if kind == "PNG":
        return _of_png(file, keyword.encode() + b"\0")
    if kind == "JPEG":
        from PIL import JpegImagePlugin

        file.seek(0)
        packet: Any = JpegImagePlugin.JpegImageFile(file).info.get("xmp")
    elif kind == "WEBP":
        packet = next((body for name, body in _riff(file) if name == b"XMP "), None)
    elif kind == "TIFF":
        packet = _of_tiff(file)
    else:
        return ()
    text = xmp.decode(packet) if isinstance(packet, bytes) else None
    return xmp.unpack(text) if text else ()


def _of_png(file: BinaryIO, start: bytes) -> tuple[tuple[str, str], ...]:
    """The texts before the pixels, and after them if none of those begins with `start`.

    A file of these chunks alone goes to the ordinary reader.
    """
    file.seek(len(png.SIGNATURE))
    kept, total = [png.SIGNATURE], 0
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT" and any(chunk.startswith(start, len(head)) for chunk in kept):
            break
        total += length if kind in _TEXTS else 0
        if kind not in (*_TEXTS, b"IHDR") or total > _MOST:
            file.seek(length + 4, 1)
        else:
            kept.append(head + file.read(length + 4))
    end = struct.pack(">I4sI", 0, b"IEND", 0xAE426082)
    return png.read_metadata(b"".join(kept) + end)[0].text


def _riff(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a WebP file that are no pixels, whole."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"XMP " and length <= _MOST:
            yield name, file.read(length)
            file.seek(length % 2, 1)
        else:
            file.seek(length + length % 2, 1)


def _of_tiff(file: BinaryIO) -> object:
    """The XMP packet of the first page."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file, _multifile=False) as tiff:
        page: Any = tiff.pages[0]
        tag = page.tags.get(_XMP_TAG)
        return None if tag is None or tag.count > _MOST else tag.value
