"""Forecasts of memory; `tests/cli/test_memory.py` holds them against what the command takes."""

import dataclasses

import pytest
import torch

from nsr_cli.engine.executor import most_stacked
from nsr_cli.machine import usable_threads
from nsr_cli.model.config import PRESETS
from nsr_cli.model.footprint import bytes_at_work


@pytest.mark.parametrize("name", ["tiny", "lite", "restore-deep", "sparse-plus"])
def test_what_is_at_work_are_the_windows_that_the_engine_joins(name: str) -> None:
    config = dataclasses.replace(PRESETS[name], channels=1)
    inner, cores = config.inner, usable_threads()
    stacked = most_stacked(10_000 * cores, inner.width * (1 + inner.expansion) // 2, torch.bfloat16)
    place = 4 * (inner.width * (1 + inner.expansion) + 3 * inner.scale**2 * inner.channels)
    assert bytes_at_work(config, 1e12, cores) == cores * stacked * inner.window**2 * place


def test_of_a_small_picture_only_a_part_is_at_work() -> None:
    config = PRESETS["tiny"]
    assert bytes_at_work(config, 4e4, 4) == bytes_at_work(config, 1e4, 4) * 4
    assert bytes_at_work(config, 1e4, 1) == bytes_at_work(config, 1e4, 8)
