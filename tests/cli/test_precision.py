"""What `--json` says about the arithmetic, where numbers were too large for the precision that was asked for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from nsr_cli.batch.turns import Turn, Turns
from nsr_cli.engine.runner import Runner
from nsr_cli.forecast import memory
from nsr_cli.model.checkpoint import save_network
from tests.command import Inside
from tests.tiny import tiny_network, tiny_weights


@pytest.fixture
def overflowing(tmp_path: Path) -> Path:
    """Weights for ×2 with which all but middle gray is beyond fp16's 65504, and within fp32."""
    network = tiny_network()
    network.head.weight_v.mul_(6e4 / network.head.weight_v.abs().max())
    path = tmp_path / "large.safetensors"
    path.write_bytes(save_network(network))
    return path


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another picture began with the same restorer whenever one lets go of the device."""
    runners: list[Runner] = []
    made, take = Runner.__init__, Turns.take

    def keep(self: Runner, *args: Any) -> None:
        made(self, *args)
        runners.append(self)

    @contextmanager
    def take_and_begin(self: Turns, turn: Turn, cores: int, ignored: float = 0.0) -> Iterator[None]:
        with take(self, turn, cores, ignored):
            yield
        for runner in runners:
            runner.used.clear()

    monkeypatch.setattr(Runner, "__init__", keep)
    monkeypatch.setattr(Turns, "take", take_and_begin)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("bands", [False, True])
def test_json_says_the_precision_that_was_really_used(
    bands: bool,
    inside: Inside,
    overflowing: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if bands:
        monkeypatch.setattr(memory, "_WRITING", 0)
        monkeypatch.setattr(memory, "in_one_piece", lambda sizes: 1 << 40)
    gray = np.full((900, 80, 3), 0.5, np.float32)
    dark, half = np.zeros_like(gray), gray.copy()
    half[800:] = 0.0  # other rows of tiles than the gray ones
    for name, pixels in (("1-dark", dark), ("2-gray", gray), ("3-half", half)):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb", rowsperstrip=20, metadata=None)
    names = ("1-dark.tif", "2-gray.tif", "3-half.tif")
    options = ("-s", "2", "--model", overflowing, "--device", "cpu", "--precision", "fp16", "--json")
    assert inside("upscale", *names, *options, *(("--max-memory", "12M") if bands else ())) == 0
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    said = {Path(record["input"]).stem: record["precision"] for record in records}
    whole = {"1-dark": "fp32", "2-gray": "fp16", "3-half": "fp32"}
    assert said == (whole | {"3-half": "fp16+fp32"} if bands else whole)


def test_eval_says_the_precision_of_every_network(
    inside: Inside, overflowing: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of two overflows and is computed again; the figures of the other are of fp16."""
    (tmp_path / "own").mkdir()
    colors = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    tifffile.imwrite(tmp_path / "own" / "a.tif", colors, photometric="rgb")
    sound = tiny_weights(tmp_path / "sound.safetensors")
    options = ("--device", "cpu", "--precision", "fp16", "--json")
    models = ("--model", sound, "--model", overflowing)
    assert inside("eval", "--set", tmp_path / "own", "-s", "2", *models, *options) == 0
    assert json.loads(capfd.readouterr().out)["precision"] == "fp16+fp32"
