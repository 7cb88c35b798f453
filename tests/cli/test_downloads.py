"""Weights that a restoring command has to download first."""

import hashlib
from pathlib import Path

import pytest

from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.manifest import Manifest
from tests.command import Inside, Paint


@pytest.fixture
def mirror(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the weights `tiny` of the manifest, which are not on this machine."""
    data = tiny_model.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    entry = WeightEntry(
        "tiny", "upscale", 2, None, "rgb", "tiny", 48, "tiny.safetensors", len(data),
        digest, (), False, "test", {}, "MIT",
    )  # fmt: skip
    manifest = Manifest((entry,), tmp_path.as_uri())
    for module in ("manifest", "store"):
        monkeypatch.setattr(f"nsr_cli.weights.{module}.load_manifest", lambda: manifest)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "tiny.safetensors").write_bytes(data)
    return tmp_path / "mirror"


def test_it_is_said_once_and_the_picture_is_made(
    inside: Inside, paint: Paint, mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"))
    options = ("a.png", "-s", "2", "--model", "tiny", "--mirror", mirror, "--if-exists", "overwrite")
    assert inside("upscale", *options) == 0
    said = capsys.readouterr().err
    assert said.count("downloading tiny (") == 1 and "a.png -> a_x2.png" in said
    assert inside("upscale", *options) == 0
    assert "downloading" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_names_the_setting(
    inside: Inside,
    paint: Paint,
    mirror: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paint(Path("a.png"))
    Path("taken").touch()
    monkeypatch.setenv("NSR_CACHE", str(Path("taken").absolute()))
    assert inside("upscale", "a.png", "-s", "2", "--model", "tiny", "--mirror", mirror) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nsr: ")]
    assert len(errors) == 1 and errors[0].endswith("or set NSR_CACHE to another folder for downloads")
