"""Color under transparent pixels, so that neither resizing nor a network draws a halo from it.

What a file holds under fully transparent pixels is arbitrary, often black. Filters look across the
edge of the visible part, so this color would darken it. `bleed` replaces it with the color of the
visible pixels nearby: a few rings of 3×3 averages next to the edge, and an image pyramid (averages
of ever larger squares, "push-pull") for the rest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.imaging.resizing.resize import resize

_RINGS = 4  # pixels from the edge that are filled smoothly; a bicubic kernel at ×1/2 reaches that far


def bleed(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """`pixels` (H, W, C) with new color where `alpha` (H, W) is 0; the same type and visible pixels.

    A picture that is transparent everywhere, or nowhere, is returned as it is.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    field = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
    known = np.pad(~hidden, 1)
    for _ in range(_RINGS):
        _ring(field, known)
    out, inner = field[1:-1, 1:-1].copy(), known[1:-1, 1:-1]
    if not inner.all():
        coarse = _fill(*_halve(out, inner))
        up = coarse.repeat(2, axis=0).repeat(2, axis=1)[: out.shape[0], : out.shape[1]]
        out[~inner] = _stored(up[~inner], out.dtype)
    return out


def resized_alpha(alpha: NDArray[Any] | None, height: int, width: int) -> NDArray[Any] | None:
    """Alpha (H, W) resized by itself: bicubic, and an opaque area stays exactly opaque; None stays None."""
    if alpha is None or alpha.shape == (height, width):
        return alpha
    return from_unit(resize(to_unit(alpha[..., None]), height, width).clip(0, 1), alpha.dtype)[..., 0]


def _ring(field: NDArray[Any], known: NDArray[np.bool_]) -> None:
    """Give each unknown pixel next to known ones their mean, in place; both arrays have a margin of 1."""
    grown = known.copy()
    grown[1:] |= known[:-1]
    grown[:-1] |= known[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    wide &= ~known
    wide[[0, -1]] = wide[:, [0, -1]] = False
    places = np.flatnonzero(wide)
    flat, certain = field.reshape(-1, field.shape[2]), known.reshape(-1)
    total = np.zeros((len(places), field.shape[2]), dtype=np.float32)
    count = np.zeros((len(places), 1), dtype=np.float32)
    for step in (down * known.shape[1] + across for down in (-1, 0, 1) for across in (-1, 0, 1)):
        weight = certain[places + step][:, np.newaxis].astype(np.float32)
        total += flat[places + step] * weight
        count += weight
    flat[places] = _stored(total / count, field.dtype)
    certain[places] = True


def _stored(color: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    return (color if np.issubdtype(dtype, np.floating) else np.rint(color)).astype(dtype)


def _halve(color: NDArray[Any], known: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean of the known pixels (H, W, C) in each 2×2 square, and which squares have any."""
    height, width = ((side + 1) // 2 for side in known.shape)
    total = np.zeros((height, width, color.shape[2]), dtype=np.float32)
    count = np.zeros((height, width, 1), dtype=np.float32)
    for part in ((slice(row, None, 2), slice(column, None, 2)) for row in (0, 1) for column in (0, 1)):
        weight = known[part][..., np.newaxis].astype(np.float32)
        rows, columns = weight.shape[:2]
        total[:rows, :columns] += color[part] * weight
        count[:rows, :columns] += weight
    total /= np.maximum(count, 1)
    return total, count[..., 0] > 0


def _fill(color: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill unknown pixels from ever larger squares."""
    if known.all() or known.size == 1:
        return color
    coarse = _fill(*_halve(color, known))
    up = coarse.repeat(2, axis=0).repeat(2, axis=1)[: known.shape[0], : known.shape[1]]
    return np.where(known[..., np.newaxis], color, up)
