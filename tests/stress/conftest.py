"""Fixtures of the stress tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nursery import Nursery
from tests.stress.running import Stage, environment
from tests.tiny import tiny_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small random weights that enlarge color pictures twice."""
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A process that has loaded everything and forks for every run."""
    with Nursery(environment(tmp_path_factory.mktemp("home"))) as started:
        yield started


@pytest.fixture
def crowd(stage: Stage, nursery: Nursery) -> Stage:
    """A stage for many runs."""
    stage.nursery = nursery
    return stage


@pytest.fixture
def stage(tmp_path: Path, weights: Path) -> Stage:
    return Stage(tmp_path, weights, environment(tmp_path / "home"))
