"""The last step of every decoder: from samples and raw metadata to an upright `Picture`."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import ifd
from nsr_cli.imaging.floats import Tally, checked_span
from nsr_cli.imaging.metadata import exif, profile, regions, subjectarea, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from nsr_cli.imaging.whites import white_of

_GREATEST = float(np.finfo(np.float32).max)


def finish(
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    metadata: Metadata,
    source: str,
    notes: tuple[str, ...] = (),
    *,
    from_palette: bool = False,
    orientation: int | None = None,
    is_part: bool = False,
    stated: int | None = None,
) -> Picture:
    """Turn the picture upright, bring float samples to [0, 1], and drop metadata that does not fit.

    Args:
        pixels, alpha: (H, W, C) and (H, W) of uint8, uint16 or float.
        metadata, source, notes: as in `Picture`.
        from_palette: a palette of grays gives a gray picture, unless an RGB profile describes it.
        orientation: 1..8; takes precedence over the EXIF block's.
        is_part: float samples keep their stored values, since black and white depend on the whole picture.
        stated: the white of 16-bit samples that the file states, as for `whites.white_of`.

    Raises:
        DecodeError: float samples are NaN or infinite, or as for `floats.checked_span`.
    """
    pixels, alpha, span, extra = _normal(pixels, alpha, is_part=is_part)
    notes += extra
    if from_palette and pixels.shape[2] == 3 and profile.channels_of(metadata.icc or b"") != 3:
        pixels = _gray_if_gray(pixels)
    icc, extra = profile.fitting(metadata.icc, pixels.shape[2])
    metadata, notes = replace(metadata, icc=icc), (*notes, *extra)
    metadata, turn, extra = upright_metadata(metadata, orientation)
    pixels = np.ascontiguousarray(oriented(pixels, turn))
    alpha = None if alpha is None else np.ascontiguousarray(oriented(alpha, turn))
    white = white_of(int(pixels.max()), stated) if pixels.dtype == np.uint16 and not is_part else None
    return Picture(pixels, alpha, metadata, source, (*notes, *extra), span, white=white)


def oriented(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W, ...) of EXIF orientation 1..8, turned upright (a view)."""
    if orientation in exif.SIDEWAYS:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def upright_metadata(metadata: Metadata, orientation: int | None) -> tuple[Metadata, int, tuple[str, ...]]:
    """Metadata of the upright picture, the orientation to undo, and notes."""
    block = metadata.exif
    notes: tuple[str, ...] = ()
    turn = orientation or 1
    if block is not None:
        try:
            turn = orientation or exif.orientation(block)
            # In a PNG file ExifTool writes the resolution only here.
            if metadata.dpi is None and metadata.aspect is None:
                metadata = replace(metadata, dpi=exif.resolution(block))
            block = exif.make_upright(block, turn)
        except ifd.DirectoryError:
            block, notes = None, ("its EXIF block is damaged: left out",)
    if turn == 1:
        return replace(metadata, exif=block), 1, notes
    if turn in exif.SIDEWAYS:
        dpi, ratio = metadata.dpi, metadata.aspect
        metadata = replace(metadata, dpi=dpi and (dpi[1], dpi[0]), aspect=ratio and (ratio[1], ratio[0]))
    if block is not None:
        block, is_lost = subjectarea.turned(block, turn)
        notes += (f"{subjectarea.NAME} does not fit the upright picture: left out",) if is_lost else ()
    text = tuple((key, regions.without(value) if key == XMP_KEY else value) for key, value in metadata.text)
    if text != metadata.text:
        notes += ("its XMP regions, such as faces, do not fit the upright picture: left out",)
    text = tuple((key, xmp.make_upright(value, turn) if key == XMP_KEY else value) for key, value in text)
    return replace(metadata, exif=block, text=text), turn, notes


def _gray_if_gray(pixels: NDArray[Any]) -> NDArray[Any]:
    first = pixels[..., :1]
    return first if np.array_equal(np.broadcast_to(first, pixels.shape), pixels) else pixels


def _normal(
    pixels: NDArray[Any], alpha: NDArray[Any] | None, *, is_part: bool
) -> tuple[NDArray[Any], NDArray[Any] | None, tuple[float, float], tuple[str, ...]]:
    """Float samples as float32 with black 0 and white 1, the stored values of black and white, and notes."""
    if not np.issubdtype(pixels.dtype, np.floating):
        return pixels, alpha, (0.0, 1.0), ()
    arrays = [pixels] if alpha is None else [pixels, alpha]
    odd = sum(int(a.size - np.count_nonzero(np.isfinite(a))) for a in arrays)
    if odd:
        samples = sum(a.size for a in arrays)
        raise DecodeError(f"{odd} of {samples} samples are NaN or infinite; replace them and try again")
    notes: tuple[str, ...] = ("its samples of 64 bits become 32-bit",) if pixels.itemsize > 4 else ()
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if is_part:  # values beyond float32 will be refused once the whole picture is known
        pixels = pixels.clip(-_GREATEST, _GREATEST)
    span, more = ((0.0, 1.0), ()) if is_part else checked_span(Tally.of(pixels))
    if span != (0.0, 1.0):
        pixels = (pixels - span[0]) / (span[1] - span[0])
    if alpha is not None:
        # Opaque is 1 in most files, and the white of the colors in others.
        alpha = alpha.astype(np.float32)
        opaque = 1.0 if alpha.max() <= 1 else max(span[1], float(alpha.max()))
        alpha = np.clip(alpha / np.float32(opaque), 0, 1)
    return pixels.astype(np.float32), alpha, span, (*notes, *more)
