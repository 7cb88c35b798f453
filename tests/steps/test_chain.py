"""A chain of stand-ins: what each step is told, and what is left out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nsr_cli.engine.bands import collect, picture_bands
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.imaging.color import White
from nsr_cli.imaging.findings.inspect import Findings
from nsr_cli.imaging.jpeg.tables import JpegTables
from nsr_cli.imaging.picture import Picture
from nsr_cli.steps.chain import Chain
from nsr_cli.steps.remedy import Step, remedies
from nsr_cli.steps.restorers import Link

WHITE = White(255, 255)
CHAIN = (Step("dejpeg", quality=40), Step("denoise", sigma=20), Step("upscale"))


def noisy(sigma: float) -> Picture:
    y, x = np.mgrid[:96, :128]
    pixels = (64 + x + y * 0.5)[..., None] + np.random.default_rng(0).normal(0, sigma, (96, 128, 3))
    return Picture(pixels.clip(0, 255).round().astype(np.uint8))


@pytest.fixture
def chain(fake_restorer: type[Any]) -> Callable[..., tuple[Chain, list[Any]]]:
    def make(*steps: Step, sample: Callable[[], Any] | None = None) -> tuple[Chain, list[Any]]:
        fakes = [fake_restorer(scale=2.0 if step.task == "upscale" else 1.0) for step in steps]
        return Chain([Link(step, fake) for step, fake in zip(steps, fakes, strict=True)], sample), fakes

    return make


def test_each_step_gets_its_own_level_and_the_last_the_size(chain: Any) -> None:
    made, fakes = chain(*CHAIN)
    parts: list[tuple[int, int]] = []
    options = RestoreOptions(sigma=99, strength=0.5, tta=True, size=(300, 200))
    result = made.restore(noisy(30), options, progress=lambda *now: parts.append(now))
    first, second, third = (fake.calls[0] for fake in fakes)
    assert first == RestoreOptions(quality=40, tta=True)
    assert second == RestoreOptions(sigma=20, tta=True)
    assert third == RestoreOptions(tta=True, size=(300, 200))
    assert (result.width, result.height, result.bits) == (300, 200, 8)
    assert parts == [(1, 3), (2, 3), (3, 3)]
    assert [link.step.task for link in made.taken] == ["dejpeg", "denoise", "upscale"]


def test_the_precisions_of_all_steps_taken_are_said(chain: Any) -> None:
    made, fakes = chain(*CHAIN)
    fakes[1].precision, fakes[2].precision = "bf16", "fp16+fp32"
    assert made.precision == "bf16+fp16+fp32"
    made.restore(noisy(0), RestoreOptions())  # without the second step
    assert made.precision == "fp16+fp32"


def test_noise_that_went_with_the_artifacts_is_not_taken_away_twice(chain: Any) -> None:
    made, fakes = chain(*CHAIN)
    made.restore(noisy(0), RestoreOptions())  # what dejpeg gives back has no noise left
    assert fakes[1].calls == []
    assert [link.step.task for link in made.taken] == ["dejpeg", "upscale"]
    made, fakes = chain(*CHAIN)
    made.restore(noisy(10), RestoreOptions())
    assert fakes[1].calls[0].sigma == pytest.approx(10, rel=0.1)
    assert made.taken[1].step.sigma == fakes[1].calls[0].sigma


def test_in_bands_steps_are_decided_by_a_sample(chain: Any) -> None:
    """The first step sees the sample, so that the noise that it leaves is known before any row is made."""
    made, fakes = chain(*CHAIN, sample=lambda: noisy(10).pixels)
    parts: list[tuple[int, int]] = []
    bands = made.bands(
        picture_bands(noisy(30).pixels, WHITE),
        np.uint8,
        RestoreOptions(size=(300, 200)),
        memory=3000,
        clipped=True,
        progress=lambda *now: parts.append(now),
    )
    assert [link.step.task for link in made.taken] == ["dejpeg", "denoise", "upscale"]
    assert made.taken[1].step.sigma == pytest.approx(10, rel=0.1)
    assert fakes[0].calls == [RestoreOptions(quality=40)] * 2, "once for the sample"
    assert fakes[2].calls == [RestoreOptions(size=(300, 200))]
    assert [fake.told for fake in fakes] == [
        {"dtype": np.float32, "memory": 1000, "clipped": False},
        {"dtype": np.float32, "memory": 1000, "clipped": False},
        {"dtype": np.uint8, "memory": 1000, "clipped": True},
    ]
    assert bands.white == WHITE
    assert collect(bands, np.uint8).shape == (200, 300, 3)
    assert parts == [(1000, 3000), (2000, 3000), (3000, 3000)]


def test_in_bands_strength_blends_with_the_beginning(chain: Any) -> None:
    made, fakes = chain(Step("dejpeg", quality=40))
    source = picture_bands(noisy(0).pixels)
    more = {"memory": 1, "clipped": True, "progress": None}
    bands = made.bands(source, np.uint8, RestoreOptions(strength=0.5), **more)
    assert fakes[0].told["dtype"] == np.float32, "what is blended is not rounded yet"
    assert np.array_equal(collect(bands, np.uint8), noisy(0).pixels)


def findings(quality: int | None = None, noise: float = 0.0, over: float = 50.0) -> Findings:
    jpeg = JpegTables(quality, True, "4:2:0") if quality else None
    return Findings(jpeg, None, (noise, noise / 2), None, over)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (findings(), ()),
        (findings(95, 2.9), ()),
        (findings(40), (Step("dejpeg", quality=40),)),
        (findings(95, 12), (Step("denoise", sigma=12),)),
        (findings(89, 12), (Step("dejpeg", quality=89), Step("denoise", sigma=12))),
        (findings(None, 90), (Step("denoise", sigma=75),)),
        (findings(None, 50, over=1.3), ()),
    ],
)
def test_only_what_is_sure_and_matters_is_repaired(found: Findings, expected: tuple[Step, ...]) -> None:
    assert remedies(found) == expected
