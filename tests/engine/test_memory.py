"""What a picture takes that goes through networks in one piece, and what is thought that it takes."""

import subprocess
import sys

import pytest

# Prints what pictures took, and what was foreseen. How many blocks a network has does not matter to memory.
_MEASURE = """
import dataclasses
from pathlib import Path
import numpy as np, torch
from nsr_cli.engine.device import give_back
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stages import Stage, Weights
from nsr_cli.imaging.picture import Picture
from nsr_cli.machine import one_heap
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.restore import Restorer

def held(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024

one_heap()
network = Network(dataclasses.replace(PRESETS["tiny"], blocks=1, scale=2)).fold().eval()
for precision, colors in (("fp32", 3), ("fp32", 1), ("bf16", 3)):
    runner = Runner(network, "cpu", precision, Limits(max_memory=1 << 40))
    restorer = Restorer("upscale", 2, [Stage(Weights("", ""), network.config, runner)])
    restorer(Picture(np.zeros((64, 64, colors), np.uint8)))
    pixels = np.random.default_rng(0).integers(0, 256, (960, 1000, colors), dtype=np.uint8)
    give_back()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the most that was ever held
    before = held("VmRSS")
    restorer(Picture(pixels))
    print(held("VmHWM") - before, restorer.float_bytes(pixels.shape))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_foreseen_for_one_piece_is_enough_and_not_far_too_much() -> None:
    done = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 3
    for line in done.stdout.splitlines():
        taken, foreseen = map(int, line.split())
        assert taken / 1.1 <= foreseen <= 1.25 * taken, done.stdout
