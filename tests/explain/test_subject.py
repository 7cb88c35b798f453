"""Which network is explained, and what it is shown of a picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsr_cli.engine import trace as tracing
from nsr_cli.engine.runner import Runner
from nsr_cli.errors import UsageError
from nsr_cli.explain import subject
from nsr_cli.imaging.color import White
from nsr_cli.imaging.picture import Picture
from nsr_cli.restore import Restorer
from nsr_cli.weights.store import WeightStore
from tests.tiny import PLAIN, tiny_weights


def picture(channels: int = 3, height: int = 50, width: int = 60) -> Picture:
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8))


@pytest.mark.parametrize("channels, network_channels", [(1, 3), (3, 1), (3, 3), (1, 1)])
@pytest.mark.parametrize("task", ["upscale", "denoise", "dejpeg"])
def test_the_network_is_shown_and_told_what_restoring_shows_and_tells_it(
    task: str, channels: int, network_channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"scale": 2} if task == "upscale" else {"scale": 1, "levels": 1}
    path = str(tiny_weights(tmp_path / "own.safetensors", channels=network_channels, **kind))
    alpha = np.ones((50, 60), np.float32)
    alpha[:, 30:] = 0
    pixels = (picture(channels).pixels / 255).astype(np.float32)
    pixels[20, 10] = 50  # a lamp, of which networks see no more than they know
    whole = Picture(pixels, alpha)
    levels: dict[str, Any] = {"denoise": {"sigma": 20}, "dejpeg": {"quality": 40}}.get(task, {})
    shown, restored = [], []
    true_trace, true_run = tracing.trace, Runner.run

    def trace(network: Any, array: Any, level: float | None, *more: Any) -> Any:
        shown.append((array.transpose(2, 0, 1), level))
        return true_trace(network, array, level, *more)

    def run(self: Runner, x: Any, level: Any, *more: Any) -> Any:
        restored.append((x.numpy().copy(), None if level is None else level.item()))
        return true_run(self, x, level, *more)

    monkeypatch.setattr(subject, "trace", trace)
    monkeypatch.setattr(Runner, "run", run)
    loaded = subject.load(task, WeightStore(), model=path)
    subject.observe(loaded, whole, device="cpu", **levels)
    Restorer.load(task, scale=2 if task == "upscale" else None, model=path, device="cpu")(whole, **levels)
    [(seen, told)], (first, level) = shown, restored[0]
    assert np.array_equal(seen, first)
    assert told == (None if level is None else pytest.approx(level, rel=1e-6))
    assert len(restored) == (3 if loaded.runs_by_channel(whole) else 1)


@pytest.mark.parametrize("changes", [{}, {"cardinality": 0}, {"cardinality": 2, "shared": True}])
def test_the_groups_of_each_layer_are_those_that_a_run_shows(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tiny_weights(tmp_path / "own.safetensors", **changes)
    loaded = subject.load("upscale", WeightStore(), model=str(path))
    seen = subject.observe(loaded, picture(), device="cpu").selections
    assert loaded.cardinal_groups == [one.gamma.shape[1] for one in seen]


def test_networks_that_choose_nothing_or_do_something_else_are_refused(tmp_path: Path) -> None:
    plain = tiny_weights(tmp_path / "plain.safetensors", **PLAIN)
    # Squeeze-and-Excitation scales the kernels of each window, and has one group of them.
    scaled = tiny_weights(tmp_path / "se.safetensors", selection="sigmoid", groups=1, cardinality=0)
    for weights in (plain, scaled):
        with pytest.raises(UsageError, match="no groups of kernels to choose among"):
            subject.load("upscale", WeightStore(), model=str(weights))
    with pytest.raises(UsageError, match="network for upscaling by 2, not for denoise"):
        subject.load("denoise", WeightStore(), model=str(plain))


def test_eight_bits_in_sixteen_are_shown_to_the_network_as_eight(tmp_path: Path) -> None:
    loaded = subject.load("upscale", WeightStore(), model=str(tiny_weights(tmp_path / "own.safetensors")))
    eight = picture()
    stored = Picture(eight.pixels.astype(np.uint16), white=White(255, 255))
    seen = []

    def trace(network: Any, array: Any, *more: Any) -> None:
        seen.append(array)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "trace", trace)
        for page in (eight, stored):
            subject.observe(loaded, page)
    assert np.array_equal(*seen)
