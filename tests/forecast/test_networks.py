"""The networks that are foretold are those that a run loads."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nsr_cli.engine.stages import load_stages
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.forecast.networks import networks_of
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.network import Network
from nsr_cli.planning.settings import Settings
from nsr_cli.weights.manifest import Manifest, load_manifest
from nsr_cli.weights.store import WeightStore
from tests.tiny import tiny_config


def loaded(settings: Settings, task: str, factor: float, color: str) -> list[Any]:
    """The configurations of the networks that a run loads."""

    def run(network: Network) -> Any:
        return SimpleNamespace(network=network)

    store = WeightStore(offline=True)
    stages = load_stages(task, factor, color, settings.model_for(task), store, run)
    return [stage.config for stage in stages]


@pytest.mark.parametrize(
    ("task", "factor", "color", "model"),
    [
        ("upscale", 2.0, "rgb", None),
        ("upscale", 4.0, "rgb", "upscale-x2"),  # twice
        ("upscale", 2.5, "rgb", "lite"),
        ("upscale", 8.0, "rgb", None),
        ("denoise", 1.0, "gray", None),
        ("denoise", 1.0, "rgb", "denoise-gray"),
        ("dejpeg", 1.0, "gray", "lite"),
        ("dejpeg", 1.0, "rgb", None),
    ],
)
def test_published_weights_are_those_that_are_loaded(
    task: str, factor: float, color: str, model: str | None
) -> None:
    settings = Settings(task, scale=factor, model=model)
    assert networks_of(settings, task, factor, color) == loaded(settings, task, factor, color)


def test_a_file_is_used_as_often_as_the_factor_needs_it(tiny_model: Path) -> None:
    settings = Settings("upscale", scale=8.0, model=str(tiny_model))
    assert networks_of(settings, "upscale", 8.0, "rgb") == loaded(settings, "upscale", 8.0, "rgb")
    assert len(networks_of(settings, "upscale", 8.0, "rgb")) == 3


def test_each_step_of_auto_has_its_own_model(level_model: Path) -> None:
    settings = Settings("auto", models=(("denoise", str(level_model)),))
    assert networks_of(settings, "denoise", 1.0, "gray") == [tiny_config(scale=1, levels=1)]
    assert networks_of(settings, "dejpeg", 1.0, "gray")[0].channels == 1


def test_a_network_that_is_no_preset_is_looked_up_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(tiny_config(), width=48)
    data = save_network(Network(config))
    known = load_manifest().find("upscale", 2)
    entry = dataclasses.replace(
        known, name="own", preset="custom", file="own.safetensors", bundled=False, bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    monkeypatch.setenv("NSR_CACHE", str(tmp_path))
    monkeypatch.setattr("nsr_cli.weights.store.load_manifest", lambda: Manifest((entry,), tmp_path.as_uri()))
    chosen = Settings("upscale", scale=2.0, model="own")
    with pytest.raises(WeightsError, match=r"own\.safetensors is not on this machine.*weights pull own"):
        networks_of(chosen, "upscale", 2.0, "rgb")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "own.safetensors").write_bytes(data)
    assert networks_of(chosen, "upscale", 2.0, "rgb") == [config]


def test_what_is_for_something_else_has_no_networks(
    tiny_model: Path, level_model: Path, write_tiny: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="is a network for upscaling, not for denoise"):
        networks_of(Settings("denoise", model=str(tiny_model)), "denoise", 1.0, "rgb")
    with pytest.raises(UsageError, match="cannot be composed of ×1"):
        networks_of(Settings("upscale", model=str(level_model)), "upscale", 2.0, "rgb")
