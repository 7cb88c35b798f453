"""Read TIFF: 1 to 16 bits and floating point, strips and tiles, every page, through tifffile.

A TIFF header can claim anything in a few bytes, so before tifffile allocates memory for a page, `_check`
compares its claims with the limit and with what the file holds. Only compressions are accepted whose
unpacked size is bounded by the page's own size.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits, outline
from nsr_cli.imaging.jpeg import markers, tables
from nsr_cli.imaging.metadata import profile, stacks
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.rebuild import finish
from nsr_cli.imaging.tiff import cameraraw, tags
from nsr_cli.imaging.tiff import kinds as tiffkinds
from nsr_cli.imaging.tiff.kinds import COLORS, FAX, JPEG, PALETTE, RATIOS, SEPARATED, WHITE_IS_ZERO
from nsr_cli.imaging.tiff.whites import stated_white
from nsr_cli.shown import counted

_ASSOCIATED, _UNASSOCIATED = 1, 2
_LARGEST_TILE = 1 << 24
_JPEG_END = bytes([0xFF, markers.END])
_NUMBERS = (
    "imagewidth", "imagelength", "imagedepth", "samplesperpixel", "compression", "photometric", "rowsperstrip",
    "tilewidth", "tilelength",
)  # fmt: skip


def decode(data: bytes, max_pixels: int, *, is_part: bool = False) -> Picture:
    """The first page; its `first_of` says how many there are. `is_part` as for `rebuild.finish`."""
    picture, total = next(_pages(data, max_pixels, is_part=is_part))
    return replace(picture, first_of=total)


def decode_pages(data: bytes, max_pixels: int) -> Iterator[Picture]:
    """Every page that is a picture of its own; thumbnails and masks are passed over."""
    return (page for page, _ in _pages(data, max_pixels))


def _pages(data: bytes, max_pixels: int, *, is_part: bool = False) -> Iterator[tuple[Picture, int]]:
    """Each page, and how many there are."""
    import tifffile

    outline.check_tiff(data)
    if not is_part:  # else the file that it is a part of was looked at
        cameraraw.refuse(data)
    with tifffile.TiffFile(io.BytesIO(data), _multifile=False) as file:
        stored: Any = file.pages
        found = tiffkinds.pictures((page, int(page.subfiletype)) for page in stored)
        first = next(found, None)
        if first is None:
            raise DecodeError("the TIFF file has no picture")
        _check(first, data, max_pixels)  # before the directories of thousands of others are read for nothing
        pages = [first, *found]
        behind = stacks.slices_behind(data, int(first.offset)) if len(pages) == 1 else 0
        for page in pages:
            picture = _page_picture(page, data, max_pixels, is_part=is_part)
            yield picture.with_notes(*stacks.note(behind)), len(pages)


def _page_picture(page: Any, data: bytes, max_pixels: int, *, is_part: bool) -> Picture:
    _check(page, data, max_pixels)
    samples = page.asarray(squeeze=False, maxworkers=1)  # (planes, depth, H, W, samples)
    samples = samples[:, 0].transpose(1, 2, 0, 3).reshape(samples.shape[2], samples.shape[3], -1)
    metadata, orientation = tags.read(data, int(page.offset))
    colors = COLORS[int(page.photometric)]
    whole = _whole_bits(samples, int(page.bitspersample))
    alpha, premultiplied, notes = _alpha(page, whole, colors)
    palette = int(page.photometric) == PALETTE
    pixels, more = _to_color(page, (samples if palette else whole)[..., :colors], metadata.icc)
    if int(page.photometric) == SEPARATED:
        metadata = replace(metadata, icc=None)
    if alpha is not None and alpha.dtype != pixels.dtype:  # a palette's colors may be deeper than its indices
        alpha = alpha.astype(np.uint16) * 257
    if alpha is not None and premultiplied:
        pixels = unpremultiply(pixels, alpha)
    notes += (*more, *tags.too_long(data, int(page.offset)))
    return finish(
        pixels,
        alpha,
        metadata,
        "TIFF",
        notes,
        from_palette=palette,
        orientation=orientation,
        is_part=is_part,
        stated=stated_white(data, int(page.offset), int(page.bitspersample), int(page.photometric)),
    )


def _check(page: Any, data: bytes, max_pixels: int) -> None:
    """DecodeError for a page that is not supported, too large, or not whole."""
    for name in _NUMBERS:  # tifffile returns whatever a tag holds, even text
        if not isinstance(getattr(page, name), Real):
            raise DecodeError(f"the TIFF file is damaged: its {name} is not a number")
    width, height, samples = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
    limits.check_size(width, height, max_pixels)
    if int(page.imagedepth) != 1 or not 1 <= samples <= tiffkinds.MOST_SAMPLES:
        what = f"TIFF with depth {page.imagedepth} and {counted(samples, 'sample')} a pixel"
        raise DecodeError(f"{what} is not supported; save it as gray or RGB")
    dtype = None if page.dtype is None else np.dtype(page.dtype)
    tiffkinds.check(int(page.compression), int(page.photometric), samples, page.bitspersample, dtype)
    tile = (width, int(page.rowsperstrip) if not page.is_tiled else 0)
    if page.is_tiled:
        tile = (int(page.tilewidth), int(page.tilelength))
        # A small picture may be stored in a tile that is larger than itself.
        if min(tile) < 1 or tile[0] * tile[1] > max(width * height, _LARGEST_TILE):
            raise DecodeError(
                f"the TIFF file claims tiles of {tile[0]}×{tile[1]} for {width}×{height} pixels"
            )
    _check_segments(page, data, tile, (width, height, samples))


def _check_segments(page: Any, data: bytes, tile: tuple[int, int], size: tuple[int, int, int]) -> None:
    """DecodeError if a strip or tile is missing or cut off, or is a JPEG without its end or larger than its place."""
    offsets, counts = page.dataoffsets, page.databytecounts
    width, height, samples = size
    columns = -(-width // tile[0]) if page.is_tiled else 1
    rows = -(-height // max(1, tile[1]))
    planes = samples if page.planarconfig == 2 else 1
    if not all(issubclass(kind, Integral) for kind in {*map(type, offsets), *map(type, counts)}):
        raise DecodeError("the TIFF file is damaged: the positions of its parts are not numbers")
    if len(offsets) != len(counts) or len(offsets) < columns * rows * planes:
        raise DecodeError(
            f"the TIFF file lists {len(offsets)} of {columns * rows * planes} parts of the picture"
        )
    for offset, count in zip(offsets, counts, strict=True):
        if count < 1 or offset < 1 or offset + count > len(data):
            raise DecodeError("the TIFF file is cut off: a part of the picture is missing")
    compression = int(page.compression)
    ratio = RATIOS.get(compression) or FAX[compression]
    limits.check_content(
        -(-width * samples * page.bitspersample // 8) * height, sum(counts), ratio, "the TIFF file"
    )
    if compression == JPEG:
        for offset, count in zip(offsets, counts, strict=True):
            across, down = tables.frame_size(data[offset : offset + count])
            if across > tile[0] or (page.is_tiled and down > tile[1]) or down > max(height, tile[1]):
                raise DecodeError(f"the TIFF file's JPEG part of {across}×{down} is larger than its place")
            if data.rfind(_JPEG_END, offset, offset + count) < 0:  # its decoder would fill up with gray
                raise DecodeError("the TIFF file is damaged: a JPEG part of the picture is cut off")


def _whole_bits(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples with fewer bits than their type, scaled to its whole range."""
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    if np.issubdtype(samples.dtype, np.floating) or bits == samples.dtype.itemsize * 8:
        return samples
    peak = np.iinfo(samples.dtype).max
    return (samples.astype(np.uint32) * peak // ((1 << bits) - 1)).astype(samples.dtype)


def _alpha(
    page: Any, samples: NDArray[Any], colors: int
) -> tuple[NDArray[Any] | None, bool, tuple[str, ...]]:
    """Alpha, whether colors are premultiplied by it, and a note about other extra samples."""
    extra = samples.shape[2] - colors
    kinds = [int(kind) for kind in page.extrasamples][:extra]
    place = next((i for i, kind in enumerate(kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    if place is None and extra == 1 and 338 not in page.tags:  # ExtraSamples forgotten by the writer
        return samples[..., colors], False, ()
    unused = extra - (place is not None)
    notes = (f"{counted(unused, 'extra channel')} left out",) if unused else ()
    if place is None:
        return None, False, notes
    return samples[..., colors + place], kinds[place] == _ASSOCIATED, notes


def unpremultiply(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Premultiplied colors (H, W, C) divided by alpha (H, W); fully transparent pixels stay as they are."""
    peak = 1.0 if np.issubdtype(pixels.dtype, np.floating) else float(np.iinfo(pixels.dtype).max)
    coverage = np.where(alpha > 0, alpha, peak).astype(np.float32)[..., np.newaxis] / np.float32(peak)
    color = pixels.astype(np.float32) / coverage
    return color if peak == 1.0 else np.clip(np.rint(color), 0, peak).astype(pixels.dtype)


def _to_color(page: Any, samples: NDArray[Any], icc: bytes | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """A page's color samples as gray or RGB pixels, with notes."""
    photometric = int(page.photometric)
    if photometric == SEPARATED:
        return profile.cmyk_to_rgb(samples, icc)
    if photometric == PALETTE:
        return _colors_of(samples[..., 0], page), ()
    if photometric == WHITE_IS_ZERO:
        floating = np.issubdtype(samples.dtype, np.floating)
        return (samples.max() - samples) if floating else ~samples, ()
    return samples, ()


def _colors_of(indices: NDArray[Any], page: Any) -> NDArray[Any]:
    """Palette colors (H, W, 3), 8-bit; 16-bit if the palette needs it."""
    if page.colormap is None:
        raise DecodeError("the TIFF file has no palette, which its color kind needs")
    table = np.asarray(page.colormap, dtype=np.uint16).reshape(3, -1).T
    places = indices.astype(np.uint16)
    if places.max() >= len(table):
        raise DecodeError("the TIFF file's palette is too short")
    if table.max() <= 255:  # a common mistake: 8-bit values in the 16-bit table
        return table.astype(np.uint8)[places]
    exact = np.all(table == (table >> 8) * 257) or np.all(table & 255 == 0)
    return (table >> 8).astype(np.uint8)[places] if exact else table[places]
