"""Bytes to `Picture` and back: the one door to all formats.

    decode     sniff ─ png | rasters (JPEG, WebP, BMP, GIF) | tiff | pnm ─ rebuild.finish ─ Picture
                       boxed (JPEG 2000, AVIF, HEIC) ─┘
    encode     Picture ─ check_encodable ─ depth ─ png | rasters | tiff | pnm ─ bytes

Whatever goes wrong inside a library becomes one line: DecodeError or EncodeError. So does a bug of this
program, but the line calls it an internal error, not damage.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from nsr_cli.errors import DecodeError, EncodeError, PictureError
from nsr_cli.imaging import color, formats, pnm, strangers
from nsr_cli.imaging.boxed import codestream, heif, heifread, jp2, jp2read
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.formats import FORMATS, LOSSLESS, OPAQUE, SUFFIXES
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.imaging.losses import BITS, losses, losses_of_pages, profile_fits
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.imaging.png import read as pngread
from nsr_cli.imaging.png import write as pngwrite
from nsr_cli.imaging.rasters import animation
from nsr_cli.imaging.rasters import read as rasterread
from nsr_cli.imaging.rasters import write as rasterwrite
from nsr_cli.imaging.tiff import read as tiffread
from nsr_cli.imaging.tiff import write as tiffwrite

__all__ = [
    "FORMATS",
    "LOSSLESS",
    "OPAQUE",
    "SUFFIXES",
    "TIFF_MAGIC",
    "at_most",
    "check_encodable",
    "decode",
    "decode_all",
    "decode_part",
    "encode",
    "encode_pages",
    "losses",
    "losses_of_pages",
    "sniff",
    "write_pages",
]

_LONGEST_SIDE = {
    "JPEG": 65_500,
    "WEBP": 16_383,
    "GIF": 65_535,
    "PPM": 10**9 - 1,
}
_MAGIC = (
    (pngchunks.SIGNATURE, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (codestream.START, "JP2"),
)
_MISTAKES = (AssertionError, AttributeError, NameError, NotImplementedError, TypeError)
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def sniff(data: Readable) -> str:
    """The format's name by the first bytes: PNG, JPEG, WEBP, BMP, GIF, TIFF, PPM (all of PNM and PAM), JP2, AVIF
    or HEIC.

    DecodeError for anything else. The file's name is not considered.
    """
    start = data[: strangers.LONGEST]
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if start[:4] in TIFF_MAGIC:
        return "TIFF"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if pnm.MAGIC.match(start):
        return "PPM"
    if (found := heif.kind_of(start)) and (found != "HEIC" or formats.reads_heic()):
        return found
    if jp2.is_still(start):
        return "JP2"
    if not start:
        raise DecodeError("the file is empty")
    if told := strangers.advice(start):
        raise DecodeError(told)
    known = "PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, JPEG 2000, AVIF, HEIC"
    raise DecodeError(f"not a picture in a format that is read here ({known})")


def decode(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """The picture in a file's bytes; the first one of an animation or a multi-page file.

    It is upright, gray or RGB, and has the depth of the file. DecodeError, in one line, for bytes that are
    not a whole picture, for more than `max_pixels` pixels, and for NaN or values too far apart for a result.
    """
    kind = sniff(data)
    with _one_line(kind):
        if kind == "PNG":
            total, is_apart = pngchunks.pictures(data)  # before anything is unpacked: too many are refused
            return replace(pngread.decode(data, max_pixels), first_of=total, is_apart=is_apart)
        if kind == "TIFF":
            return tiffread.decode(data, max_pixels)
        if kind == "PPM":
            return pnm.decode(data, max_pixels)
        if kind == "JP2":
            return jp2read.decode(data, max_pixels)
        if kind in ("AVIF", "HEIC"):
            return heifread.decode(data, kind, max_pixels)
        return rasterread.decode(data, kind, max_pixels)


def decode_part(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """`decode` for a TIFF file made of some rows of a larger one: float samples stay as they are stored."""
    with _one_line("TIFF"):
        return tiffread.decode(data, max_pixels, is_part=True)


def decode_all(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Iterator[Picture]:
    """Every frame or page of a file, in order, each as `decode` returns it; frames are whole pictures.

    A still picture beside the frames of a PNG comes first and has `is_apart` set.
    """
    kind = sniff(data)
    with _one_line(kind):
        if kind == "TIFF":
            found = tiffread.decode_pages(data, max_pixels)
        elif kind == "AVIF":
            found = heifread.decode_frames(data, kind, max_pixels)
        elif kind in ("GIF", "WEBP") or (kind == "PNG" and pngchunks.pictures(data)[0] > 1):
            found = rasterread.decode_frames(data, kind, max_pixels)
        else:
            found = iter((decode(data, max_pixels=max_pixels),))
        yield from found


@contextmanager
def _one_line(kind: str, error_type: type[PictureError] = DecodeError) -> Iterator[None]:
    """Turn whatever a library raises into one line that names the format."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise error_type(f"the {kind} picture is too large for this machine's memory") from None
    except Exception as error:
        reason = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())[:160]
        reason = f"{type(error).__name__}: {reason}"
        if _is_ours(error):
            told = f"internal error with a {kind} picture: {reason}; run with --debug for the traceback"
            raise error_type(told) from error
        verb = "made"
        if error_type is DecodeError:
            is_sound = "Unsupported" in reason  # Pillow's word
            verb = "read: save it as PNG or TIFF" if is_sound else "read: it is damaged"
        raise error_type(f"the {kind} picture cannot be {verb} ({reason})") from error


