"""Made-up weights, and a server that has them."""

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nsr_cli.weights import WeightEntry

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


class Mirror(ThreadingHTTPServer):
    """Serves a folder and writes down the paths asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.folder = folder
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        """Keep the test output clean."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A server on this machine for the files in its `folder`."""
    folder = tmp_path / "served"
    folder.mkdir()
    with Mirror(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's cache, mirror, proxy or wish to stay offline."""
    for name in ("NSR_OFFLINE", "NSR_WEIGHTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
