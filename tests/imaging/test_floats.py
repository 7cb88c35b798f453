"""Float samples that networks cannot keep apart are refused; wide ones that they can are not."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import floats

NO_DATA = float(np.finfo(np.float32).min)  # of GDAL
ELEVATIONS = np.linspace(20, 900, 1000)
SCENE = np.geomspace(0.01, 10, 1000)  # of a rendering, from shadows to a lamp


def span_of(samples: NDArray[Any]) -> tuple[float, float]:
    """What a decoder does with samples."""
    parts = (samples[:100], samples[100:])
    return floats.checked_span(
        float(samples.min()),
        float(samples.max()),
        lambda: np.sum([floats.powers(part) for part in parts], axis=0),
    )


@pytest.mark.parametrize(
    "others, odd",
    [
        (ELEVATIONS, [NO_DATA]),
        (ELEVATIONS, [NO_DATA] * 5000),  # most of a picture may be without data
        (ELEVATIONS, [-NO_DATA]),
        (ELEVATIONS, [-3e38, 3e38]),
        (ELEVATIONS, [1e20]),
        (ELEVATIONS, [-1e9]),
        (ELEVATIONS, [-1.7e308]),
        (SCENE, [1e7]),  # a rendering's firefly
        (np.zeros(10), [NO_DATA]),
        (np.linspace(0, 1e38, 10), []),  # alike for a network, but a little brighter is infinite
    ],
)
def test_samples_that_would_become_alike_or_infinite_are_refused(
    others: NDArray[np.float64], odd: list[float]
) -> None:
    with pytest.raises(DecodeError, match=r"^its samples reach from .* and try again$"):
        span_of(np.concatenate([others, odd]))


@pytest.mark.parametrize(
    "others, odd, span",
    [
        (ELEVATIONS / 900, [-9999], (-9999, 1)),
        (ELEVATIONS, [-32_768, 65_535], (-32_768, 65_535)),
        (SCENE, [1e5], (0, 1e5)),  # with the sun in it
        (SCENE * 50, [1e6], (0, 1e6)),
        (ELEVATIONS * 1e12, [], (0, 900e12)),
        (ELEVATIONS * 1e30, [], (0, 900e30)),
        (np.linspace(-1e9, 1e9, 1000), [], (-1e9, 1e9)),
        (np.full(1000, 1e-9), [1.0], (0, 1)),  # a black picture with one star
        (np.zeros(1000), [1e9], (0, 1e9)),
    ],
)
def test_wide_samples_that_stay_apart_pass(
    others: NDArray[np.float64], odd: list[float], span: tuple[float, float]
) -> None:
    assert span_of(np.concatenate([others, odd])) == pytest.approx(span)


def test_half_of_the_samples_have_sixty_four_steps_where_the_bound_is() -> None:
    samples, white = np.arange(64, 129, dtype=np.float32), float(1 << 25)  # one step is 2
    assert span_of(np.append(samples, white)) == (0, white)
    centered = samples / np.float32(white) - np.float32(0.5)  # as networks see them
    assert len(np.unique(centered)) >= 32
    with pytest.raises(DecodeError, match="below 128, would become alike"):
        span_of(np.append(samples, 2 * white))
