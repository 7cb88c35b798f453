"""Read AVIF, still or animated, and HEIC, by the library that is best at it.

AVIF of 8 bits, and animations      Pillow, which reduces more bits to 8
still AVIF of 10 and 12 bits        imagecodecs; of animations its version 2026.3.6 writes beyond its memory
HEIC                                pillow-heif, if it is installed: its HEVC decoder is under patents
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits, outline
from nsr_cli.imaging.boxed import heif
from nsr_cli.imaging.boxed.heif import UNSTATED, Header
from nsr_cli.imaging.metadata import exif, unkept, xmp
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.rasters.read import samples_of
from nsr_cli.imaging.rebuild import finish, oriented
from nsr_cli.imaging.whites import FULL
from nsr_cli.shown import counted

_BACK = {6: 8, 8: 6}  # the orientations that undo these; the others undo themselves
_SRGB = (1, 13)  # primaries and transfer that readers assume anyway

Samples = tuple[NDArray[Any], NDArray[Any] | None]
"""Pixels (H, W, C) and alpha (H, W) or None."""


def decode(data: bytes, kind: str, max_pixels: int) -> Picture:
    """The first picture of a file, which says how many frames there are."""
    picture, total = next(_frames(data, kind, max_pixels))
    return replace(picture, first_of=total)


def decode_frames(data: bytes, kind: str, max_pixels: int) -> Iterator[Picture]:
    """Every frame of an animation; the one picture of other files."""
    return (frame for frame, _ in _frames(data, kind, max_pixels))


def _frames(data: bytes, kind: str, max_pixels: int) -> Iterator[tuple[Picture, int]]:
    """Each frame, and how many there are."""
    head = heif.header(data)
    for sides in (head.size, head.coded):
        limits.check_size(*sides, max_pixels)
    limits.check_claim(head.coded[0] * head.coded[1], len(data), f"the {kind} file")
    if kind == "HEIC":
        yield _heic(data, head), 1
    else:
        yield from _avif(data, head, max_pixels)


def _avif(data: bytes, head: Header, max_pixels: int) -> Iterator[tuple[Picture, int]]:
    from PIL import AvifImagePlugin

    outline.check_pictures(heif.frames(data), "frames")
    is_deep = head.bits > 8 and not heif.is_animated(data)
    with AvifImagePlugin.AvifImageFile(io.BytesIO(data)) as image:
        limits.check_size(*image.size, max_pixels)
        metadata, notes = _metadata(image.info, head)
        if head.bits > 8 and not is_deep:
            notes += (f"its samples of {head.bits} bits become 8-bit",)
        total = int(image.n_frames)
        for index in range(total):
            if is_deep:
                pixels, alpha = _deep(data, head)
            else:
                image.seek(index)
                image.load()
                pixels, alpha, _ = samples_of(image, None)
            if total > 1:
                metadata = replace(metadata, duration=image.info["duration"] / 1000 or None)
            told = notes if index == 0 else ()
            yield finish(pixels, alpha, metadata, "AVIF", told, orientation=head.turn, stated=FULL), total


def _deep(data: bytes, head: Header) -> Samples:
    import imagecodecs

    return _separate(_in_whole_range(imagecodecs.avif_decode(data), head.bits))


def _heic(data: bytes, head: Header) -> Picture:
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    if file.size != head.upright:
        raise DecodeError("the HEIC file is damaged: its header and its picture have different sizes")
    metadata, notes = _metadata(file.info, head)
    if len(file) > 1:
        notes += (f"it holds {counted(len(file) - 1, 'further picture')}: left out",)
    # libheif has turned it upright. It is turned back, so that what depends on it in the metadata is turned with it.
    stored = oriented(np.asarray(file), _BACK.get(head.turn, head.turn))
    pixels, alpha = _separate(_in_whole_range(stored, int(file.info["bit_depth"])))
    return finish(pixels, alpha, metadata, "HEIC", notes, orientation=head.turn, stated=FULL)


def _in_whole_range(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples (H, W) or (H, W, S) as (H, W, S), those of more than 8 bits with white at 65535."""
    stored = samples.reshape(*samples.shape[:2], -1)
    if stored.dtype == np.uint8:
        return stored
    return (stored.astype(np.uint32) * FULL // ((1 << bits) - 1)).astype(np.uint16)


def _separate(samples: NDArray[Any]) -> Samples:
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1]
    return samples, None


def _metadata(info: dict[Any, Any], head: Header) -> tuple[Metadata, tuple[str, ...]]:
    """What the file says besides its pixels, and notes on what is left out."""
    blocks, notes = {}, []
    for key, name in (("exif", "EXIF block"), ("xmp", "XMP packet"), ("icc_profile", "color profile")):
        block = bytes(info.get(key) or b"")
        if len(block) > limits.MOST_METADATA:
            notes.append(f"its {name} is too long: left out")
        else:
            blocks[key] = block
    packet = xmp.decode(blocks.get("xmp", b""))
    block = blocks.get("exif", b"").removeprefix(exif.PREFIX)
    icc = blocks.get("icc_profile") or None
    found = Metadata(
        block or None,
        icc,
        text=xmp.unpack(packet) if packet else (),
        color=() if icc else _color(head.codes),
        left_out=(
            *unkept.content_of("auxiliary part", head.unread),
            *((xmp.NOT_UTF8,) if packet is None else ()),
        ),
    )
    return found, tuple(notes)


def _color(codes: tuple[int, int]) -> tuple[tuple[str, bytes], ...]:
    """What the samples' colors mean, as PNG's chunk of the same codes says it; empty for sRGB."""
    if codes == _SRGB or UNSTATED in codes or max(codes) > 255:
        return ()
    return (("cICP", bytes([*codes, 0, 1])),)
