"""Which float samples are black and white, whatever a few others are; and which samples are too far apart."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import floats

NO_DATA = float(np.finfo(np.float32).min)  # of GDAL
ELEVATIONS = np.linspace(20, 900, 1000)
UNIT = np.linspace(0, 1, 10_000)
SCENE = np.geomspace(0.01, 10, 1000)  # of a rendering, from shadows to a lamp


def span_of(samples: NDArray[Any]) -> tuple[float, float]:
    """What a decoder does with samples."""
    return floats.checked_span(floats.Tally.of(samples[:7]) + floats.Tally.of(samples[7:]))[0]


def with_few(samples: NDArray[Any], odd: float, hundredths: float) -> NDArray[Any]:
    """Samples among which so many of a hundred are odd."""
    return np.append(samples, np.full(round(len(samples) * hundredths / (100 - hundredths)), odd))


@pytest.mark.parametrize(
    "samples, white",
    [
        (UNIT, 1),
        (UNIT * 1.9, 1),
        (with_few(UNIT, 2.1, 0.1), 1),
        (with_few(UNIT, 50, 4.9), 1),  # a rendering with lamps
        (with_few(UNIT * 4, 50, 0.9), 16),  # exposed for another unit
        (UNIT * 23, 16),
        (UNIT * 200, 255),
        (with_few(UNIT * 255, 271, 10), 255),  # denoised before: networks overshoot
        (with_few(UNIT * 255, 4000, 0.9), 255),
        (with_few(UNIT * 255, 4000, 1.1), 4095),
        (UNIT * 1023, 1023),
        (UNIT * 4095, 4095),
        (UNIT * 16_383, 16_383),
        (UNIT * 65_535, 65_535),
        (UNIT * 1e6, 1e6),
        (with_few(UNIT * 2**30, 2.0**40, 0.5), 2**30),
    ],
)
def test_white_is_that_of_nearly_all_samples(samples: NDArray[np.float64], white: float) -> None:
    assert span_of(samples) == pytest.approx((0, white))


@pytest.mark.parametrize(
    "samples, black",
    [
        (with_few(UNIT * 255, -9999, 0.9), 0),
        (with_few(UNIT * 255, -9999, 1.1), -9999),
        (UNIT * 2 - 1, -1),  # as some programs prepare pictures for networks
        (with_few(UNIT * 2 - 1, -64.0, 0.4), -1),
    ],
)
def test_black_is_that_of_nearly_all_samples(samples: NDArray[np.float64], black: float) -> None:
    assert span_of(samples)[0] == pytest.approx(black, rel=0.01)


def test_noise_moves_neither_black_nor_white() -> None:
    """Else the noise level, which is counted between them, would mean another one."""
    clean = np.random.default_rng(1).random(20_000)
    noise = np.random.default_rng(2).normal(0, 75 / 255, 20_000)
    assert span_of(clean + noise) == (0, 1)
    assert span_of((clean + noise) * 255) == (0, 255)


@pytest.mark.parametrize(
    "samples, said",
    [
        (
            with_few(UNIT, 50, 1),
            "its white is taken to be 1; 101 samples lie far beyond, where networks change nothing",
        ),
        (
            np.append(UNIT, -2.5),
            "its white is taken to be 1; 1 sample lies far beyond, where networks change nothing",
        ),
        (np.append(UNIT * 255, 800), "its white is taken to be 255; 1 sample lies far beyond"),
        (np.append(UNIT * 255, 700), None),
        (np.append(UNIT, [2.9, -1.9]), None),
    ],
)
def test_samples_that_networks_pass_by_are_counted(samples: NDArray[np.float64], said: str | None) -> None:
    tally = floats.Tally.of(samples)
    found = floats.remarks(floats.float_span(tally), tally)
    assert (found[0].startswith(said) and len(found) == 1) if said else found == ()


def test_parts_add_up_to_the_whole() -> None:
    samples = np.random.default_rng(3).normal(0, 300, (50, 40, 3)).astype(np.float32)
    samples[0] = 0
    parts = floats.Tally.of(samples[:7]) + floats.Tally.of(samples[7:])
    whole = floats.Tally.of(samples)
    assert (parts.low, parts.high, parts.zeros) == (whole.low, whole.high, whole.zeros) and whole.zeros == 120
    assert np.array_equal(parts.above, whole.above) and np.array_equal(parts.below, whole.below)
    assert whole.total == samples.size


@pytest.mark.parametrize(
    "others, odd",
    [
        (ELEVATIONS, [NO_DATA]),
        (ELEVATIONS, [NO_DATA] * 5000),  # most of a picture may be without data
        (ELEVATIONS, [-NO_DATA]),
        (ELEVATIONS, [-3e38, 3e38]),
        (ELEVATIONS, [1e20] * 20),
        (ELEVATIONS, [-1e9] * 20),
        (ELEVATIONS, [-1e9] * 20 + [-1e12]),
        (ELEVATIONS, [-1.7e308]),
        (SCENE, [1e9] * 100),
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
        (ELEVATIONS, [-9999], (0, 1023)),  # goes around the network
        (ELEVATIONS, [-32_768] * 20, (-32_768, 1023)),
        (ELEVATIONS, [1e20, -1e20], (0, 1023)),
        (SCENE, [1e7], (0, 16)),  # a rendering's firefly
        (SCENE * 50, [1e6], (0, 1023)),
        (ELEVATIONS * 1e12, [], (0, 900e12)),
        (ELEVATIONS * 1e30, [], (0, 900e30)),
        (np.linspace(-1e9, 1e9, 1000), [], (-1e9, 1e9)),
        (np.full(1000, 1e-9), [1.0], (0, 1)),  # a black picture with one star
        (np.zeros(1000), [1e9], (0, 1)),
        (np.zeros(10), [1e9], (0, 1e9)),
    ],
)
def test_wide_samples_that_stay_apart_pass(
    others: NDArray[np.float64], odd: list[float], span: tuple[float, float]
) -> None:
    assert span_of(np.concatenate([others, odd])) == pytest.approx(span)


def test_half_of_the_samples_have_sixty_four_steps_where_the_bound_is() -> None:
    samples, white = np.arange(64, 129, dtype=np.float32), float(1 << 25)  # one step is 2
    assert span_of(np.append(samples, [white] * 6)) == (0, white)
    centered = samples / np.float32(white) - np.float32(0.5)  # as networks see them
    assert len(np.unique(centered)) >= 32
    with pytest.raises(DecodeError, match="below 128, would become alike"):
        span_of(np.append(samples, [2 * white] * 6))
