"""The real command in a process of its own, pictures to feed it, and a restorer that needs no network."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.engine.options import RestoreOptions
from nsr_cli.imaging.picture import Picture
from tests.nursery import Nursery

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "nsr_cli" / "sample" / "sample.png"
"""The project's own picture, which has every kind of detail and no noise."""
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
"""The type of the fixture `nsr`."""
Inside = Callable[..., int]
"""The type of the fixture `inside`."""
Paint = Callable[..., Path]
"""The type of the fixture `paint`."""


def clean_environment(home: Path) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSR_", "_NSR"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    cleared = {"NO_COLOR", "FORCE_COLOR", "TYPER_USE_RICH"}
    kept = {name: value for name, value in kept.items() if name not in cleared}
    return {
        **kept,
        "PYTHONPATH": path,
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return clean_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-m", "nsr_cli"]


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A process that has loaded everything and forks for every run."""
    with Nursery(clean_environment(tmp_path_factory.mktemp("home"))) as started:
        yield started


@pytest.fixture
def nsr(nursery: Nursery, environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `nsr ARGS` in tmp_path, in a process that need not load torch, and return its exit code and output."""

    def run(
        *args: str | bytes | Path, stdin: bytes | None = None, **env: str
    ) -> "subprocess.CompletedProcess[bytes]":
        given = [os.fsdecode(arg) for arg in args]
        return nursery.run(given, tmp_path, {**environment, **env}, stdin)

    return run


@pytest.fixture
def inside(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Run `nsr ARGS` in tmp_path within this process, where torch is loaded once; return its exit code."""
    from nsr_cli.cli.app import _guarded
    from nsr_cli.terminal.console import Console

    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, environment[name])
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)

    def run(*args: str | bytes | Path) -> int:
        return _guarded([os.fsdecode(arg) for arg in args], Console())

    return run


@pytest.fixture
def paint() -> Paint:
    """Write a small picture with some structure, in whatever format the name says."""

    def save(path: Path, width: int = 12, height: int = 8, mode: str = "RGB", **options: Any) -> Path:
        y, x = np.mgrid[:height, :width]
        color = np.stack([x * 255 // width, y * 255 // height, (x + y) % 2 * 200], axis=-1).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(color).convert(mode).save(path, **options)
        return path

    return save


@pytest.fixture(scope="session")
def write_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write small random weights; the options are those of tests/tiny.py."""
    spec = importlib.util.spec_from_file_location("nsr_tests_tiny", ROOT / "tests" / "tiny.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def write(name: str, **options: int) -> Path:
        path = module.tiny_weights(tmp_path_factory.mktemp("weights") / name, **options)
        assert isinstance(path, Path)
        return path

    return write


@pytest.fixture(scope="session")
def tiny_model(write_tiny: Callable[..., Path]) -> Path:
    """Weights that enlarge color pictures twice."""
    return write_tiny("tiny.safetensors", scale=2, channels=3)


@pytest.fixture(scope="session")
def level_model(write_tiny: Callable[..., Path]) -> Path:
    """Weights for denoise and dejpeg that want to know the level."""
    return write_tiny("level.safetensors", scale=1, channels=3, levels=1)


@dataclass
class FakeRestorer:
    """Repeats pixels; what it was asked for stands in `calls`."""

    scale: float = 1.0
    calls: list[RestoreOptions] = field(default_factory=list)
    entries: tuple[Any, ...] = (SimpleNamespace(name="fake", sha256="ab" * 32),)
    device: str = "cpu"
    precision: str = "fp32"
    taken: tuple[()] = ()
    fail: BaseException | None = None
    told: dict[str, Any] = field(default_factory=dict)
    """What `bands` was told last, besides the options."""
    small: bool = False
    """Whether every picture is a small one."""

    def on_one_core(self, picture: Picture, side_by_side: int) -> "FakeRestorer | None":  # noqa: ARG002
        return self if self.small else None

    def restore(self, picture: Picture, options: RestoreOptions, *, progress: Any = None) -> Picture:
        self.calls.append(options)
        if self.fail is not None:
            raise self.fail
        width, height = options.size or (
            round(picture.width * self.scale),
            round(picture.height * self.scale),
        )
        if progress is not None:
            progress(1, 1)
        rows = np.arange(height) * picture.height // height
        columns = np.arange(width) * picture.width // width
        alpha = None if picture.alpha is None else picture.alpha[rows][:, columns]
        return picture.with_pixels(picture.pixels[rows][:, columns], alpha)

    def bands(self, source: Any, dtype: Any, options: RestoreOptions, *, progress: Any, **more: Any) -> Any:
        from nsr_cli.engine.bands import picture_bands
        from nsr_cli.imaging.color import from_unit

        self.told = {"dtype": dtype, **more}
        whole = Picture(source.tap().unit(0, source.shape.height))
        made = self.restore(whole, options, progress=progress)
        return picture_bands(from_unit(made.pixels, dtype, source.white), source.white)


@pytest.fixture
def fake_restorer() -> type[FakeRestorer]:
    return FakeRestorer


@pytest.fixture
def without_rights() -> list[str]:
    """What runs a command with no more rights than its user's permissions give, also for root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv to give up what root may do")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
