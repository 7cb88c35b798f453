"""What "auto" finds out: the noise of a picture, the quality of a JPEG."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging.color import White
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.settings import Settings
from nsr_cli.steps.levels import level_of
from tests.command import Inside, Run

NO_TRACES = "no JPEG traces found; use -q N to restore it anyway"


def ramp(height: int = 96, width: int = 128, channels: int = 3) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:height, :width]
    return np.repeat((64 + x * 0.5 + y * 0.3)[..., None], channels, axis=2)


@pytest.mark.parametrize("sigma", [0, 15, 50])
def test_the_noise_of_the_noisiest_channel_is_found(sigma: float) -> None:
    pixels = ramp(192, 256)
    pixels[..., 2] += np.random.default_rng(1).normal(0, sigma, pixels.shape[:2])
    level = level_of(Settings("denoise"), Picture(np.clip(pixels, 0, 255).astype(np.uint8)), b"")
    assert level.sigma == pytest.approx(sigma, rel=0.15)
    assert level.note == f"noise level {level.sigma:g}"


def test_no_level_is_beyond_what_networks_know() -> None:
    wild = np.random.default_rng(1).integers(0, 2, (64, 64, 1), dtype=np.uint8) * 255
    assert level_of(Settings("denoise"), Picture(wild), b"").sigma == 75


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(ramp().astype(np.uint8)).convert(mode).save(stored, "JPEG", **options)
    return stored.getvalue()


@pytest.mark.parametrize("quality", [5, 37, 95])
@pytest.mark.parametrize(("mode", "subsampling"), [("RGB", "4:2:0"), ("RGB", "4:4:4"), ("L", "gray")])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, mode: str, subsampling: str) -> None:
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    level = level_of(
        Settings("dejpeg"), Picture(ramp().astype(np.uint8)), jpeg(mode, quality=quality, **options)
    )
    assert (level.quality, level.note) == (quality, f"quality {quality}, {subsampling}")


def test_tables_of_other_programs_are_said_to_be_near_a_quality() -> None:
    standard = Image.open(io.BytesIO(jpeg(quality=60))).quantization  # type: ignore[attr-defined]
    changed = {
        key: [value + (i % 3 == 0) for i, value in enumerate(table)] for key, table in standard.items()
    }
    level = level_of(Settings("dejpeg"), Picture(ramp().astype(np.uint8)), jpeg(qtables=changed))
    assert level.quality is not None and abs(level.quality - 60) <= 4
    assert level.note == f"quality about {level.quality}, 4:2:0"


def test_what_was_asked_for_beats_what_is_found_and_what_is_found_is_told() -> None:
    picture = Picture(ramp().astype(np.uint8))
    assert level_of(Settings("denoise", sigma=9.0), picture, b"").sigma == 9
    assert level_of(Settings("dejpeg", jpeg_quality=9.0), picture, b"").quality == 9
    found = level_of(Settings("dejpeg"), picture, jpeg(quality=37))
    assert (found.quality, found.note) == (37, "quality 37, 4:2:0")
    assert (level_of(Settings("denoise"), picture, b"").note or "").startswith("noise level ")
    nothing = level_of(Settings("upscale", scale=2.0), picture, b"")
    assert (nothing.sigma, nothing.quality, nothing.note) == (None, None, None)


def test_a_picture_without_a_trace_of_jpeg_is_better_left_alone() -> None:
    stored = io.BytesIO()
    Image.new("L", (4, 4)).save(stored, "PNG")
    level = level_of(Settings("dejpeg"), Picture(ramp().astype(np.uint8)), stored.getvalue())
    assert (level.quality, level.skip_reason) == (None, NO_TRACES)
    assert (
        level_of(Settings("dejpeg", jpeg_quality=40.0), Picture(ramp().astype(np.uint8)), b"").skip_reason
        is None
    )


@pytest.fixture
def mixed(inside: Inside, level_model: Path) -> tuple[str, ...]:
    """A folder `d` with a JPEG, and a TIFF and a PNG that never were one; returns the options of a run."""
    picture = Image.fromarray(ramp().astype(np.uint8))
    Path("d").mkdir()
    picture.save("d/a.jpg", quality=40)
    picture.save("d/b.png")
    picture.save("d/c.tif")
    return ("--model", str(level_model), "--device", "cpu")


def test_a_folder_with_other_pictures_among_its_jpegs_goes_well(
    mixed: tuple[str, ...], inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inside("dejpeg", "d", "--json", *mixed) == 0
    told = capsys.readouterr()
    assert f"d/b.png: skipped, {NO_TRACES}\n" in told.err and "1 restored, 2 skipped in " in told.err
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [(one["status"], one["error"], one["reason"]) for one in records] == [
        ("ok", None, None),
        ("skipped", None, NO_TRACES),
        ("skipped", None, NO_TRACES),
    ]
    assert [path.name for path in Path("d_dejpeg").iterdir()] == ["a.png"]
    assert inside("dejpeg", "d", "-q", "40", *mixed) == 0
    assert len(list(Path("d_dejpeg").iterdir())) == 3


def test_a_single_picture_without_traces_is_skipped_too(
    mixed: tuple[str, ...], inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    there = sorted(Path("d").iterdir())
    assert inside("dejpeg", "d/b.png", *mixed) == 0
    assert f"d/b.png: skipped, {NO_TRACES}" in capsys.readouterr().err
    assert sorted(Path("d").iterdir()) == there


def test_a_page_without_traces_stays_as_it_is_among_others(mixed: tuple[str, ...], inside: Inside) -> None:
    plain = Image.fromarray(ramp().astype(np.uint8))
    texture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    stored = io.BytesIO()
    texture.save(stored, "JPEG", quality=25)
    with Image.open(stored) as found:
        found.load()
        found.save("pages.tif", save_all=True, append_images=[plain])
    assert inside("dejpeg", "pages.tif", "-o", "made.tif", *mixed) == 0
    with Image.open("pages.tif") as before, Image.open("made.tif") as after:
        assert after.n_frames == 2  # type: ignore[attr-defined]
        assert not np.array_equal(np.array(before), np.array(after))
        before.seek(1)
        after.seek(1)
        assert np.array_equal(np.array(before), np.array(after))


def test_a_large_picture_without_traces_is_skipped_before_it_is_read_in_bands(
    mixed: tuple[str, ...], inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    large = np.tile(ramp(96, 128).astype(np.uint8), (12, 10, 1))
    Image.fromarray(large).save("large.tif")
    assert inside("dejpeg", "large.tif", "--max-memory", "60M", *mixed) == 0
    assert f"large.tif: skipped, {NO_TRACES}" in capsys.readouterr().err
    assert not Path("large_dejpeg.tif").exists()


def test_whoever_names_the_result_gets_one(
    mixed: tuple[str, ...], inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script goes on with that file; of the same format it is the input to the byte, and nothing replaces itself."""
    data = Path("d/b.png").read_bytes()
    for name in ("out.png", "out.webp"):
        assert inside("dejpeg", "d/b.png", "-o", name, *mixed) == 0
        assert f"{NO_TRACES}; passed on unchanged" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == data
    with Image.open("d/b.png") as before, Image.open("out.webp") as after:
        assert np.array_equal(np.array(before.convert("RGB")), np.array(after))
    changed = Path("d/b.png").stat().st_mtime_ns
    assert inside("dejpeg", "d/b.png", "-o", "d/b.png", "--if-exists", "overwrite", *mixed) == 0
    assert f"d/b.png: skipped, {NO_TRACES}" in capsys.readouterr().err
    assert Path("d/b.png").stat().st_mtime_ns == changed
    assert inside("dejpeg", "d/b.png", "-o", "bare.png", "--strip", *mixed) == 0
    assert Path("bare.png").exists() and b"tEXt" not in Path("bare.png").read_bytes()


