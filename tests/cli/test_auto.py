"""`nsr auto`: which steps each picture takes, on what pixels, and how that is told."""

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging.codec import decode
from nsr_cli.imaging.color import from_unit, to_unit
from nsr_cli.notes import provenance
from nsr_cli.restore import Restorer
from nsr_cli.weights.manifest import Manifest
from tests.command import SAMPLE, Inside, Run

Call = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(SAMPLE).convert("RGB").crop((0, 0, 192, 144))


@pytest.fixture
def album(tmp_path: Path, photo: Image.Image) -> Path:
    """A folder with a clean picture, a compressed one, a noisy one, and one that is both."""
    folder = tmp_path / "album"
    folder.mkdir()
    noisy = Image.fromarray(
        (np.asarray(photo) + np.random.default_rng(0).normal(0, 25, (144, 192, 3)))
        .clip(0, 255)
        .round()
        .astype(np.uint8)
    )
    photo.save(folder / "clean.png")
    photo.save(folder / "small.jpg", quality=40)
    noisy.save(folder / "noisy.png")
    noisy.save(folder / "old.jpg", quality=85, subsampling=0)
    return folder


@pytest.fixture
def models(level_model: Path) -> tuple[str, ...]:
    return ("--model", f"dejpeg={level_model}", "--model", f"denoise={level_model}")


