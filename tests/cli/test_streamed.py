"""TIFF files in bands, by the real command: the same picture as in memory, its metadata, and what goes wrong."""

import re
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from nsr_cli.batch import journey, rowwise, streamed
from nsr_cli.batch.outcome import Outcome
from nsr_cli.errors import MemoryExhausted
from nsr_cli.forecast import memory
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import bands
from nsr_cli.notes import metadatadigest, provenance
from nsr_cli.planning.job import Job
from nsr_cli.planning.redo import is_untouched
from nsr_cli.planning.settings import Settings
from nsr_cli.restore import Restorer
from nsr_cli.sandbox.decoder import Decoder
from tests.command import SAMPLE, Inside, Paint

RANDOM = np.random.default_rng(8)
BUDGET = 12 << 20


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """So little memory that pictures of 300×80 go in bands; the list gets the names of those that do."""
    gone: list[str] = []
    true = rowwise.RowWriter.write

    def write(self: rowwise.RowWriter, *more: Any) -> None:
        gone.append(self.outcome.label)
        true(self, *more)

    monkeypatch.setattr(rowwise.RowWriter, "write", write)
    monkeypatch.setattr(memory, "_WRITING", 0)
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
    assert inside("upscale", "strips.tif", *asked, "--format", "bmp", "-o", "whole.bmp") == 0
    assert inside("upscale", *(f"{name}.tif" for name in kinds), *asked, "--max-memory", str(BUDGET)) == 0
    assert tight == [f"{name}.tif" for name in kinds]
    for name in kinds:
        assert close(read(tmp_path / f"{name}_x2.tif"), read(tmp_path / "whole.bmp"))


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
    monkeypatch.setattr("nsr_cli.batch.heldsource._SAMPLE_PIXELS", 80 * 130)
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

    save(tmp_path / "a.tif", picture())
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options) == 0
    note = provenance.read(tmp_path / "a_x2.tif")
    assert note is not None and note["pixels"] == provenance.digest(
        [codec.decode(Path("a_x2.tif").read_bytes())]
    )
    with Decoder() as decoder:
        assert is_untouched(Path("a_x2.tif"), 1 << 20, decoder)
    assert inside(*options, "--strip", "-o", "bare.tif") == 0
    assert provenance.read(tmp_path / "bare.tif") is None


