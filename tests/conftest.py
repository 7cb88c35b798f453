"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Let child processes be interrupted: what a shell starts in the background has SIGINT ignored, for good."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with training and benchmark pictures beside the checkout (never part of it)."""
    root = Path(os.environ.get("NSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "eval" / "Set5").is_dir():
        pytest.skip(
            f"no benchmark pictures at {root}; set NSR_TEST_DATA to a folder that holds eval/ and train/"
        )
    return root
