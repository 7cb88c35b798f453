"""`nsr weights` over a manifest of two small files: one in the cache, one to be pulled from a mirror."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from nsr_cli.cli import weights
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.model.description import read_config
from nsr_cli.restore import Restorer
from nsr_cli.terminal.console import Console
from nsr_cli.weights import manifest as manifest_module
from nsr_cli.weights import store as store_module
from tests.tiny import tiny_weights

FILES = {"upscale-x2": b"two" * 400, "denoise-rgb": b"noise" * 300}


def described(name: str, content: bytes) -> dict[str, Any]:
    task = name.partition("-")[0]
    return {
        "name": name, "task": task, "scale": 2 if task == "upscale" else None,
        "levels": [0, 75] if task == "denoise" else None,
        "color": "rgb", "preset": "sparse-plus", "window": 48,
        "file": f"{name}.safetensors", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "urls": [], "bundled": False, "trained_on": "test", "scores": {}, "license": "MIT",
    }  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder of weights, with the upscaling network in it."""
    entries = [described(name, content) for name, content in FILES.items()]
    content = json.dumps({"schema": 1, "weights": entries}).encode()
    loaded = manifest_module.parse_manifest(content, tmp_path.as_uri())
    monkeypatch.setattr(store_module, "load_manifest", lambda: loaded)
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NSR_OFFLINE", raising=False)
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "upscale-x2.safetensors").write_bytes(FILES["upscale-x2"])
    return folder


def call(*arguments: str) -> Result:
    return CliRunner().invoke(weights.app, arguments, obj=Console())


def test_list_says_what_each_is_for_and_where_it_is(cache: Path) -> None:
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["name", "for", "preset", "size", "where"]
    assert lines[1].split("  ")[0] == "upscale-x2" and lines[1].endswith("cache") and "1.2 kB" in lines[1]
    assert "sigma 0 to 75" in lines[2] and lines[2].endswith("not published")


def test_list_as_json_holds_the_whole_entry_and_the_path(cache: Path) -> None:
    first, second = (json.loads(line) for line in call("list", "--json").stdout.splitlines())
    assert first["path"] == str(cache / "upscale-x2.safetensors") and first["scale"] == 2
    assert second["path"] is None and second["levels"] == [0, 75]


def test_path_prints_the_path_alone_or_says_how_to_get_the_file(cache: Path) -> None:
    assert call("path", "upscale-x2").stdout == f"{cache / 'upscale-x2.safetensors'}\n"
    absent = call("path", "denoise-rgb").exception
    assert isinstance(absent, WeightsError) and "weights pull denoise-rgb" in str(absent)
    unknown = call("path", "upscale-x2-bass").exception
    assert isinstance(unknown, UsageError) and "did you mean upscale-x2" in str(unknown)


def test_verify_finds_one_flipped_bit(cache: Path) -> None:
    assert [line.split()[:2] for line in call("verify").stdout.splitlines()] == [
        ["ok", "upscale-x2"],
        ["absent", "denoise-rgb"],
    ]
    file = cache / "upscale-x2.safetensors"
    content = bytearray(file.read_bytes())
    content[700] ^= 4
    file.write_bytes(content)
    broken = call("verify")
    assert broken.stdout.startswith("damaged  upscale-x2")
    assert isinstance(broken.exception, WeightsError)
    assert json.loads(call("verify", "upscale-x2", "--json").stdout)["state"] == "damaged"


def test_verify_of_a_named_file_that_is_absent_fails(cache: Path) -> None:
    assert isinstance(call("verify", "denoise-rgb").exception, WeightsError)
    assert call("verify").exit_code == 0


def test_pull_fetches_from_a_mirror_and_says_where_to(cache: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "denoise-rgb.safetensors").write_bytes(FILES["denoise-rgb"])
    done = call("pull", "--all", "--mirror", str(mirror))
    assert done.exit_code == 0, done.exception
    assert (cache / "denoise-rgb.safetensors").read_bytes() == FILES["denoise-rgb"]
    assert str(cache / "denoise-rgb.safetensors") in done.stderr and done.stdout == ""


def test_pull_wants_names_and_keeps_to_offline(cache: Path) -> None:
    nothing = call("pull").exception
    assert isinstance(nothing, UsageError) and "--all" in str(nothing)
    assert "not both" in str(call("pull", "denoise-rgb", "--all").exception)
    assert isinstance(call("pull", "denoise-rgb", "--offline").exception, WeightsError)


def test_prune_keeps_what_the_manifest_lists(cache: Path) -> None:
    (cache / "old-network.safetensors").write_bytes(b"old")
    done = call("prune")
    assert "old-network.safetensors" in done.stderr
    assert [path.name for path in cache.iterdir()] == ["upscale-x2.safetensors"]
    assert "nothing to remove" in call("prune").stderr


def test_import_replaces_nothing_unasked(tmp_path: Path) -> None:
    source = tmp_path / "net.pth"
    assert "there is no file" in str(call("import", str(source)).exception)
    source.write_bytes(b"x")
    source.with_suffix(".safetensors").write_bytes(b"mine")
    refused = call("import", str(source))
    assert isinstance(refused.exception, UsageError) and "--if-exists" in str(refused.exception)
    left = call("import", str(source), "--if-exists", "skip")
    assert left.exit_code == 0 and "skipped" in left.stderr
    assert source.with_suffix(".safetensors").read_bytes() == b"mine"


