"""`nsr compare` as a user runs it."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsr_cli.cli.variants import Variant, list_variants
from nsr_cli.errors import UsageError
from tests.browser import Browser, find_chromium
from tests.command import Run
from tests.tiny import tiny_weights


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Smooth all over but for a busy spot, whose middle is (70, 40)."""
    y, x = np.mgrid[:80, :100]
    pixels = np.stack([x, y, x + y], axis=-1).astype(np.uint8)
    pixels[30:50, 60:80] = np.random.default_rng(3).integers(0, 256, (20, 20, 3))
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_bicubic_and_a_network_on_a_sheet(nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = nsr(
        "compare", "photo.png", "-s", "2", "--models", f"bicubic,{tiny_model}", "--size", "32", "--json"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [(one["label"], one["strength"]) for one in record["results"]] == [
        ("bicubic", None),
        ("tiny", 1.0),
    ]
    assert record["out_size"] == [200, 160] and record["most_different"] == [0, 1]
    left, top, width, height = record["region"]
    assert (width, height) == (32, 32) and 4 <= left <= 164 and 4 <= top <= 124, "not at the border"
    assert done.stderr.decode().startswith(
        "photo.png -> photo_compare.png  the most different 32x32 pixels at"
    )
    with Image.open(tmp_path / "photo_compare.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 3 * 384
    args = ["-s", "2", "-m", f"bicubic,{tiny_model}", "--size", "all", "-o", "all.png", "--json"]
    whole = json.loads(nsr("compare", "photo.png", *args).stdout)
    assert whole["region"] == [0, 0, 200, 160] and record["difference"] > whole["difference"]


def test_the_crops_are_what_the_restoring_commands_write(
    nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    assert (
        nsr(
            "upscale", "photo.png", "-s", "2", "-m", tiny_model, "--strength", "0.5", "-o", "half.png"
        ).returncode
        == 0
    )
    args = ["-s", "2", "-m", str(tiny_model), "--strengths", "0.5", "--size", "all", "--at", "3,3"]
    assert nsr("compare", "photo.png", *args, "-o", "sheet.png").returncode == 0
    half = np.asarray(Image.open(tmp_path / "half.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    zoom = round(384 / 200)
    shown = sheet[84 : 84 + zoom * 160 : zoom, 24 : 24 + zoom * 200 : zoom]
    assert np.abs(shown.astype(int) - half).max() <= 1


def test_a_page_with_strengths_opens_in_a_browser(
    nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    args = ["-s", "2", "--models", "bicubic,input", "-m", str(tiny_model), "--strengths", "0.5,1"]
    done = nsr("compare", "photo.png", *args, "-o", "report.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text)[:4] == [
        "bicubic",
        "input",
        "tiny · 0.5",
        "tiny · 1",
    ]
    assert "http" not in text.replace("http-equiv", "")
    program = find_chromium()
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with Browser(program) as browser:
        browser.open(tmp_path / "report.html", "#left=1&right=0&at=50")
        both = browser.screenshot()
        browser.open(tmp_path / "report.html", "#left=1&right=0&at=100")
        first = browser.screenshot()
        box = browser.run(
            "(() => { const b = stage.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )
    x, y, width, height = (int(value) for value in box)
    left, right = slice(x, x + width // 2 - 20), slice(x + width // 2 + 20, x + width)
    rows = slice(y + 40, y + height)
    assert np.array_equal(both[rows, left], first[rows, left]), "the left half is the same result"
    assert not np.array_equal(both[rows, right], first[rows, right]), "the right half is another one"


def test_input_and_network_of_a_noisy_picture_to_stdout(nsr: Run, photo: Path, tmp_path: Path) -> None:
    model = tiny_weights(tmp_path / "own.safetensors", scale=1, channels=3, levels=1)
    done = nsr(
        "compare", "-", "--sigma", "25", "-m", f"input,{model}", "--at", "70,40", stdin=photo.read_bytes()
    )
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as sheet:
        assert sheet.format == "PNG"


def test_notes_about_a_picture_are_in_the_record_too(nsr: Run, tmp_path: Path) -> None:
    """The quality that was found in its tables, and that a color network is told of less noise than there is."""
    Image.effect_noise((48, 40), 60).save(tmp_path / "gray.jpg", quality=30)
    args = ("compare", "gray.jpg", "-m", "input", "--if-exists", "overwrite", "--json")
    record = json.loads(nsr(*args, "--task", "dejpeg").stdout)
    assert (record["quality"], record["notes"]) == (30, ["quality 30, gray"])
    done = nsr(*args, "--sigma", "60", "-m", "denoise-rgb-lite")
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("sigma 60 in a gray picture: denoise-rgb-lite ") and note in done.stderr.decode()


def test_the_color_profile_goes_with_the_pixels(
    nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(photo) as image:
        image.save(tmp_path / "tagged.png", icc_profile=profile)
    assert nsr("compare", "tagged.png", "-s", "2", "-m", f"bicubic,{tiny_model}").returncode == 0
    with Image.open(tmp_path / "tagged_compare.png") as sheet:
        assert sheet.info["icc_profile"] == profile


def test_the_region_is_around_the_point(nsr: Run, photo: Path) -> None:
    done = nsr("compare", "photo.png", "-s", "2", "-m", "input", "--at", "70,60", "--size", "20", "--json")
    assert json.loads(done.stdout)["region"] == [60, 50, 20, 20]


@pytest.mark.parametrize(
    "args, expected",
    [
        (["--task", "denoise", "-m", "bicubic"], "use input to show what denoise starts from"),
        (["-m", "bicubc"], "bicubc is neither a model nor a file; did you mean bicubic?"),
        (["-m", "input", "--strengths", "0.5,2"], "from 0 (none) to 1 (all)"),
        (["-m", "input", "--size", "3"], "pixels from 8 to 8192, or all"),
        (["-m", "input", "--at", "3"], "give X,Y"),
        (["-m", "input", "-s", "2", "--at", "200,3"], "outside the result of 200x160"),
        (["-m", "input", "-o", "a.pdf"], "must end in .png or .html or .htm"),
        (["-m", "gone.safetensors"], "no such file"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], expected: str, nsr: Run, photo: Path) -> None:
    done = nsr("compare", "photo.png", *args)
    text = done.stderr.decode()
    assert done.returncode == 2 and text.count("\n") == 1 and expected in text, text


@pytest.mark.parametrize(
    "task, models, expected",
    [
        ("upscale", [], [Variant("bicubic"), Variant(None, (0.5, 1.0))]),
        ("dejpeg", [], [Variant("input"), Variant(None, (0.5, 1.0))]),
        (
            "upscale",
            ["input, bicubic", "lite,input"],
            [Variant("input"), Variant("bicubic"), Variant("lite", (0.5, 1.0))],
        ),
    ],
)
def test_variants_are_models_times_strengths(task: str, models: list[str], expected: list[Variant]) -> None:
    assert list_variants(task, models, [0.5, 1.0, 0.5]) == tuple(expected)


def test_a_file_with_a_comma_in_its_name_is_one_model(tmp_path: Path) -> None:
    path = tiny_weights(tmp_path / "a,b.safetensors")
    assert list_variants("upscale", [str(path)], [1.0]) == (Variant(str(path), (1.0,)),)
    with pytest.raises(UsageError):
        list_variants("upscale", [str(path) + ",bicubic"], [1.0])


def test_files_of_one_name_are_told_apart(nsr: Run, photo: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        tiny_weights(tmp_path / folder / "net.safetensors")
    done = nsr("compare", "photo.png", "-s", "2", "-m", "one/net.safetensors,two/net.safetensors", "--json")
    labels = [one["label"] for one in json.loads(done.stdout)["results"]]
    assert labels == ["net (one/net.safetensors)", "net (two/net.safetensors)"]
    assert b"the results are the same" in done.stderr