def test_what_cannot_be_read_in_bands_is_held_or_says_why_it_does_not_fit(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "a.tif", picture(height=100), extratags=[(274, 3, 1, 6, True)])
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside(*options, "--max-memory", "20M") == 0
    assert tight == ["a.tif"]
    assert inside(*options, "--format", "bmp") == 0
    assert close(read(tmp_path / "a_x2.tif"), read(tmp_path / "a_x2.bmp"))
    capfd.readouterr()
    assert inside(*options, "--max-memory", "100000", "-o", "c.tif") == 5
    said = capfd.readouterr().err.splitlines()[-1]
    assert "100x80 pixels and their result take at least" in said and "a picture on its side" in said
    assert not Path("c.tif").exists()


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_goes_along(
    dtype: type, kind: str, inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    array = picture(dtype, 4)
    array[..., 3] = np.iinfo(dtype).max
    array[100:140, 20:60, 3] = 0  # black under it, which must not be seen around it
    array[100:140, 20:60, :3] = 0
    array[200:250, :, 3] //= 3
    array[200:250, :, :3] //= 3
    save(tmp_path / "a.tif", array, extrasamples=[kind], compression="zlib")
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside(*options, "--max-memory", str(BUDGET)) == 0
    assert inside(*options, "--max-memory", str(BUDGET), "--format", "png") == 0
    assert tight == ["a.tif"] * 2
    found, packed = (codec.decode(Path(name).read_bytes()) for name in ("a_x2.tif", "a_x2.png"))
    assert np.array_equal(found.pixels, packed.pixels)
    made = codec.decode(Path("a.tif").read_bytes())
    whole = Restorer.load("upscale", scale=2, model=str(tiny_model), device="cpu", precision="fp32")(made)
    assert close(found.pixels, whole.pixels)
    assert found.alpha is not None and whole.alpha is not None and packed.alpha is not None
    assert np.array_equal(found.alpha, whole.alpha) and np.array_equal(found.alpha, packed.alpha)


@pytest.mark.parametrize("gray", [False, True])
def test_palettes_become_colors_or_grays_as_a_whole(
    gray: bool, inside: Inside, tight: list[str], level_model: Path, tmp_path: Path
) -> None:
    table = np.repeat(np.arange(256, dtype=np.uint16)[np.newaxis] * 257, 3, axis=0)
    table[1:, 255] = 0  # one red, and only near the end
    indices = RANDOM.integers(0, 255, (300, 80), dtype=np.uint8)
    indices[290, 10] = 254 if gray else 255
    options: dict[str, Any] = {
        "rowsperstrip": 20,
        "metadata": None,
        "photometric": "palette",
        "colormap": table,
    }
    tifffile.imwrite(tmp_path / "a.tif", indices, **options)
    expected = read(tmp_path / "a.tif")
    assert expected.shape[2] == (1 if gray else 3)
    command = ("dejpeg", "a.tif", "-q", "30", "--strength", "0", "--model", level_model)
    assert inside(*command, "--max-memory", str(BUDGET)) == 0
    assert tight == ["a.tif"]
    assert np.array_equal(read(tmp_path / "a_dejpeg.tif"), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_pictures_of_other_formats_are_held_and_written_in_rows(
    samples: int, dtype: type, inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    array = picture(dtype, samples)
    alpha = None
    if samples in (2, 4):
        array[..., -1] = np.iinfo(dtype).max
        array[60:90, 30:50, -1] = 0
        alpha = array[..., -1]
    about = Metadata(dpi=(300.0, 300.0), text=(("Title", "a picture"),))
    made = Picture(array[..., : samples - (alpha is not None)], alpha, about)
    (tmp_path / "a.png").write_bytes(codec.encode(made, "PNG"))
    options = ("upscale", "a.png", "-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside(*options, "--max-memory", str(BUDGET)) == 0
    assert tight == ["a.png"]
    assert inside(*options, "--format", "tiff", "--max-memory", str(BUDGET), "-o", "b.tif") == 0
    found, other = (codec.decode(Path(name).read_bytes()) for name in ("a_x2.png", "b.tif"))
    whole = Restorer.load("upscale", scale=2, model=str(tiny_model), device="cpu", precision="fp32")(made)
    assert close(found.pixels, whole.pixels) and np.array_equal(found.pixels, other.pixels)
    assert (found.alpha is None) == (alpha is None)
    if alpha is not None:
        assert found.alpha is not None and whole.alpha is not None and other.alpha is not None
        assert np.array_equal(found.alpha, whole.alpha) and np.array_equal(found.alpha, other.alpha)
    assert found.metadata.get_text("Title") == "a picture"
    assert found.metadata.dpi == pytest.approx((300.0, 300.0), abs=0.01)
    note = provenance.read(tmp_path / "a_x2.png")
    assert note is not None and note["pixels"] == provenance.digest([found])
    assert note["metadata"] == metadatadigest.digest((tmp_path / "a_x2.png").read_bytes())


def test_a_float_picture_becomes_a_16_bit_png(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "a.tif", picture(np.float32) * 700)
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside(*options, "--format", "png", "--max-memory", str(BUDGET)) == 0
    assert "PNG: float samples become 16-bit" in capfd.readouterr().err
    made = codec.decode((tmp_path / "a.tif").read_bytes())
    whole = Restorer.load("upscale", scale=2, model=str(tiny_model), device="cpu", precision="fp32")(made)
    assert tight == ["a.tif"]
    assert close(read(tmp_path / "a_x2.png"), codec.at_most(whole, 16).pixels)


def test_what_fits_nowhere_is_refused_by_the_run_and_by_the_dry_run_in_one_line(
    inside: Inside,
    paint: Paint,
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paint(tmp_path / "a.png", 1000, 4000)
    options = ("upscale", "a.png", "-s", "2", "--model", tiny_model, "--max-memory")
    for more, advice in (
        (("40M",), "to TIFF, which is also read in bands"),
        (("50M", "--format", "jpeg"), "--format tiff"),
        (("1M",), "allow more, or cut it into parts"),  # as TIFF it would not fit either
    ):
        assert inside(*options, *more) == 5
        refused = capfd.readouterr().err.splitlines()
        assert len(refused) == 1 and advice in refused[0]
        assert inside(*options, *more, "--dry-run") == 5
        said = capfd.readouterr().err.splitlines()
        assert said[0] == refused[0] and "1 not possible" in said[1]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


def test_nobody_is_told_to_convert_a_tiff_file_to_tiff(tmp_path: Path) -> None:
    """Samples of 16-bit floating point take twice their bytes once they are read."""
    settings = Settings("upscale", scale=2.0, max_memory=150_000_000)
    job = Job(tmp_path / "a.tif", tmp_path / "b.tif", "TIFF")
    page = Picture(np.zeros((4000, 1000, 3), np.float32), source="TIFF")
    with Decoder() as decoder:
        streams = streamed.Streams(settings, decoder, threading.Event())
        with pytest.raises(MemoryExhausted, match="allow more, or cut it into parts"):
            streams.hold([page], "TIFF", b"", Outcome(job, "a.tif"))
        with pytest.raises(MemoryExhausted, match="allow more, or convert it to TIFF"):
            streams.hold([replace(page, source="PNG")], "TIFF", b"", Outcome(job, "a.png"))


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


def test_a_file_that_vanishes_before_its_turn_is_reported(
    inside: Inside,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = save(tmp_path / "a.tif", picture())
    monkeypatch.setattr(journey, "check_fits", lambda job, settings: path.unlink())
    assert inside("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET)) == 1
    assert "nsr: a.tif: no such file" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("rule", "code"), [("skip", 0), ("error", 1)])
def test_what_appears_meanwhile_is_not_replaced(
    rule: str, code: int, inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(tmp_path / "a.tif", picture())
    true = bands.replace_text

    def late(file: BinaryIO, old: bytes, new: bytes) -> int:
        Path("a_x2.tif").write_bytes(b"somebody else's")
        return true(file, old, new)

    monkeypatch.setattr(bands, "replace_text", late)
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options, "--if-exists", rule) == code
    assert Path("a_x2.tif").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_in_the_middle_leave_no_file(
    how: signal.Signals, command: list[str], environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    # Large, since a fast machine may be through with a smaller one before its signal comes, which would show nothing.
    save(
        tmp_path / "a.tif",
        picture(height=12_000, width=400),
        compression="zlib",
        compressionargs={"level": 1},
    )
    options = ("-s", "2", "--model", str(tiny_model), "--max-memory", "100M", "--device", "cpu")
    running = subprocess.Popen(
        [*command, "upscale", "a.tif", *options], cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    )
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
    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[how]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
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


@pytest.mark.parametrize("form", ["tif", "png"])
@pytest.mark.parametrize("more", [("-s", "2"), ("--strength", "0.5"), ("--width", "150")])
def test_auto_takes_the_same_steps_in_bands(
    form: str,
    more: tuple[str, ...],
    inside: Inside,
    tight: list[str],
    tiny_model: Path,
    level_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = old_photograph()
    (tmp_path / f"a.{form}").write_bytes(codec.encode(made, "TIFF" if form == "tif" else "PNG"))
    models = [f"dejpeg={level_model}", f"denoise={level_model}", f"upscale={tiny_model}"]
    command = ("auto", f"a.{form}", *more, *(word for model in models for word in ("--model", model)))
    assert inside(*command, "--max-memory", "60M") == 0
    said = capfd.readouterr().err
    assert tight == [f"a.{form}"]
    assert inside(*command, "--format", "bmp") == 0
    whole = capfd.readouterr().err
    steps = [
        re.findall(r"dejpeg \(quality 85\), denoise \(noise level .*?(?=  [\d.]+ s)", t)
        for t in (said, whole)
    ]
    assert steps[0] and steps[0] == steps[1]
    assert close(read(tmp_path / f"a_auto.{form}"), read(tmp_path / "a_auto.bmp"))
    note = provenance.read(tmp_path / f"a_auto.{form}")
    assert note is not None and note["steps"] == steps[0][0]


def test_a_dry_run_of_auto_looks_at_parts_of_a_large_file(
    inside: Inside,
    tight: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = old_photograph()
    save(tmp_path / "a.tif", made.pixels, compression="zlib")
    true = Decoder.pages

    def pages(decoder: Decoder, data: bytes) -> list[Picture]:
        assert len(data) < (tmp_path / "a.tif").stat().st_size / 2, "the file was decoded as a whole"
        return true(decoder, data)

    monkeypatch.setattr(Decoder, "pages", pages)
    monkeypatch.setattr("nsr_cli.batch.heldsource._SAMPLE_PIXELS", 96 * 128)
    assert inside("auto", "a.tif", "--dry-run", "--max-memory", "80M") == 0
    assert "a.tif -> a_auto.tif  96x288 -> 96x288  dejpeg (quality 85)" in capfd.readouterr().out
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def old_photograph() -> Picture:
    """Noisy, and compressed before, so that both show."""
    sample = codec.decode(SAMPLE.read_bytes()).pixels
    sample = np.tile(sample[:144, :96], (2, 1, 1))
    noisy = np.clip(sample + RANDOM.normal(0, 20, sample.shape), 0, 255).astype(np.uint8)
    return codec.decode(codec.encode(Picture(noisy), "JPEG", quality=85))


@pytest.mark.parametrize("way", ["in bands", "in one piece"])
def test_a_value_for_no_data_that_leaves_the_others_no_room_is_refused(
    way: str,
    inside: Inside,
    tight: list[str],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    parts, true = list[bytes](), Decoder.part

    def part(self: Decoder, data: bytes) -> Picture:
        parts.append(data)
        return true(self, data)

    monkeypatch.setattr(Decoder, "part", part)
    array = picture(np.float32) * 700
    array[250:, 40:] = np.finfo(np.float32).min  # parts above have no such value
    save(tmp_path / "a.tif", array)
    if way == "in one piece":
        monkeypatch.setattr(streamed.Streams, "open", lambda *_: None)
    asked = ("-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside("upscale", "a.tif", *asked) == 1
    said = capfd.readouterr().err
    assert re.search(r"a\.tif: its samples reach from -3\.40282e\+38 to 69\d\.?\d*, so far that ", said)
    assert bool(parts) is (way == "in bands")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def test_of_a_float_picture_the_whole_decides_whether_its_values_stay_apart(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    """A lamp in a dark corner: in the part with the lamp, most samples are too dark for it."""
    array = picture(np.float32) * 50
    array[:20] = 1
    array[10, 10] = 1e6
    save(tmp_path / "a.tif", array)
    asked = ("-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside("upscale", "a.tif", *asked) == 0
    assert tight == ["a.tif"] and tifffile.imread("a_x2.tif").max() > 1e5


def test_lamps_change_the_result_of_bands_no_more_than_that_of_the_whole(
    inside: Inside,
    tight: list[str],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    array = picture(np.float32)
    array[[10, 150, 151, 299], [5, 40, 41, 79]] = 50
    save(tmp_path / "a.tif", array)
    save(tmp_path / "b.tif", array)
    # In bf16, tiles differ by their rounding, lamps or not.
    asked = ("-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside("upscale", "a.tif", *asked, "--max-memory", str(BUDGET)) == 0
    assert tight == ["a.tif"]
    monkeypatch.setattr(streamed.Streams, "open", lambda *_: None)
    assert inside("upscale", "b.tif", *asked) == 0
    found, expected = tifffile.imread("a_x2.tif"), tifffile.imread("b_x2.tif")
    assert np.abs(found - expected).max() < 1e-3  # 1.6e-4, with and without lamps
    assert capfd.readouterr().err.count("taken to be 1; 12 samples lie far beyond") == 2


@pytest.mark.parametrize("task", ["upscale", "denoise", "auto"])
@pytest.mark.parametrize("greatest", [255, 4095, 12_000, 60_000])
def test_of_16_bits_the_whole_decides_how_many_are_used(
    greatest: int,
    task: str,
    inside: Inside,
    tight: list[str],
    tiny_model: Path,
    level_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    array = (picture(np.float32) * 200).astype(np.uint16)
    array[-1, -1] = greatest  # parts above have no such value
    save(tmp_path / "a.tif", array)
    save(tmp_path / "b.tif", array)
    asked: dict[str, tuple[object, ...]] = {
        "upscale": ("-s", "2", "--model", tiny_model),
        "denoise": ("--model", level_model),
        "auto": ("-s", "2", "--model", f"upscale={tiny_model}", "--model", f"denoise={level_model}"),
    }
    options = (task, *asked[task], "--precision", "fp32")
    assert inside(*options, "a.tif", "-o", "in-bands.tif", "--max-memory", "250M") == 0
    assert tight == ["a.tif"]
    monkeypatch.setattr(streamed.Streams, "open", lambda *_: None)
    assert inside(*options, "b.tif", "-o", "whole.tif") == 0
    found, expected = tifffile.imread("in-bands.tif"), tifffile.imread("whole.tif")
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - expected).max() <= max(1, greatest // 2000)
    white = {255: 255, 4095: 4095, 12_000: 16_383}.get(greatest)
    said = capfd.readouterr().err
    assert said.count(f"its white is taken to be {white}, not 65535") == (2 if white else 0)


def test_slices_behind_a_page_are_said_to_be_left_out(
    inside: Inside, tight: list[str], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stack = np.stack([picture(channels=1)[..., 0]] * 3)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, truncate=True)
    asked = ("-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside("upscale", "a.tif", *asked) == 0
    assert tight == ["a.tif"] and "2 further slices of its stack are left out" in capfd.readouterr().err
