"""Black-and-white pictures in three channels come out as those of one channel do, in memory and in bands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.engine.bands import picture_bands
from nsr_cli.forecast import memory
from nsr_cli.imaging.picture import Picture
from nsr_cli.steps.colorless import ColorlessRestorer, are_colorless, is_colorless
from tests.command import Inside, Run

RANDOM = np.random.default_rng(8)


def drawn(height: int = 60, width: int = 44) -> Image.Image:
    noise = RANDOM.random((height + 1, width))
    return Image.fromarray(((noise[1:] + noise[:-1]) * 127).astype(np.uint8))


def samples(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("change", [None, (0, 0, 1), (1299, 3, 2)])
def test_one_sample_makes_a_picture_colored(change: tuple[int, int, int] | None) -> None:
    pixels = np.repeat(RANDOM.integers(0, 250, (1300, 5, 1), np.uint8), 3, axis=2)
    if change is not None:
        pixels[change] += 1
    assert is_colorless(Picture(pixels)) is (change is None)
    assert are_colorless(picture_bands(pixels), lambda: None) is (change is None)


def test_a_picture_of_one_channel_is_gray_already() -> None:
    assert not is_colorless(Picture(np.zeros((4, 4, 1), np.uint8)))


@pytest.mark.parametrize(
    "command",
    [("upscale", "-s", "2"), ("denoise", "--sigma", "9"), ("auto", "-s", "2", "--model", "upscale=lite")],
)
def test_three_equal_channels_come_out_as_one_does(
    nsr: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    gray = drawn()
    gray.save(tmp_path / "gray.png")
    gray.convert("RGB").save(tmp_path / "three.png")
    Image.merge("RGBA", (gray, gray, gray, Image.new("L", gray.size, 255))).save(tmp_path / "clear.png")
    lite = () if command[0] == "auto" else ("--model", "lite")
    done = nsr(*command, *lite, "gray.png", "three.png", "clear.png", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    expected = samples(tmp_path / "out" / "gray.png")
    for name, channels in (("three.png", 3), ("clear.png", 4)):
        found = samples(tmp_path / "out" / name)
        assert found.shape == (*expected.shape, channels)
        assert all(np.array_equal(found[..., channel], expected) for channel in range(3))
    models = {json.loads(line)["model"] for line in done.stdout.splitlines()}
    assert len(models) == 1


@pytest.mark.parametrize(
    "command", [("compare", "--models", "input,lite"), ("explain", "--model", "lite"), ("explain",)]
)
def test_what_is_shown_of_them_is_what_restoring_makes_of_them(
    nsr: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    gray = drawn()
    gray.save(tmp_path / "gray.png")
    gray.convert("RGB").save(tmp_path / "three.png")
    records = []
    for name in ("gray", "three"):
        done = nsr(command[0], f"{name}.png", "--sigma", "25", "--json", *command[1:])
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert record.pop("input") == f"{name}.png"
        records.append({**record, "output": None, "seconds": 0})
    assert records[0] == records[1]
    models = [one["model"] for one in records[0].get("results", [records[0]])]
    assert models[-1] and models[-1].startswith("denoise-gray")


def test_scoring_takes_them_for_color_pictures_and_says_so(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    drawn().convert("RGB").save(tmp_path / "own" / "a.png")
    drawn().save(tmp_path / "own" / "b.png")
    done = nsr("eval", "--set", "own/", "-s", "2", "--model", "bicubic", "--json")
    assert done.returncode == 0 and done.stderr.decode() == (
        "own/: gray pictures in three equal channels, 1 of 2, are scored as color ones, as in the papers; the "
        "restoring commands take them for gray\n"
    )


def test_in_bands_too(
    inside: Inside, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gray = drawn(120)
    for name, page in (("gray.tif", gray), ("three.tif", gray.convert("RGB"))):
        page.save(tmp_path / name, save_all=True, append_images=[page])
    taken: list[str] = []
    true = ColorlessRestorer.bands

    def bands(self: Any, source: Any, *more: Any, **options: Any) -> Any:
        taken.append(type(self).__name__)
        return true(self, source, *more, **options)

    monkeypatch.setattr(ColorlessRestorer, "bands", bands)
    monkeypatch.setattr(memory, "_WRITING", 0)
    monkeypatch.setattr(memory, "_together", lambda *_: 1 << 40)
    limit = ("--max-memory", str(12 << 20))
    assert (
        inside("upscale", "-s", "2", "--model", tiny_model, "gray.tif", "three.tif", "-o", "out", *limit) == 0
    )
    assert taken == ["ColorlessRestorer"] * 2
    expected, found = samples(tmp_path / "out" / "gray.tif"), samples(tmp_path / "out" / "three.tif")
    assert found.shape == (*expected.shape, 3)
    assert all(np.array_equal(found[..., channel], expected) for channel in range(3))