@pytest.fixture
def call(inside: Inside, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Run `nsr ARGS` in this process, which has to work; what it wrote to stdout and stderr."""

    def run(*args: str | Path) -> tuple[str, str]:
        capsys.readouterr()
        code = inside(*args)
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out, said.err

    return run


def records(text: str) -> dict[str, dict[str, Any]]:
    found = map(json.loads, text.splitlines())
    return {Path(record["input"]).name: record for record in found}


def test_each_picture_takes_the_steps_that_it_needs(
    nsr: Run, album: Path, models: tuple[str, ...], level_model: Path, tmp_path: Path
) -> None:
    done = nsr("auto", "album", *models, "--json")
    assert done.returncode == 0, done.stderr
    found = records(done.stdout.decode())
    steps = {name: [step["task"] for step in record["steps"]] for name, record in found.items()}
    assert steps["clean.png"] == [] and steps["small.jpg"] == ["dejpeg"] and steps["noisy.png"] == ["denoise"]
    assert steps["old.jpg"][0] == "dejpeg"
    assert [found[name]["status"] for name in ("clean.png", "old.jpg")] == ["skipped", "ok"]
    assert found["clean.png"]["reason"] == "nothing was found that clearly needs repair"
    digest = hashlib.sha256(level_model.read_bytes()).hexdigest()
    assert found["small.jpg"]["steps"] == [
        {
            "task": "dejpeg",
            "sigma": None,
            "quality": 40,
            "scale": None,
            "model": "level",
            "model_sha256": digest,
        }
    ]
    assert (found["small.jpg"]["task"], found["small.jpg"]["quality"]) == ("auto", 40)
    assert found["noisy.png"]["sigma"] == pytest.approx(25, rel=0.1)
    assert sorted(path.name for path in (tmp_path / "album_auto").iterdir()) == [
        "noisy.png", "old.png", "small.png",
    ]  # fmt: skip


def test_the_chain_is_named_in_the_line_and_the_note(
    call: Call, album: Path, models: tuple[str, ...], tiny_model: Path
) -> None:
    enlarge = ("--model", f"upscale={tiny_model}", "-s", "2")
    _, said = call("auto", "album/small.jpg", "album/clean.png", *models, *enlarge)
    assert (
        "album/small.jpg -> album/small_auto.png  192x144 -> 384x288  dejpeg (quality 40), upscale x2  "
        in said
    )
    assert "album/clean.png -> album/clean_auto.png  192x144 -> 384x288  upscale x2  " in said
    shown = call("info", "album/small_auto.png")[0].splitlines()
    assert shown[0].startswith(
        "album/small_auto.png: nsr auto --scale 2 --model dejpeg=level.safetensors --model "
    )
    assert shown[1] == "  steps dejpeg (quality 40), upscale x2"
    assert shown[2].startswith("  model level+tiny (sha256 ")


def test_there_is_no_rounding_between_the_steps(
    call: Call, album: Path, models: tuple[str, ...], tiny_model: Path, level_model: Path
) -> None:
    unit = to_unit(decode((album / "small.jpg").read_bytes()).pixels)
    between = Restorer.load("dejpeg", model=str(level_model)).run(unit, quality=40, clipped=False)
    exact = Restorer.load("upscale", scale=2, model=str(tiny_model)).run(between)
    rounded = Restorer.load("upscale", scale=2, model=str(tiny_model)).run(
        to_unit(from_unit(between, np.uint8))
    )
    call("auto", "album/small.jpg", *models, "--model", f"upscale={tiny_model}", "-s", "2", "-o", "made.png")
    made = np.asarray(Image.open("made.png"))
    assert np.array_equal(made, from_unit(exact, np.uint8))
    assert not np.array_equal(made, from_unit(rounded, np.uint8)), "the test would not notice a rounding"


def test_transparency_is_handled_once(call: Call, album: Path, tiny_model: Path, level_model: Path) -> None:
    layered = Image.open(album / "noisy.png")
    alpha = Image.new("L", layered.size, 255)
    alpha.paste(0, (0, 0, 96, 144))
    layered.putalpha(alpha)
    layered.save("a.png")
    call("auto", "a.png", "-s", "2", "--model", f"denoise={level_model}", "--model", f"upscale={tiny_model}")
    call("upscale", "a.png", "-s", "2", "-m", tiny_model)
    made, plain = (Image.open(name) for name in ("a_auto.png", "a_x2.png"))
    assert made.mode == "RGBA" and made.size == (384, 288)
    assert np.array_equal(np.asarray(made)[..., 3], np.asarray(plain)[..., 3])


def test_zero_strength_gives_the_input_and_half_is_between(
    call: Call, album: Path, models: tuple[str, ...]
) -> None:
    made = {}
    for strength in ("0", "0.5", "1"):
        call("auto", "album/noisy.png", *models, "--strength", strength, "-o", f"s{strength}.png")
        made[strength] = np.asarray(Image.open(f"s{strength}.png")).astype(float)
    assert np.array_equal(made["0"], np.asarray(Image.open(album / "noisy.png")))
    middle = (made["0"] + made["1"]) / 2
    inside = (made["1"] > 0) & (made["1"] < 255)  # what was clipped was blended before
    assert inside.any() and np.abs(made["0.5"] - middle)[inside].max() <= 1


def test_weights_that_are_missing_end_the_run_with_one_line(
    inside: Inside, album: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Manifest((), Path().absolute().as_uri())
    monkeypatch.setattr("nsr_cli.weights.store.load_manifest", lambda: empty)
    assert inside("auto", "album/clean.png", "album/small.jpg") == 4
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nsr: ")]
    assert len(errors) == 1 and "no weights for dejpeg" in errors[0] and "--model" in errors[0]
    assert not list(Path().rglob("*_auto.png"))


def test_a_stream_loses_none_of_its_pictures(
    nsr: Run, album: Path, models: tuple[str, ...], tiny_model: Path
) -> None:
    def frame(name: str) -> bytes:
        stored = io.BytesIO()
        Image.open(album / name).convert("RGB").save(stored, "PPM")
        return stored.getvalue()

    noisy, clean = frame("noisy.png"), frame("clean.png")
    done = nsr("auto", "-", *models, stdin=clean + noisy + clean)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 3 * len(clean)
    assert done.stdout.startswith(clean) and done.stdout.endswith(clean)
    assert done.stdout[len(clean) : 2 * len(clean)] != noisy
    assert b"stdin: nothing was found that clearly needs repair; passed on unchanged" in done.stderr


def test_the_same_again_does_only_what_is_missing_and_other_settings_do_it_anew(
    call: Call, album: Path, models: tuple[str, ...]
) -> None:
    call("auto", "album", *models)
    made = Path("album_auto/small.png")
    before = made.stat().st_ino
    assert "0 restored, 4 skipped in" in call("auto", "album", *models)[1]
    assert made.stat().st_ino == before
    record = provenance.read(made)
    assert record is not None and record["steps"] == "dejpeg (quality 40)"
    assert "3 of them again" in call("auto", "album", *models, "--strength", "0.5")[1]
    assert made.stat().st_ino != before


def test_a_dry_run_looks_at_the_pictures_and_changes_nothing(call: Call, album: Path) -> None:
    before = sorted(Path().rglob("*"))
    out, said = call("auto", "album", "--dry-run")
    assert [re.sub(r"level [\d.]+", "level N", line) for line in out.splitlines()] == [
        (
            "album/clean.png -> album_auto/clean.png  192x144 -> 192x144  "
            "(skipped: nothing was found that clearly needs repair)"
        ),
        "album/noisy.png -> album_auto/noisy.png  192x144 -> 192x144  denoise (noise level N)",
        "album/old.jpg -> album_auto/old.png  192x144 -> 192x144  dejpeg (quality 85), denoise (noise level N)",
        "album/small.jpg -> album_auto/small.png  192x144 -> 192x144  dejpeg (quality 40)",
    ]
    assert "3 to restore, 1 better left alone; " in said
    found = records(call("auto", "album", "-n", "-s", "2", "--json")[0])
    assert [step["task"] for step in found["small.jpg"]["steps"]] == ["dejpeg", "upscale"]
    assert found["clean.png"]["status"] == "planned" and found["clean.png"]["out_size"] == [384, 288]
    assert found["small.jpg"]["steps"][1]["scale"] == 2
    assert sorted(Path().rglob("*")) == before


def test_a_dry_run_reads_no_file_that_is_too_large_for_a_picture(
    inside: Inside, album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (album / "large.png").open("wb") as file:
        file.truncate(1 << 27)
    assert inside("auto", album / "large.png", "--dry-run", "--max-pixels", "100") == 1
    assert "134217728 bytes are too many for a picture within --max-pixels 100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--model", "own.safetensors"], "say for which step, such as --model denoise=own.safetensors"),
        (["--model", "denois=a.safetensors"], "no such step; did you mean denoise?"),
        (["--model", "denoise="], "no such step"),
        (["--model", "denoise=upscale-x2-lite"], "is for upscale x2 (rgb), not for denoise"),
        (["-s", "2", "--width", "900"], "--scale and --width/--height exclude each other"),
        (["-s", "1"], "give a factor above 1"),
    ],
)
def test_wrong_usage_is_one_line(
    args: list[str], expected: str, inside: Inside, album: Path, capsys: Any
) -> None:
    assert inside("auto", "album/clean.png", *args) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and expected in said, said


def test_pictures_that_are_large_enough_are_repaired_and_not_enlarged(
    call: Call, album: Path, models: tuple[str, ...], tiny_model: Path
) -> None:
    Image.new("RGB", (150, 100), (90, 20, 200)).save(album / "less.png")
    size = ("--width", "190", "--model", f"upscale={tiny_model}", *models)
    for more in (("--dry-run",), ()):
        found = records(call("auto", "album", *size, *more, "--json")[0])
        assert found["clean.png"]["status"] == "skipped"
        steps = {name: [step["task"] for step in found[name]["steps"]] for name in ("small.jpg", "less.png")}
        assert steps == {"small.jpg": ["dejpeg"], "less.png": ["upscale"]}
        assert found["small.jpg"]["out_size"] == [192, 144]
        assert found["less.png"]["out_size"] == [190, 127]


def test_models_come_from_the_settings_too(call: Call, album: Path, level_model: Path) -> None:
    Path("nsr.toml").write_text(f'[auto]\nmodel = "dejpeg={level_model} denoise={level_model}"\n')
    call("auto", "album")
    assert len(list(Path("album_auto").iterdir())) == 3
