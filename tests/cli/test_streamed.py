"""TIFF files in bands, by the real command: the same picture as in memory, its metadata, and what goes wrong."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from nsr_cli.cli import memory, provenance, streamed
from nsr_cli.cli.redo import is_untouched
from nsr_cli.cli.settings import Settings
from nsr_cli.errors import MemoryExhausted
from nsr_cli.imaging import codec, tiffbands

Inside = Callable[..., int]
RANDOM = np.random.default_rng(8)
BUDGET = 12 << 20


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """So little memory that pictures of 300×80 go in bands; the list gets the names of those that do."""
    gone: list[str] = []
    true = streamed.Streams.restore

    def restore(self: Any, found: Any, outcome: Any, *more: Any) -> None:
        gone.append(outcome.label)
        true(self, found, outcome, *more)

    monkeypatch.setattr(streamed.Streams, "restore", restore)
    monkeypatch.setattr(streamed, "_WRITING", 0)
    monkeypatch.setattr(memory, "in_one_piece", lambda sizes: 1 << 40)
    return gone


def picture(dtype: type = np.uint8, channels: int = 3, height: int = 300, width: int = 80) -> NDArray[Any]:
    noise = RANDOM.random((height + 1, width, channels))
    smooth = (noise[1:] + noise[:-1]) / 2
    return smooth.astype(dtype) if dtype == np.float32 else (smooth * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, array: NDArray[Any], **options: Any) -> Path:
    gray = array.shape[2] == 1
    stored = array[..., 0] if gray else array
    options = {"rowsperstrip": 20, "metadata": None, **options}
    if "tile" in options:
        options.pop("rowsperstrip")
    tifffile.imwrite(path, stored, photometric="minisblack" if gray else "rgb", **options)
    return path


def read(path: Path) -> NDArray[Any]:
    return codec.decode(path.read_bytes()).pixels


def close(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Within one 8-bit level, and above 60 dB."""
    peak = 1.0 if found.dtype == np.float32 else np.iinfo(found.dtype).max
    error = (found.astype(float) - expected) / peak * 255
    return found.shape == expected.shape and np.abs(error).max() <= 1 and (error**2).mean() < 255**2 / 1e6


