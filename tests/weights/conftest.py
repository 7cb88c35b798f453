"""Made-up weights, and a server that has them."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsr_cli.weights.entry import WeightEntry
from tests.folder_server import FolderServer, serving

MakeEntry = Callable[..., WeightEntry]


@pytest.fixture
def make_entry() -> MakeEntry:
    """Return a function that makes an entry for a content; any field can be given."""

    def make(name: str = "upscale-x2", data: bytes = b"weights", **changes: object) -> WeightEntry:
        values: dict[str, object] = {
            "name": name,
            "task": "upscale",
            "scale": 2,
            "levels": None,
            "color": "rgb",
            "preset": "sparse-plus",
            "window": 48,
            "file": f"{name}.safetensors",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "urls": (),
            "bundled": False,
            "trained_on": "pictures",
            "scores": {"Set5": 38.02},
            "license": "MIT",
        }
        return WeightEntry(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[FolderServer]:
    """A server on this machine for the files in its `folder`."""
    with serving(tmp_path / "served") as running:
        yield running


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's cache, mirror, proxy or wish to stay offline."""
    for name in ("NSR_OFFLINE", "NSR_WEIGHTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
