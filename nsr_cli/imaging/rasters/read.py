"""Read JPEG, WebP, BMP, GIF and animated PNG through Pillow.

The readers are named one by one, so that no other of Pillow's many formats can be reached, and sizes
are checked by `limits` instead of Pillow's global limit.
"""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits, outline
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.metadata import density, exif, iptc, motionphoto, profile, xmp
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.png.chunks import pictures
from nsr_cli.imaging.rasters import bmpcolor, gifblocks, jpegsegments
from nsr_cli.imaging.rebuild import finish

_JPEG_RATIO = 1024  # pixels that one byte of a JPEG scan can stand for, generously
_BMP_RUNS = (1, 2)  # run lengths of 8 or 4 bits
_BMP_RATIO = 128  # pixels that one byte of plain runs can stand for
_BMP_SMALL = 1 << 24  # pixels


def open_image(data: bytes, kind: str, max_pixels: int) -> ImageFile.ImageFile:
    """Pillow's reader for a format, opened and within the size limit; pixels are not read yet."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    if kind == "WEBP":
        limits.check_size(*webp_size(data), max_pixels)  # its reader allocates on opening
    if kind == "JPEG":
        markers.check_kind(data, outline.most_parts(len(data)))
    readers: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "PNG": PngImagePlugin.PngImageFile,
    }
    image = readers[kind](io.BytesIO(data))
    limits.check_size(*image.size, max_pixels)
    if kind == "JPEG":
        limits.check_content(image.width * image.height, len(data), _JPEG_RATIO, "the JPEG file")
    if kind == "BMP":
        _check_bmp(image, data)
    return image


def _check_bmp(image: ImageFile.ImageFile, data: bytes) -> None:
    pixels = image.width * image.height
    if not image.info.get("compression"):
        bits = struct.unpack_from("<H", data, 28 if data[14] != 12 else 24)[0]
        limits.check_content(pixels * bits // 8, len(data), 1, "the BMP file")
    elif image.info["compression"] in _BMP_RUNS and pixels > _BMP_SMALL:
        # A few bytes can also skip the rest of a row, or many rows: such files are let through if they are small.
        limits.check_content(pixels, len(data), _BMP_RATIO, "the BMP file")


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file's first chunk claims."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise DecodeError("the WebP file has no picture")


def decode(data: bytes, kind: str, max_pixels: int) -> Picture:
    """The first picture of a file, which says how many there are."""
    picture, total = next(_frames(data, kind, max_pixels))
    return replace(picture, first_of=total)


def decode_frames(data: bytes, kind: str, max_pixels: int) -> Iterator[Picture]:
    """Every frame of an animation as a complete picture of the same size; the one picture of other files."""
    return (frame for frame, _ in _frames(data, kind, max_pixels))


def _frames(data: bytes, kind: str, max_pixels: int) -> Iterator[tuple[Picture, int]]:
    """Each frame, and how many there are."""
    data, cut, frames = _outlined(data, kind)
    photoshop = b""
    if kind == "JPEG":
        data, photoshop = iptc.split_jpeg(data, outline.most_parts(len(data)))
    with open_image(data, kind, max_pixels) as image:
        total = frames or int(getattr(image, "n_frames", 1))
        if kind == "GIF":
            image.info.update(gifblocks.read(data))
        is_apart = kind == "PNG" and pictures(data)[1]
        notes = ["it holds further pictures (MPO): left out"] if "mp" in image.info else []
        notes += [motionphoto.NOTE] if kind == "JPEG" and motionphoto.has_video(data) else []
        for index in range(total):
            try:
                _seek(image, index, is_apart=is_apart)
            except EOFError:
                if kind == "GIF" and index:  # bytes after the last frame looked like another
                    return
                raise
            limits.check_size(*image.size, max_pixels)
            image.load()
            metadata, extra = _metadata(image, data, kind)
            metadata = _with_blocks(metadata, image, photoshop)
            pixels, alpha, more = samples_of(image, metadata.icc)
            if image.mode == "CMYK":
                metadata = replace(metadata, icc=None)
            if total > 1:
                metadata = replace(metadata, plays=_plays(image.info, kind))
            found = (*extra, *more, *((*cut, *notes) if index == 0 else ()))
            palette = kind in ("BMP", "GIF")
            picture = finish(pixels, alpha, metadata, kind, found, from_palette=palette)
            yield replace(picture, is_apart=is_apart and index == 0), total


def _seek(image: ImageFile.ImageFile, index: int, *, is_apart: bool) -> None:
    """Go to a picture; if a still one stands apart, begin the first frame on a transparent canvas."""
    from PIL import PngImagePlugin

    if is_apart and index == 1 and isinstance(image, PngImagePlugin.PngImageFile):
        image.paste(0, (0, 0, *image.size))  # Pillow would lay the frame over the still picture
        image.seek(index)
        image.blend_op = PngImagePlugin.Blend.OP_SOURCE
    else:
        image.seek(index)


def _outlined(data: bytes, kind: str) -> tuple[bytes, tuple[str, ...], int]:
    """The file without overlong parts, notes about them, and its number of frames, 0 if unknown."""
    if kind == "GIF":
        cut, frames = outline.gif(data)
        return *cut, frames
    if kind in ("JPEG", "WEBP"):
        return *(outline.jpeg(data) if kind == "JPEG" else outline.webp(data)), 0
    return data, (), 0


def samples_of(
    image: Image.Image, icc: bytes | None
) -> tuple[NDArray[Any], NDArray[Any] | None, tuple[str, ...]]:
    """Pixels (H, W, C), alpha (H, W) or None, and notes, from a loaded image in any 8-bit mode."""
    if image.mode == "CMYK":
        pixels, notes = profile.cmyk_to_rgb(np.array(image), icc)
        return pixels, None, notes
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.array(image.convert("L"))[..., np.newaxis], None, ()
    if image.mode == "LA":
        both = np.array(image)
        return both[..., :1], both[..., 1], ()
    see_through = image.mode in ("RGBA", "PA") or "transparency" in image.info
    samples = np.array(image.convert("RGBA" if see_through else "RGB"))
    return samples[..., :3], samples[..., 3] if see_through else None, ()


def _metadata(image: ImageFile.ImageFile, data: bytes, kind: str) -> tuple[Metadata, tuple[str, ...]]:
    info = image.info
    if kind == "PNG":
        metadata, notes = pngread.read_metadata(data)
        return replace(metadata, duration=_seconds(info)), notes
    if kind == "BMP":
        icc, left_out = bmpcolor.read(data)
        return Metadata(None, icc, _possible(info.get("dpi")), left_out=left_out), ()
    block = bytes(info["exif"]).removeprefix(exif.PREFIX) if info.get("exif") else None
    dpi = exif.resolution(block) if block is not None else None
    if info.get("jfif_unit") in (1, 2):
        factor = 1.0 if info["jfif_unit"] == 1 else 2.54
        dpi = (info["jfif_density"][0] * factor, info["jfif_density"][1] * factor)
    dpi = _possible(dpi)
    ratio = density.read_ratio(*info["jfif_density"]) if dpi is None and info.get("jfif_unit") == 0 else None
    icc, notes = info.get("icc_profile") or None, ()
    if icc is not None and len(icc) > limits.MOST_METADATA:
        icc, notes = None, ("its color profile is too long: left out",)
    return Metadata(block, icc, dpi, _texts(image), _seconds(info), aspect=ratio), notes


def _possible(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    return dpi if dpi and min(dpi) > 0 else None


def _with_blocks(metadata: Metadata, image: ImageFile.ImageFile, photoshop: bytes) -> Metadata:
    """The metadata with the IPTC data of a Photoshop block, and the names of what is left out."""
    text, left_out = iptc.from_photoshop(photoshop)
    packet = image.info.get("xmp")
    if isinstance(packet, bytes) and xmp.decode(packet) is None:
        left_out += (xmp.NOT_UTF8,)
    if any(part.startswith(xmp.EXTENSION_HEAD) for _, part in getattr(image, "applist", ())):
        left_out += (xmp.EXTENDED,)
    left_out += jpegsegments.left_out(getattr(image, "applist", ()))
    return replace(metadata, iptc=text or metadata.iptc, left_out=(*metadata.left_out, *left_out))


def _texts(image: ImageFile.ImageFile) -> tuple[tuple[str, str], ...]:
    info = image.info
    comments = [part for name, part in getattr(image, "applist", ()) if name == "COM"]  # all of a JPEG
    if not comments and isinstance(info.get("comment"), bytes):
        comments = [info["comment"]]
    texts = tuple(("Comment", _comment(comment)) for comment in comments)
    packet = xmp.decode(info["xmp"]) if isinstance(info.get("xmp"), bytes) else None
    return texts + (xmp.unpack(motionphoto.without_video(packet)) if packet else ())


def _comment(raw: bytes) -> str:
    """A comment's text: neither JPEG nor GIF states its encoding, and older ones are in Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _seconds(info: dict[Any, Any]) -> float | None:
    duration = info.get("duration")
    return float(duration) / 1000 if duration else None


def _plays(info: dict[Any, Any], kind: str) -> int:
    """How often an animation is shown, 0 for ever; GIF counts repetitions, and says nothing for one showing."""
    number = int(info.get("loop", 0))
    if kind != "GIF":
        return number
    return number + 1 if number or "loop" not in info else 0
