"""Find an earlier JPEG compression in pixels that are no longer in a JPEG file.

Decoding puts every DCT coefficient of the 8×8 grid on a multiple of its quantization step. A picture
saved again without loss keeps that up to rounding. For each quality of the Independent JPEG Group, the
log-likelihood that the coefficients lie near multiples of its steps is compared with the log-likelihood that
they lie anywhere. If the picture is a crop, its grid is where the block edges are strongest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging import color
from nsr_cli.imaging.findings.dct import SIDE, dct_matrix
from nsr_cli.imaging.jpeg import tables as jpegtables

_MOST_BLOCKS, _FEW_BLOCKS = 2000, 400
_FEW_FREQUENCIES = 10  # the lowest ones, which suffice to choose among grid positions
_TRIED_PHASES = 3  # in each direction
_ROUNDING = 0.3  # standard deviation of a coefficient after rounding to levels and back
_STRAY = 0.05  # share of coefficients that clipping put elsewhere
_LEAST = 1.5  # smaller coefficients lie near 0 under every hypothesis and tell nothing
_EVIDENCE = 0.35  # mean log-likelihood ratio a coefficient from which on there are traces
_FEWEST = 100  # coefficients to judge by
_BEST_KNOWN = 92  # at higher qualities steps come near to the rounding itself

Blocks = NDArray[np.float64]


def estimate_quality(pixels: NDArray[Any]) -> int | None:
    """Quality 1..92 of the last JPEG compression of (H, W, C), 8-bit, or None without traces of one.

    A picture that was resized or edited since has no traces.
    """
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 4 * SIDE:
        return None
    luma = pixels[..., 0].astype(np.float64)
    if pixels.shape[2] == 3:
        luma = np.asarray(color.rgb_to_ycc(pixels.astype(np.float64), 255.0)[..., 0], dtype=np.float64)
    # Blocks with black or white in any channel were clipped after decoding: their coefficients are on no multiples.
    clipped = ((pixels == 0) | (pixels == 255)).any(axis=2)
    places = grid_positions(luma)
    coarse = [
        _likeliest(_transformed(luma, clipped, place, _FEW_BLOCKS), _FEW_FREQUENCIES)[0] for place in places
    ]
    place = places[int(np.argmax(coarse))]
    evidence, quality = _likeliest(_transformed(luma, clipped, place, _MOST_BLOCKS))
    return quality if evidence > _EVIDENCE and quality <= _BEST_KNOWN else None


def grid_positions(luma: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Where the first whole block of the JPEG grid may begin: row and column, 0..7, likeliest first.

    These are the corner and the places with the strongest block edges.
    """
    rows, columns = _edge_phases(luma), _edge_phases(luma.T)
    return list(dict.fromkeys([(0, 0), *((row, column) for row in rows for column in columns)]))


def _edge_phases(luma: NDArray[np.float64]) -> list[int]:
    # How much the difference between two rows exceeds the ones before and after it.
    steps = np.abs(np.diff(luma, axis=0))
    excess = (steps[1:-1] - (steps[:-2] + steps[2:]) / 2).clip(-8, 8).mean(axis=1)
    phases = [float(excess[(phase - 2) % SIDE :: SIDE].mean()) for phase in range(SIDE)]
    return sorted(range(SIDE), key=lambda phase: -phases[phase])[:_TRIED_PHASES]


def _transformed(
    luma: NDArray[np.float64], clipped: NDArray[np.bool_], place: tuple[int, int], most: int
) -> Blocks:
    """DCT coefficients (64, blocks) of the blocks without clipped pixels, on the grid that begins at `place`."""
    blocks = _on_grid(luma, place)
    whole = np.flatnonzero(~_on_grid(clipped, place).any(axis=1))
    chosen = blocks[whole[:: max(1, len(whole) // most)]] - 128
    coefficients: Blocks = dct_matrix() @ chosen.T
    return coefficients


def _on_grid(plane: NDArray[Any], place: tuple[int, int]) -> NDArray[Any]:
    """The whole blocks of the grid that begins at `place`, (blocks, 64)."""
    part = plane[place[0] :, place[1] :]
    height, width = (side - side % SIDE for side in part.shape)
    grid = part[:height, :width].reshape(height // SIDE, SIDE, width // SIDE, SIDE)
    return grid.transpose(0, 2, 1, 3).reshape(-1, SIDE * SIDE)


def _likeliest(coefficients: Blocks, frequencies: int = 63) -> tuple[float, int]:
    """The mean log-likelihood ratio of the best quality, by the lowest `frequencies`, and that quality."""
    total, count = np.zeros(100), 0
    tables = np.array([jpegtables.standard_table(quality).ravel() for quality in range(1, 101)])
    for frequency in jpegtables.zigzag()[1 : frequencies + 1]:
        values = coefficients[frequency]
        values = values[np.abs(values) > _LEAST]
        count += len(values)
        steps, place = np.unique(tables[:, frequency], return_inverse=True)
        total += _ratios(values, steps)[place]
    if count < _FEWEST:
        return 0.0, 1
    best = int(np.argmax(total))
    return float(total[best]) / count, best + 1


def _ratios(values: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each step, the summed log-likelihood ratios of lying near its multiples over lying anywhere."""
    in_steps = values[:, np.newaxis] / steps
    off = (in_steps - np.rint(in_steps)) * (steps / _ROUNDING)
    near = steps / (_ROUNDING * np.sqrt(2 * np.pi)) * np.exp(-np.square(off) / 2)
    ratios: NDArray[np.float64] = np.log((1 - _STRAY) * near + _STRAY).sum(axis=0)
    return ratios