def test_in_a_pipe_it_is_passed_on(mixed: tuple[str, ...], nsr: Run) -> None:
    data = Path("d/b.png").read_bytes()
    done = nsr("dejpeg", "-", *mixed, stdin=data)
    assert done.returncode == 0 and f"{NO_TRACES}; passed on unchanged".encode() in done.stderr
    with Image.open("d/b.png") as before, Image.open(io.BytesIO(done.stdout)) as after:
        assert np.array_equal(np.array(before), np.array(after))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_noise_counts_within_the_bits_that_are_used(bits: int) -> None:
    noisy = (
        (ramp(192, 256) + np.random.default_rng(1).normal(0, 15, (192, 256, 3))).clip(0, 255).astype(np.uint8)
    )
    white = (1 << bits) - 1
    stored = Picture(np.rint(noisy / 255 * white).astype(np.uint16), white=White(white, 65_535))
    for page in (stored, Picture(noisy)):
        assert level_of(Settings("denoise"), page, b"").sigma == pytest.approx(15, rel=0.05)


def test_traces_of_jpeg_are_found_in_8_bits_of_16() -> None:
    once = np.asarray(Image.open(io.BytesIO(jpeg(quality=37))))
    once = np.tile(once, (2, 2, 1))
    levels = [
        level_of(Settings("dejpeg"), page, b"")
        for page in (Picture(once), Picture(once.astype(np.uint16), white=White(255, 255)))
    ]
    assert levels[0] == levels[1]
