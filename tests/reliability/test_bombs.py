"""Files that claim too much are refused at once, in little memory; those with a picture are read in as little."""

import json
import math
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.sandbox.decoder import Decoder
from tests.reliability import bombs

pytest.importorskip("resource", reason="peak memory is measured with POSIX's getrusage")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("bombs.py")
MOST_SECONDS = 1.0  # of work; the clock runs faster where others compute too
MOST_MEBIBYTES = 64


@pytest.mark.promise(
    "Decoding: files that claim or unpack to far more than they hold take at most 1 s and 64 MiB",
    count=len(bombs.BOMBS),
)
@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_costs_little(name: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, name],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    assert cost["cpu"] <= MOST_SECONDS and cost["mebibytes"] <= MOST_MEBIBYTES, cost
    wanted = bombs.BOMBS[name][1]
    if wanted is None:
        assert cost["reason"] == ""
    else:
        assert cost["reason"] and wanted in cost["reason"]


def test_the_hint_at_the_limit_makes_the_picture_readable() -> None:
    data = bombs.png(3000, 10, zlib.compress(bytes(10 * 9001)))
    with pytest.raises(DecodeError, match="raise it with --max-pixels 30000 if you trust the file"):
        codec.decode(data, max_pixels=20_000)
    assert codec.decode(data, max_pixels=30_000).width == 3000


@pytest.mark.promise(
    "Decoding: a float TIFF with NaN or infinite samples is refused, and their number is said", count=3
)
@pytest.mark.parametrize("odd", [(math.nan,), (math.inf,), (-math.inf, math.nan, math.inf)])
def test_samples_that_are_no_numbers_are_counted(odd: tuple[float, ...]) -> None:
    with (
        Decoder() as decoder,
        pytest.raises(DecodeError, match=f"^{len(odd)} of 6000 samples are NaN or inf"),
    ):
        decoder.pages(bombs.float_tiff(*odd))


def test_frames_that_add_up_end_at_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsr_cli.sandbox.decoder.machine_memory", lambda: 1 << 30)
    frame = bombs.gif(4000, 4000)[13 + 6 : -1]
    film = bombs.gif(4000, 4000)[:-1] + frame * 400 + b";"
    with Decoder(every_frame=True) as decoder, pytest.raises(DecodeError, match=r"memory|unpacks"):
        decoder.pages(film)