def _is_ours(error: Exception) -> bool:
    """Whether an error is a bug of this program: of a type that no input can cause, and not raised in a library."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else str(place.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, _MISTAKES) and where.startswith(f"{__name__.partition('.')[0]}.")


def check_encodable(kind: str, width: int, height: int, *, alpha: bool) -> None:
    """EncodeError if a format cannot hold a picture of this size and transparency at all.

    Call it before inference. Reduced depth is not an error: see `losses`.
    """
    if kind not in FORMATS:
        raise EncodeError(
            f"{kind} is not a format that is written here; choose one of {', '.join(sorted(FORMATS))}"
        )
    longest = _LONGEST_SIDE.get(kind, 2**31 - 1)
    if width > longest or height > longest:
        raise EncodeError(
            f"{kind} holds at most {longest} pixels a side, not {width}×{height}; choose PNG or TIFF"
        )
    if alpha and kind in OPAQUE:
        raise EncodeError(f"{kind} cannot hold transparency; choose PNG, WebP or TIFF")
    if kind in ("GIF", "BMP") and width * height * 4 > 2**32 - 2**16:
        raise EncodeError(f"{width}×{height} is too large for {kind}; choose PNG or TIFF")


def encode(picture: Picture, kind: str, *, quality: int | None = None) -> bytes:
    """A complete file. `quality` 1..100 is for JPEG (95 if None) and WebP (lossless if None).

    Samples deeper than the format holds are reduced to its depth. EncodeError as for `check_encodable`.
    """
    check_encodable(kind, picture.width, picture.height, alpha=picture.alpha is not None)
    picture = _with_fitting_profile(picture, kind)
    with _one_line(kind, EncodeError):
        if kind == "TIFF":
            return tiffwrite.encode([picture])
        fitted = at_most(picture, BITS[kind])
        if kind == "PNG":
            return pngwrite.encode(fitted)
        return pnm.encode(fitted) if kind == "PPM" else rasterwrite.encode(fitted, kind, quality)


def encode_pages(pictures: Sequence[Picture], kind: str, *, quality: int | None = None) -> bytes:
    """One file of several pictures: pages of a TIFF, or frames of an animated GIF, WebP or PNG (8-bit).

    If the first one is a still picture beside the frames (`is_apart`), it stays that in a PNG, becomes a page in a
    TIFF, and is left out of GIF and WebP.
    """
    pictures = animation.shown(pictures, kind)
    if len(pictures) == 1:
        return encode(pictures[0], kind, quality=quality)
    for picture in pictures:
        check_encodable(kind, picture.width, picture.height, alpha=picture.alpha is not None)
    if not pictures or (kind != "TIFF" and kind not in animation.FORMATS):
        raise EncodeError(
            f"{kind} cannot hold {len(pictures)} pictures; choose TIFF, or GIF, WebP or PNG for frames"
        )
    pictures = [_with_fitting_profile(picture, kind) for picture in pictures]
    with _one_line(kind, EncodeError):
        if kind == "TIFF":
            return tiffwrite.encode(pictures)
        if len({(picture.width, picture.height) for picture in pictures}) > 1:
            raise EncodeError(f"frames of one {kind} have one size; choose TIFF for pages of different sizes")
        return animation.encode([at_most(picture, 8) for picture in pictures], kind, quality)


def write_pages(file: BinaryIO, pictures: Sequence[Picture]) -> None:
    """Write what `encode_pages` returns for TIFF into the empty `file`, which is open for reading and writing."""
    tiffwrite.write(file, [_with_fitting_profile(picture, "TIFF") for picture in pictures])


def _with_fitting_profile(picture: Picture, kind: str) -> Picture:
    if picture.metadata.icc is None or profile_fits(picture, kind):
        return picture
    return picture.with_metadata(replace(picture.metadata, icc=None))


def at_most(picture: Picture, bits: int) -> Picture:
    """The picture with samples of at most 8 or 16 bits, rounded and clipped."""
    if picture.bits <= bits:
        return picture
    dtype = np.uint8 if bits == 8 else np.uint16
    alpha = None if picture.alpha is None else color.from_unit(color.to_unit(picture.alpha), dtype)
    return picture.with_pixels(color.from_unit(color.to_unit(picture.pixels), dtype), alpha)
