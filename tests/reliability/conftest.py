"""Modules of this folder, and the command in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"nsr_tests_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # dataclasses look themselves up
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="session")
def mutants() -> ModuleType:
    return module(ROOT / "tests" / "reliability" / "mutants.py")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that enlarge color pictures twice."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    made = module(ROOT / "tests" / "tiny.py").tiny_weights(path)
    assert isinstance(made, Path)
    return made


@pytest.fixture
def nsr(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Run `nsr ARGS` in tmp_path and return its exit code and output."""

    def run(*args: Any) -> "subprocess.CompletedProcess[bytes]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NSR_")}
        home = {"XDG_CONFIG_HOME": str(tmp_path / ".config"), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
        return subprocess.run(
            [sys.executable, "-m", "nsr_cli", *map(str, args)],
            cwd=tmp_path,
            env={**kept, **home, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Put a figure beside the test's outcome, for reports."""

    def put(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))

    return put
