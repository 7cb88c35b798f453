"""Really large TIFF files by the real command, in a process of its own whose greatest memory is read afterwards."""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nsr_cli.forecast.files import forecast
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff import read as tiffread
from nsr_cli.imaging.tiff.parts import open_pages
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings
from nsr_cli.restore import Restorer
from nsr_cli.weights.manifest import Manifest
from nsr_cli.weights.store import WeightStore
from tests.cli.taken import measured, twice

MIB = 1 << 20
ROWS = 250  # of a strip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]


def make(path: Path, width: int, height: int) -> Path:
    """A smooth picture with some noise, in packed strips; never in memory as a whole."""
    random, x = np.random.default_rng(0), np.arange(width)

    def strips() -> Iterator[bytes]:
        for top in range(0, height, ROWS):
            y = np.arange(top, min(top + ROWS, height))[:, np.newaxis]
            waves = [127 + 100 * np.sin(y / (37 + c)) * np.cos(x / (53 + 7 * c)) for c in range(3)]
            rows = np.stack(waves, axis=2).astype(np.uint8)
            yield zlib.compress((rows + random.integers(0, 12, rows.shape, dtype=np.uint8)).tobytes(), 1)

    shape = (height, width, 3)
    tifffile.imwrite(
        path, strips(), shape=shape, dtype=np.uint8, photometric="rgb", rowsperstrip=ROWS, compression="zlib"
    )
    return path


def rows(path: Path, top: int, bottom: int) -> np.ndarray:
    """Some rows of a TIFF file."""
    with FileBytes(path) as file:
        [parts] = open_pages(file, 1 << 40)
        first, last = parts.whole(top, bottom)
        return tiffread.decode(parts.cut(first, last), 1 << 40).pixels[top - first : bottom - first]


def test_100_megapixels_become_400_in_a_gigabyte(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """Takes four minutes on one core of a machine that does nothing else."""
    source = make(tmp_path / "large.tif", 10_000, 10_000)
    options = twice(tiny_model, "--max-memory", "1G")
    taken = measured(tmp_path, environment, "upscale", source, *options).own
    assert taken <= 1.1e9, f"{taken / 1e6:.0f} MB"
    foreseen = forecast(
        Job(source, tmp_path / "a.tif", None), Settings("upscale", scale=2.0, max_memory=10**9)
    )
    assert foreseen is not None
    assert 1 / 1.3 <= taken / foreseen.memory <= 1.3, (
        f"{foreseen.memory / 1e6:.0f} MB foreseen, {taken / 1e6:.0f} taken"
    )
    store = WeightStore(Manifest((), "file:///nowhere"), cache=tmp_path, offline=True)
    restorer = Restorer.load(
        "upscale", scale=2, model=str(tiny_model), device="cpu", precision="fp32", store=store
    )
    # The network in one piece over the first 14 rows of windows; the last of them would see those below.
    part = rows(source, 0, 672)[:, :4800].astype(np.float32) / np.float32(255)
    expected = np.clip(np.rint(restorer.run(part) * 255), 0, 255)
    found = rows(tmp_path / "large_x2.tif", 0, 1200)
    assert found.shape[1] == 20_000
    error = found[:, :9400] - expected[:1200, :9400]
    assert np.abs(error).max() <= 1
    assert (error**2).mean() < 255**2 / 1e6


def test_memory_does_not_grow_with_the_height(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """Takes a minute on one core of a machine that does nothing else."""
    options = twice(tiny_model, "--max-memory", "150M")
    low, high = (
        measured(tmp_path, environment, "upscale", make(tmp_path / f"{height}.tif", 2000, height), *options)
        for height in (2400, 9600)
    )
    assert high.own <= 1.06 * low.own, f"{low.own / MIB:.0f} MiB, then {high.own / MIB:.0f}"
    assert high.own <= 1.1 * 150e6 + 16 * MIB, f"{high.own / MIB:.0f} MiB"
    assert high.decoding <= 1.06 * low.decoding, (
        f"{low.decoding / MIB:.0f} MiB, then {high.decoding / MIB:.0f}, to decode"
    )


def test_a_gigapixel_in_a_gigabyte(environment: dict[str, str], tiny_model: Path, tmp_path: Path) -> None:
    """Takes tens of minutes, and 6 GB of disk."""
    taken, width = [], 13_000
    source, result = tmp_path / "in.tif", tmp_path / "out.tif"
    for height in (width, 2 * width):
        make(source, width, height)
        result.unlink(missing_ok=True)
        options = twice(tiny_model, "--max-memory", "1G", "-o", result, "--max-pixels", str(1 << 40))
        taken.append(measured(tmp_path, environment, "upscale", source, *options).own)
    assert max(taken) <= 1.1 * 1024 * MIB, [count / 1e6 for count in taken]
    assert abs(taken[1] - taken[0]) <= 0.05 * taken[0], [count / 1e6 for count in taken]
    with FileBytes(result) as file:
        [parts] = open_pages(file, 1 << 40)
        assert parts.layout.big and parts.tile is not None
        assert parts.width * parts.height > 10**9
    store = WeightStore(Manifest((), "file:///nowhere"), cache=tmp_path, offline=True)
    restorer = Restorer.load(
        "upscale", scale=2, model=str(tiny_model), device="cpu", precision="fp32", store=store
    )
    # The last rows of windows, from a picture that begins two windows above what is looked at.
    first = (2 * width // 48 - 8) * 48
    part = rows(source, first, 2 * width)[:, :2400].astype(np.float32) / np.float32(255)
    expected = np.clip(np.rint(restorer.run(part) * 255), 0, 255)[192:, :4600]
    found = rows(result, 2 * first + 192, 4 * width)[:, :4600]
    assert np.abs(found - expected).max() <= 1
    assert ((found - expected) ** 2).mean() < 255**2 / 1e6


def test_pngs_keep_to_the_memory_as_long_as_they_fit(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """Takes a minute on one core of a machine that does nothing else."""
    y, x = np.mgrid[:2000, :3000].astype(np.float32)
    waves = [127 + 100 * np.sin(y / (37 + c)) * np.cos(x / (53 + 7 * c)) for c in range(3)]
    pixels = np.stack(waves, axis=2).astype(np.uint8)
    pixels += np.random.default_rng(0).integers(0, 12, pixels.shape, dtype=np.uint8)
    (tmp_path / "in.png").write_bytes(codec.encode(Picture(pixels), "PNG"))
    for limit in (150, 300):  # the picture and its result are 90 MB, in float 360
        options = twice(tiny_model, "--max-memory", f"{limit}M", "-o", f"{limit}.png")
        taken = measured(tmp_path, environment, "upscale", "in.png", *options).own
        assert taken <= 1.1 * limit * 1e6, f"{taken / 1e6:.0f} MB of {limit}"
