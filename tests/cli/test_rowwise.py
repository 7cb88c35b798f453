"""TIFF files of more pages than fit into the memory: one after the other, in bands, to the same pages."""

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from nsr_cli.batch import rowwise, streamed
from nsr_cli.batch.outcome import Outcome
from nsr_cli.forecast import memory
from nsr_cli.forecast.files import forecast
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.notes import metadatadigest, provenance
from nsr_cli.notes.texts_of_file import KEYWORD
from nsr_cli.planning.job import Job
from nsr_cli.planning.redo import is_untouched
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox.decoder import Decoder
from tests.cli.taken import measured, twice
from tests.command import SAMPLE, Inside

RANDOM = np.random.default_rng(12)
BUDGET = 12 << 20
MIB = 1 << 20


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pages never go together; the list gets the number of pages of each file that is restored in bands."""
    counts: list[int] = []
    true = rowwise.RowWriter.write

    def write(self: rowwise.RowWriter, *more: Any) -> None:
        counts.append(len(self.streamed.leaves))
        true(self, *more)

    monkeypatch.setattr(rowwise.RowWriter, "write", write)
    monkeypatch.setattr(memory, "_WRITING", 0)
    monkeypatch.setattr(memory, "_together", lambda *_: 1 << 40)
    return counts


def drawn(height: int, width: int = 70, *, channels: int = 3, dtype: Any = np.uint8, **about: Any) -> Picture:
    noise = RANDOM.random((height + 1, width, channels))
    smooth = (noise[1:] + noise[:-1]) / 2
    if dtype == np.float32:
        return Picture(smooth.astype(dtype), **about)
    return Picture((smooth * np.iinfo(dtype).max).astype(dtype), **about)


def several() -> list[Picture]:
    """Pages of every kind."""
    clear = np.zeros((90, 70), np.uint8)
    clear[:, 20:] = 255
    return [
        drawn(120, metadata=Metadata(dpi=(300.0, 300.0), icc=None, text=())),
        drawn(33, 50, channels=1),
        drawn(61, dtype=np.uint16),
        replace(drawn(90), alpha=clear),
        drawn(40, 91),
    ]


def save(path: Path, pages: list[Picture]) -> Path:
    path.write_bytes(codec.encode_pages(pages, "TIFF"))
    return path


def read(path: Path) -> list[Picture]:
    return list(codec.decode_all(path.read_bytes()))


def is_close(found: Any, expected: Any) -> bool:
    """Within one 8-bit level, and above 60 dB."""
    peak = 1.0 if found.dtype == np.float32 else np.iinfo(found.dtype).max
    error = (found.astype(float) - expected) / peak * 255
    return found.shape == expected.shape and bool(
        np.abs(error).max() <= 1 and (error**2).mean() < 255**2 / 1e6
    )


def test_every_page_becomes_what_it_becomes_in_memory(
    inside: Inside, apart: list[int], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.tif", several())
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--precision", "fp32")
    assert inside(*options, "--max-memory", str(BUDGET)) == 0
    assert apart == [5]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert inside(*options, "-o", "whole.tif") == 0
    assert apart == [5]
    found, expected = read(tmp_path / "a_x2.tif"), read(tmp_path / "whole.tif")
    for one, other in zip(found, expected, strict=True):
        assert one.pixels.dtype == other.pixels.dtype and is_close(one.pixels, other.pixels)
        assert (one.alpha is None) == (other.alpha is None)
        assert one.alpha is None or other.alpha is None or is_close(one.alpha, other.alpha)
        assert one.metadata.dpi == other.metadata.dpi
    note = provenance.read(tmp_path / "a_x2.tif")
    assert note is not None and note["pixels"] == provenance.digest(found)
    notes = [page.metadata.get_text(KEYWORD) for page in found]
    assert notes[0] and notes == notes[:1] * 5
    assert note["metadata"] == metadatadigest.digest((tmp_path / "a_x2.tif").read_bytes())
    with Decoder() as decoder:
        assert is_untouched(tmp_path / "a_x2.tif", 1 << 20, decoder)


def test_floating_point_pages_keep_their_ranges(
    inside: Inside, apart: list[int], level_model: Path, tmp_path: Path
) -> None:
    whites = (1, 700)
    pages = [drawn(50, dtype=np.float32, span=(0.0, float(white))) for white in whites]
    save(tmp_path / "a.tif", pages)
    options = ("denoise", "a.tif", "--sigma", "25", "--model", level_model, "--max-memory", str(BUDGET))
    assert inside(*options) == 0 and apart == [2]
    with tifffile.TiffFile(tmp_path / "a_denoised.tif") as file:
        tops = [float(page.asarray().max()) for page in file.pages]
    assert tops[0] <= 2 and 300 <= tops[1] <= 1400


def test_pages_of_16_bits_have_one_white_in_bands_and_in_memory(
    inside: Inside,
    apart: list[int],
    level_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A level means the same in all slices of a stack, however dim the first one is."""
    dim, bright = (drawn(60, channels=1).pixels / 255 * top for top in (200, 3000))
    pages = [Picture(pixels.astype(np.uint16)) for pixels in (dim, bright)]
    save(tmp_path / "a.tif", pages)
    options = ("denoise", "a.tif", "--sigma", "25", "--model", level_model, "--precision", "fp32")
    assert inside(*options, "--max-memory", str(BUDGET)) == 0 and apart == [2]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert inside(*options, "-o", "whole.tif") == 0 and apart == [2]
    found, expected = read(tmp_path / "a_denoised.tif"), read(tmp_path / "whole.tif")
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1
    assert capfd.readouterr().err.count("its white is taken to be 4095, not 65535") == 2


