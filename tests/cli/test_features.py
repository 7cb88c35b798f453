"""Which network the memory of a run is counted for."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from nsr_cli.cli import features
from nsr_cli.cli.settings import Settings
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.weights.manifest import Manifest, load_manifest
from tests.tiny import tiny_config


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
    monkeypatch.setattr(features, "load_manifest", lambda: Manifest((entry,), tmp_path.as_uri()))
    chosen = Settings("upscale", scale=2.0, model="own")
    assert features._config(chosen, "upscale", 2).width == PRESETS["lite"].width, "it is not here yet"
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "own.safetensors").write_bytes(data)
    assert features._config(chosen, "upscale", 2) == config