def test_the_result_is_that_of_the_whole(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "strips": {"compression": "lzw", "predictor": True},
        "plain": {"rowsperstrip": 300},
        "tiles": {"tile": (64, 32), "compression": "zlib", "byteorder": ">"},
    }
    array = picture()
    for name, options in kinds.items():
        save(tmp_path / f"{name}.tif", array, **options)
    asked = ("-s", "2", "--model", tiny_model)
    assert inside("upscale", "strips.tif", *asked, "--format", "png", "-o", "whole.png") == 0
    assert inside("upscale", *(f"{name}.tif" for name in kinds), *asked, "--max-memory", str(BUDGET)) == 0
    assert tight == [f"{name}.tif" for name in kinds]
    for name in kinds:
        assert close(read(tmp_path / f"{name}_x2.tif"), read(tmp_path / "whole.png"))


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint16, 1), (np.float32, 3)])
def test_depths_and_levels_stay(
    dtype: type,
    channels: int,
    inside: Inside,
    tight: list[str],
    level_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = picture(dtype, channels)
    stored = (
        array * 700 if dtype == np.float32 else array
    )  # white above 1: the range of the whole file counts
    save(tmp_path / "a.tif", stored)
    save(tmp_path / "b.tif", stored)
    options = ("--sigma", "25", "--model", level_model)
    assert inside("denoise", "a.tif", *options, "--max-memory", str(BUDGET)) == 0
    assert tight == ["a.tif"]
    monkeypatch.setattr(streamed.Streams, "open", lambda *_: None)
    assert inside("denoise", "b.tif", *options) == 0
    found, expected = tifffile.imread("a_denoised.tif"), tifffile.imread("b_denoised.tif")
    assert found.dtype == dtype
    assert np.abs(found / stored.max() - expected / stored.max()).max() <= 1 / 255


def test_levels_are_found_in_parts_of_the_picture(
    inside: Inside,
    tight: list[str],
    level_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("nsr_cli.cli.tiffsource._SAMPLE_PIXELS", 80 * 130)
    flat = np.clip(128 + 20 * RANDOM.standard_normal((300, 80, 3)), 0, 255).astype(np.uint8)
    save(tmp_path / "a.tif", flat)
    assert inside("denoise", "a.tif", "--model", level_model, "--max-memory", str(BUDGET)) == 0
    said = capfd.readouterr().err
    sigma = float(said.split("noise level ")[1].split()[0])
    assert 17 < sigma < 23 and tight == ["a.tif"]


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_metadata_and_mirrored_pictures(
    orientation: int, inside: Inside, tight: list[str], level_model: Path, tmp_path: Path
) -> None:
    array = picture(width=50)
    turned = {1: array, 2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1]}[orientation]
    save(
        tmp_path / "a.tif",
        np.ascontiguousarray(turned),
        compression="zlib",
        rowsperstrip=37,
        resolution=(300, 150),
        resolutionunit="inch",
        extratags=[(274, 3, 1, orientation, True), (271, 2, 0, "Nice", True)],
    )
    options = ("-q", "30", "--strength", "0", "--model", level_model)
    assert inside("dejpeg", "a.tif", *options, "--max-memory", str(BUDGET)) == 0
    assert tight == ["a.tif"]
    found = codec.decode((tmp_path / "a_dejpeg.tif").read_bytes())
    assert np.array_equal(found.pixels, array)
    assert found.metadata.dpi == (300.0, 150.0) and b"Nice" in (found.metadata.exif or b"")


def test_the_note_knows_the_pixels_so_that_the_result_is_known_again(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    import threading

    save(tmp_path / "a.tif", picture())
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options) == 0
    note = provenance.read(tmp_path / "a_x2.tif")
    assert note is not None and note["pixels"] == provenance.digest(
        [codec.decode(Path("a_x2.tif").read_bytes())]
    )
    assert is_untouched(Path("a_x2.tif"), 1 << 20, threading.Event())
    assert inside(*options, "--strip", "-o", "bare.tif") == 0
    assert provenance.read(tmp_path / "bare.tif") is None


def test_what_cannot_go_in_bands_goes_through_memory_or_says_why_it_does_not_fit(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    side = picture(height=100)
    save(tmp_path / "a.tif", side, extratags=[(274, 3, 1, 6, True)])
    save(tmp_path / "b.tif", np.concatenate([side, side[..., :1]], axis=2), extrasamples=["unassalpha"])
    options = ("-s", "2", "--model", tiny_model, "--max-memory")
    assert inside("upscale", "a.tif", "b.tif", *options, "20M") == 0
    assert tight == []
    capfd.readouterr()
    assert inside("upscale", "a.tif", *options, "100000", "--if-exists", "overwrite") == 5
    said = capfd.readouterr().err.splitlines()[-1]
    assert "80x100 pixels and their result take at least" in said and "a picture on its side" in said
    assert inside("upscale", "b.tif", *options, "100000", "-o", "c.tif") == 5
    assert "transparency" in capfd.readouterr().err and not Path("c.tif").exists()


def test_other_formats_that_do_not_fit_are_told_about_tiff(
    inside: Inside,
    paint: Callable[..., Path],
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paint(tmp_path / "a.png", 200, 100)
    assert inside("upscale", "a.png", "-s", "2", "--model", tiny_model, "--max-memory", "300000") == 5
    assert "--format tiff" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


@pytest.mark.parametrize("row", [0, 150, 299])
def test_nan_anywhere_is_refused_before_anything_is_written(
    row: int,
    inside: Inside,
    tight: list[str],
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    array = picture(np.float32)
    array[row, 3, 1] = np.nan
    save(tmp_path / "a.tif", array)
    assert inside("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET)) == 1
    assert "NaN or infinite" in capfd.readouterr().err
    assert tight == [] and list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def test_a_damaged_part_in_the_middle_leaves_nothing(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "a.tif", picture(), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[9]
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)
    (tmp_path / "a_x2.tif").write_bytes(b"older")
    options = ("-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET), "--if-exists", "overwrite")
    assert inside("upscale", "a.tif", *options) == 1
    assert "a.tif: " in capfd.readouterr().err
    assert (tmp_path / "a_x2.tif").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a_x2.tif"]


def test_what_appears_meanwhile_is_not_replaced(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.tif", picture())
    true = tiffbands.replace_text

    def late(file: BinaryIO, old: bytes, new: bytes) -> bool:
        Path("a_x2.tif").write_bytes(b"somebody else's")
        return true(file, old, new)

    monkeypatch.setattr(tiffbands, "replace_text", late)
    assert inside("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET)) == 1
    assert Path("a_x2.tif").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_in_the_middle_leave_no_file(
    how: signal.Signals, command: list[str], environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    save(tmp_path / "a.tif", picture(height=6000, width=400), compression="zlib")
    options = (
        "upscale",
        "a.tif",
        "-s",
        "2",
        "--model",
        str(tiny_model),
        "--max-memory",
        "100M",
        "--device",
        "cpu",
    )
    running = subprocess.Popen([*command, *options], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 100
        while (
            _written(running.pid, tmp_path) < 1000 and running.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        assert running.poll() is None, "it has to be in the middle of writing"
        started = time.monotonic()
        running.send_signal(how)
        running.wait(30)
        waited = time.monotonic() - started
    finally:
        running.kill()
        running.wait()
        assert running.stderr is not None
        running.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[how]
    assert waited < 15  # two seconds on a machine that does nothing else


def _written(process: int, folder: Path) -> int:
    """Bytes of the nameless or temporary files of a process in a folder."""
    total = 0
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            target, status = str(link.readlink()), link.stat()
        except OSError:
            continue
        if target.startswith(str(folder)) and not target.endswith("a.tif"):
            total += status.st_size
    return total


def test_memory_that_is_needed_is_counted() -> None:
    sizes = memory.Sizes((1000, 1000), (2000, 2000), 3, 1)
    assert sizes.stored == 3_000_000 and sizes.result == 12_000_000
    assert memory.in_one_piece(sizes) == 15_000_000 + 8 * 15_000_000
    settings = Settings("upscale", scale=2.0, max_memory=20_000_000)
    with pytest.raises(MemoryExhausted, match=r"1000x1000 .* at least 27 MiB .* --max-memory allows 20 MiB"):
        memory.check(sizes, "PNG", settings, "do this")