def test_import_never_replaces_what_it_reads(tmp_path: Path) -> None:
    source = tmp_path / "net.safetensors"  # as its result would be called
    source.write_bytes(b"x")
    refused = call("import", str(source), "--if-exists", "overwrite")
    assert isinstance(refused.exception, UsageError) and "the input itself" in str(refused.exception)
    assert source.read_bytes() == b"x"


def test_import_replaces_a_file_when_asked(tmp_path: Path) -> None:
    source, target = tmp_path / "net.pth", tmp_path / "net.safetensors"
    torch.save(authors_checkpoint(), source)
    target.write_bytes(b"before")
    assert call("import", str(source), "--if-exists", "overwrite").exit_code == 0
    assert target.read_bytes() != b"before"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<html>", bytes(range(16, 116)), b"PK\x03\x04 cut off", b"\x80\x02K\x01."]
)
def test_import_says_in_words_why_a_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    said = str(call("import", str(tmp_path / "net.pth")).exception)
    assert re.search(r"not a PyTorch checkpoint: [A-Za-z]+ [a-z]+ .{,80}; get the file again$", said), said


def authors_checkpoint() -> dict[str, Any]:
    """One block of 4 channels, k = 2, d = 2, ×2, in the layout of the authors' files."""
    generator = torch.Generator().manual_seed(3)

    def convolution(name: str, rows: int, inputs: int, side: int) -> dict[str, torch.Tensor]:
        shapes = {"weight_g": (rows, 1, 1, 1), "weight_v": (rows, inputs, side, side), "bias": (rows,)}
        return {f"{name}.{part}": torch.rand(shape, generator=generator) for part, shape in shapes.items()}

    state = convolution("body.0", 4, 3, 3) | convolution("body.2", 12, 4, 3) | convolution("skip.0", 12, 3, 5)
    for i in (0, 2):
        state |= convolution(f"body.1.body.{i}", 8, 4, 3)
        state[f"body.1.body.{i}.mlp.0.weight"] = torch.rand((4, 4), generator=generator)
        state[f"body.1.body.{i}.mlp.0.bias"] = torch.rand((4,), generator=generator)
    return {"model_state_dict": {f"module.{name}": value for name, value in state.items()}}


def test_import_writes_a_file_that_restores_pictures(tmp_path: Path) -> None:
    source, target = tmp_path / "net.pth", tmp_path / "net.safetensors"
    torch.save(authors_checkpoint(), source)
    done = call("import", str(source))
    assert done.exit_code == 0, done.exception
    assert str(target) in done.stderr
    config = read_config(target.read_bytes())
    assert (config.scale, config.blocks, config.groups, config.cardinality) == (2, 1, 2, 2)
    small = np.full((5, 6, 3), 0.5, np.float32)
    assert Restorer.load("upscale", scale=2, model=str(target), device="cpu").run(small).shape == (10, 12, 3)


@pytest.mark.parametrize("target", [(), ("-o", "b.safetensors")])
def test_import_of_what_is_safetensors_already_says_how_it_is_used(
    tmp_path: Path, target: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_weights(tmp_path / "a.safetensors")
    refused = call("import", "a.safetensors", *target)
    assert isinstance(refused.exception, UsageError)
    assert "is safetensors already: use it with --model a.safetensors" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_import_does_not_advise_to_use_what_the_model_option_refuses(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"body.0.weight": torch.zeros(2, 2)}, foreign)
    refused = call("import", str(foreign))
    assert isinstance(refused.exception, WeightsError)
    assert "not a weights file of nsr" in str(refused.exception)
    assert "--model" not in str(refused.exception)


@pytest.mark.parametrize(
    "state",
    [
        {"conv.weight": torch.zeros(3)},
        {"body.0.weight_v": torch.zeros(4, 3, 3, 3), "body.1.body.2.weight_v": torch.zeros(3)},
        authors_checkpoint()["model_state_dict"] | {"module.body.1.body.4.bias": torch.zeros(3)},
        authors_checkpoint()["model_state_dict"] | {"module.body.0.bias": torch.zeros(9)},
    ],
)
def test_import_says_in_words_that_a_network_is_another_one(tmp_path: Path, state: dict[str, Any]) -> None:
    torch.save(state, tmp_path / "odd.pth")
    refused = call("import", str(tmp_path / "odd.pth"))
    assert isinstance(refused.exception, WeightsError)
    assert str(refused.exception).endswith(
        "odd.pth: not a network of the paper's authors: its tensors have other names or shapes; others cannot be "
        "imported"
    )


def test_import_of_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "was-here"),)

    source = tmp_path / "net.pth"
    torch.save({"model_state_dict": Harmful()}, source)
    refused = call("import", str(source))
    assert isinstance(refused.exception, WeightsError)
    assert not (tmp_path / "was-here").exists() and not source.with_suffix(".safetensors").exists()
