"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import pytest

from tests.command import (
    command,
    environment,
    fake_restorer,
    inside,
    level_model,
    nsr,
    nursery,
    paint,
    tiny_model,
    without_rights,
    write_tiny,
)
from tests.promises import MARKER, reached

__all__ = [
    "command",
    "environment",
    "fake_restorer",
    "inside",
    "level_model",
    "nsr",
    "nursery",
    "paint",
    "reached",
    "tiny_model",
    "without_rights",
    "write_tiny",
]


def pytest_configure(config: pytest.Config) -> None:
    """Let child processes be stopped: `&` and `nohup` have SIGINT and SIGHUP ignored, and children inherit that."""
    config.addinivalue_line("markers", MARKER)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with training and benchmark pictures beside the checkout (never part of it)."""
    root = Path(os.environ.get("NSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "eval" / "Set5").is_dir():
        pytest.skip(
            f"no benchmark pictures at {root}; set NSR_TEST_DATA to a folder that holds eval/ and train/"
        )
    return root
