"""A decoding process that hangs while it starts: another one takes its place, or the picture fails."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nsr_cli.errors import NotReady
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox import launch, process
from nsr_cli.sandbox.decoder import Decoder

HANGS = "import time\ntime.sleep(1000)\n"
HANGS_LATER = """
import sys, time
sys.path[:] = {paths!r}
from nsr_cli.sandbox import worker
worker.importlib.import_module = lambda name: time.sleep(1000)
worker.main({descriptor!r}, {path!r})
"""
PNG = codec.encode(Picture(np.full((8, 12, 3), 90, np.uint8)), "PNG")
PNM = b"P5 3 2 255\n" + bytes(6)  # read without any library
SHORT, LONG = 0.5, 100.0  # seconds for a process to start: one that hangs, one that does not

Arrange = Callable[..., list[int]]


@pytest.fixture
def arrange(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Let the next processes run the given codes, and later ones the true one; returns the numbers of all."""
    true_start, true_code = launch.start, launch._CODE

    def plan(*codes: str) -> list[int]:
        waiting, numbers = list(codes), []

        def start(shared: Any) -> "subprocess.Popen[bytes]":
            code = waiting.pop(0) if waiting else true_code
            monkeypatch.setattr(launch, "_CODE", code)
            monkeypatch.setattr(process, "_STARTING", SHORT if code == HANGS else LONG)
            made = true_start(shared)
            numbers.append(made.pid)
            return made

        monkeypatch.setattr(launch, "start", start)
        return numbers

    return plan


def test_half_a_minute_is_all_that_a_start_may_take() -> None:
    assert 20 <= process._STARTING <= 30


def test_one_that_hangs_while_it_starts_is_replaced_and_nothing_is_said(arrange: Arrange) -> None:
    said: list[str] = []
    numbers = arrange(HANGS)
    with Decoder(notice=said.append) as decoder:
        assert decoder.pages(PNG)[0].width == 12
        assert [one._process.pid for one in decoder._all] == numbers[1:]
    assert len(numbers) == 2 and said == []


def test_two_hanging_processes_are_not_blamed_on_the_picture_and_keep_it_protected(arrange: Arrange) -> None:
    said: list[str] = []
    numbers = arrange(HANGS, HANGS)
    with Decoder(notice=said.append) as decoder:
        started = time.monotonic()
        with pytest.raises(NotReady, match=r"^its decoder was not ready within 0\.5 seconds; try again"):
            decoder.pages(PNG)
        assert time.monotonic() - started < 30
        assert decoder.pages(PNG)[0].width == 12
    assert len(numbers) == 3 and said == []


def test_one_that_hangs_while_it_loads_a_library_is_replaced(
    arrange: Arrange, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = arrange(HANGS_LATER)
    with Decoder() as decoder:
        assert decoder.pages(PNM)[0].width == 3
        monkeypatch.setattr(process, "_STARTING", SHORT)
        assert decoder.pages(PNG)[0].width == 12
    assert len(numbers) == 2


def test_a_library_that_never_loads_is_not_blamed_on_the_picture(
    arrange: Arrange, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = arrange(HANGS_LATER, HANGS_LATER)
    wait_ready = process.Process.wait_ready

    def ready(one: process.Process) -> None:
        wait_ready(one)
        monkeypatch.setattr(process, "_STARTING", SHORT)

    monkeypatch.setattr(process.Process, "wait_ready", ready)
    with Decoder() as decoder, pytest.raises(NotReady):
        decoder.pages(PNG)
    assert len(numbers) == 2
