"""What a dry run says of memory, and what is then taken; and that neither process takes more and more."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nsr_cli.forecast.files import forecast
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from tests.cli.taken import measured, twice

MIB = 1 << 20

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As wide as the tiny network, and so of its memory, with one block: half the time."""
    torch.manual_seed(0)
    network = Network(dataclasses.replace(PRESETS["tiny"], blocks=1, scale=2)).fold().eval()
    path = tmp_path_factory.mktemp("weights") / "short.safetensors"
    path.write_bytes(save_network(network))
    return path


def photograph(width: int, height: int) -> Picture:
    """Smooth, with some noise: it packs like a photograph."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [127 + 100 * np.sin(y / (37 + c)) * np.cos(x / (53 + 7 * c)) for c in range(3)]
    pixels = np.stack(waves, axis=2).astype(np.uint8)
    return Picture(pixels + np.random.default_rng(0).integers(0, 12, pixels.shape, dtype=np.uint8))


def check_forecast(
    form: str, size: tuple[int, int], folder: Path, environment: dict[str, str], model: Path
) -> None:
    source, result = folder / f"in.{form.lower()}", folder / f"out.{form.lower()}"
    source.write_bytes(codec.encode(photograph(*size), form))
    settings = Settings("upscale", scale=2.0, model=str(model), device="cpu")
    foreseen = forecast(Job(source, result, form), settings)
    options = twice(model, "--format", form.lower(), "-o", result)
    taken = measured(folder, environment, "upscale", source, *options).own
    assert foreseen is not None
    assert 0.85 <= taken / foreseen.memory <= 1.15, (
        f"{form}: {foreseen.memory / 1e6:.0f} MB foreseen, {taken / 1e6:.0f} taken"
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_the_forecast_of_12_megapixels_is_true(
    form: str, environment: dict[str, str], short_model: Path, tmp_path: Path
) -> None:
    """Takes a minute on one core of a machine that does nothing else."""
    check_forecast(form, (4000, 3000), tmp_path, environment, short_model)


def test_the_forecast_of_2_megapixels_is_true(
    environment: dict[str, str], short_model: Path, tmp_path: Path
) -> None:
    check_forecast("PNG", (1600, 1250), tmp_path, environment, short_model)


def test_what_decodes_does_not_grow_with_the_number_of_pictures() -> None:
    pixels = photograph(1000, 1250).pixels
    files = [codec.encode(Picture(pixels[:height]), "TIFF") for height in (1250, 1000, 1250, 750)]
    with Decoder() as decoder:
        held = []
        for count in (5, 15):
            for data in files * count:
                decoder.first(data)
            (process,) = decoder._all
            lines = Path(f"/proc/{process._process.pid}/status").read_text().splitlines()
            held.append(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024)
    assert held[1] <= held[0] + 4 * MIB, [count // MIB for count in held]


def test_threads_share_one_heap() -> None:
    """Else what one of them has let go of is of no use to another."""
    code = """
import ctypes, threading
from pathlib import Path
from nsr_cli.machine import one_heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
found = []
one_heap()
thread = threading.Thread(target=lambda: found.append(libc.malloc(100_000)))
thread.start()
thread.join()
heap = next(line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
low, high = (int(end, 16) for end in heap.split()[0].split("-"))
print(low <= found[0] < high)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