def test_pages_without_need_are_taken_over_and_a_file_of_them_is_left_alone(
    inside: Inside,
    apart: list[int],
    level_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sample = codec.decode(SAMPLE.read_bytes())
    once = codec.decode(codec.encode(sample, "JPEG", quality=30))
    clean = drawn(64, 64)
    save(tmp_path / "a.tif", [Picture(once.pixels), clean])
    save(tmp_path / "b.tif", [clean, clean])
    options = ("--model", level_model, "--max-memory", str(4 * BUDGET))
    assert inside("dejpeg", "a.tif", "b.tif", *options) == 0
    assert apart == [2]
    said = capfd.readouterr().err
    assert "quality 3" in said and "no JPEG traces found" in said
    found = read(tmp_path / "a_dejpeg.tif")
    assert np.array_equal(found[1].pixels, clean.pixels)
    assert not np.array_equal(found[0].pixels, once.pixels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a_dejpeg.tif", "b.tif"]


def test_damage_in_a_later_page_is_named_and_nothing_is_left(
    inside: Inside, apart: list[int], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(3):
            writer.write(drawn(300).pixels, photometric="rgb", compression="zlib", rowsperstrip=20)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset = file.pages[1].dataoffsets[9]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[offset : offset + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(data)
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options, "-o", "new/b.tif") == 1
    said = capfd.readouterr().err
    assert "a.tif: page 2: " in said and apart == [3]
    assert not list(tmp_path.glob("new/*"))


def test_pages_that_cannot_go_in_bands_are_refused_by_the_run_and_by_the_dry_run_in_one_line(
    inside: Inside, apart: list[int], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for orientation in (1, 6):
            writer.write(drawn(60).pixels, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    limited = ("--max-memory", str(BUDGET), "-o", "b.tif")
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, *limited)
    assert inside(*options) == 5
    refused = capfd.readouterr().err.splitlines()
    assert len(refused) == 1 and "2 pictures of up to 70x60 pixels" in refused[0]
    assert "a page has a picture on its side, so they cannot be restored one by one" in refused[0]
    assert inside(*options, "--dry-run") == 5
    assert capfd.readouterr().err.splitlines()[0] == refused[0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"] and apart == []


def test_pages_go_to_no_other_format(
    inside: Inside, apart: list[int], tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "a.tif", several())
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options, "--format", "png") != 0
    assert apart == [] and [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_profile_that_all_pages_have_is_in_memory_once(
    apart: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pages = [drawn(40, metadata=Metadata(icc=profile)) for _ in range(4)]
    save(tmp_path / "a.tif", pages)
    settings = Settings("upscale", scale=2.0, max_memory=4 * BUDGET)
    job = Job(tmp_path / "a.tif", tmp_path / "b.tif", None)
    monkeypatch.setattr(streamed, "_MOST_METADATA", len(profile) + 200)
    with Decoder() as decoder:
        found = streamed.Streams(settings, decoder, threading.Event()).open(job, Outcome(job, "a"))
        assert found is not None
        assert len({id(leaf.source.page.metadata.icc) for leaf in found.leaves}) == 1
        found.close()


def test_texts_of_all_pages_together_are_bounded(
    inside: Inside,
    apart: list[int],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(streamed, "_MOST_METADATA", 1000)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(3):
            writer.write(drawn(60).pixels, photometric="rgb", description="x" * 600, metadata=None)
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--max-memory", str(BUDGET))
    assert inside(*options) == 5
    assert "a page has more than its share of texts and profiles" in capfd.readouterr().err
    assert apart == [] and [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_pages(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """It grows until the allocator's gaps fit, 82 MiB at 12 pages and 94 at 48, and then no more: 94 at 120.

    Takes seven minutes on two Zen 3 cores of which one is busy.
    """
    taken = []
    for count in (40, 100):
        source, target = tmp_path / f"{count}.tif", tmp_path / f"{count}_x2.tif"
        with tifffile.TiffWriter(source) as writer:
            for _ in range(count):
                writer.write(drawn(1000, 700).pixels, photometric="rgb", compression="zlib")
        taken.append(
            measured(
                tmp_path,
                environment,
                "upscale",
                source,
                *twice(tiny_model, "--max-memory", "80M", "-o", target),
            )
        )
        foreseen = forecast(Job(source, target, None), Settings("upscale", scale=2.0, max_memory=80_000_000))
        assert foreseen is not None and foreseen.memory <= 1.1 * 80e6
        with tifffile.TiffFile(target) as file:
            assert [page.shape for page in file.pages] == [(2000, 1400, 3)] * count
    few, many = taken
    assert many.own <= 1.06 * few.own, f"{few.own / MIB:.0f} MiB, then {many.own / MIB:.0f}"
    assert many.own <= 1.1 * 80e6 + 16 * MIB, f"{many.own / MIB:.0f} MiB"
    assert many.decoding <= 1.06 * few.decoding, (
        f"{few.decoding / MIB:.0f} MiB, then {many.decoding / MIB:.0f}"
    )
