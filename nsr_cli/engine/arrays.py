"""A network on NumPy pixels: gray and color in any combination, and the self-ensemble.

Torch is loaded only with the first network, so that code that merely blends pixels need not wait for it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.beyond import add_beyond, limits_of, within
from nsr_cli.engine.progress import OverallProgress
from nsr_cli.imaging.color import rgb_to_ycc, ycc_to_rgb
from nsr_cli.imaging.resizing.resize import resize

if TYPE_CHECKING:
    from torch import Tensor

    from nsr_cli.engine.runner import Runner

Unit = NDArray[np.float32]


def run_array(
    runner: "Runner", array: Unit, level: "Tensor | None", watch: OverallProgress, *, by_channel: bool = False
) -> Unit:
    """(H, W, C) about [0, 1] -> (scale·H, scale·W, C), not clipped, for any channels of picture and network.

    A color network sees a gray picture as three equal channels; the luma of its result is kept. A gray network
    restores the luma of a color picture, which holds the detail for eyes and JPEG, or with `by_channel` one channel
    after the other, since each has its own noise: then `watch` is told of as many runs.
    Samples far beyond black and white bypass the network, see `beyond`.
    """
    limits = limits_of(runner.network.config.scale)
    inside = within(array, limits)
    out = _restored(runner, inside, level, watch, by_channel=by_channel)
    if inside is not array:
        add_beyond(out, array, limits)
    return out


def _restored(
    runner: "Runner", array: Unit, level: "Tensor | None", watch: OverallProgress, *, by_channel: bool
) -> Unit:
    channels, wanted = array.shape[2], runner.network.config.channels
    if channels == wanted:
        return _run(runner, array, level, watch)
    if channels == 1:
        return rgb_to_ycc(_run(runner, np.repeat(array, 3, axis=2), level, watch))[..., :1]
    if by_channel:
        planes = np.split(array, channels, axis=2)
        return np.concatenate([_run(runner, plane, level, watch) for plane in planes], axis=2)
    ycc = rgb_to_ycc(array)
    luma = _run(runner, ycc[..., :1], level, watch)
    chroma = ycc[..., 1:] if luma.shape[:2] == ycc.shape[:2] else resize(ycc[..., 1:], *luma.shape[:2])
    return ycc_to_rgb(np.concatenate((luma, chroma), axis=2)).astype(np.float32)


def run_ensemble(
    runner: "Runner", array: Unit, level: "Tensor | None", watch: OverallProgress, *, by_channel: bool = False
) -> Unit:
    """Mean of `run_array` over the eight flips and quarter turns of the picture, each turned back."""
    total = run_array(runner, array, level, watch, by_channel=by_channel)
    for turns, flip in [(k, flip) for k in range(4) for flip in (False, True)][1:]:
        turned = np.rot90(array[:, ::-1] if flip else array, turns)
        back = np.rot90(run_array(runner, turned, level, watch, by_channel=by_channel), -turns)
        total += back[:, ::-1] if flip else back
    return total / np.float32(8)


def blended(plain: Unit, made: Unit, strength: float) -> Unit:
    """Blend the restored picture `made` with the plain one resized to it, by a strength of 0…1; overwrites `made`."""
    if strength == 1.0 or made is plain:
        return made
    base = plain if plain.shape == made.shape else resize(plain, *made.shape[:2])
    made -= base
    made *= np.float32(strength)
    made += base
    return made


def _run(runner: "Runner", array: Unit, level: "Tensor | None", watch: OverallProgress) -> Unit:
    from torch import from_numpy

    x = from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    out: Unit = runner.run(x, level, watch).permute(1, 2, 0).numpy()
    watch.end_run()
    return out
