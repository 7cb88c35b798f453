"""Pictures of benchmark sets are known by their content."""

import hashlib
from pathlib import Path
from typing import Literal

from nsr_cli.datasets.benchmarks import benchmark_pictures
from nsr_cli.datasets.registry import PictureSet, Registry, RemoteFile


def set_of(name: str, kind: Literal["benchmark", "training"], *contents: bytes) -> PictureSet:
    files = tuple(
        RemoteFile("a.png", "", "", len(content), hashlib.sha256(content).hexdigest()) for content in contents
    )
    return PictureSet(name, kind, "rgb", len(files), files)


def test_files_are_known_by_their_content_whatever_they_are_called(tmp_path: Path) -> None:
    tests = set_of("Test", "benchmark", b"one", b"two"), set_of("Other", "benchmark", b"two")
    registry = Registry((*tests, set_of("Own", "training", b"six")))
    contents = {"x.png": b"one", "y.png": b"two", "a.png": b"ten", "z.png": b"six", "long.png": b"one more"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = [*(tmp_path / name for name in contents), tmp_path / "gone.png"]
    assert benchmark_pictures(files, registry) == {"Test": 2}
