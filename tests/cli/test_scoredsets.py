"""What `nsr eval` finds out about sets before it scores any: their color, damage, and names that are the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import Inside

Score = Callable[..., tuple[int, list[dict[str, Any]], str]]


def draw(path: Path, mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (8, 9, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)


@pytest.fixture
def score(inside: Inside, capsys: pytest.CaptureFixture[str]) -> Score:
    """Run `nsr eval --json`; return the exit code, the rows and what was said."""

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        capsys.readouterr()
        code = inside("eval", "--json", "--device", "cpu", *arguments)
        said = capsys.readouterr()
        return code, json.loads(said.out)["rows"] if code == 0 else [], said.err

    return run


@pytest.mark.parametrize(("modes", "color"), [("LL", "gray"), ("L1", "gray"), (["L", "RGB"], "rgb")])
def test_a_folder_of_gray_pictures_is_a_gray_set(score: Score, modes: list[str], color: str) -> None:
    """As `nsr denoise` takes a gray network for each of them; the network of color pictures was taken for all."""
    for number, mode in enumerate(modes):
        draw(Path(f"own/{number}.png"), mode)
    code, rows, said = score("--set", "own/", "--sigma", "25")
    assert (code, said) == (0, "")
    assert [(row["set"], row["color"], row["model"]) for row in rows] == [("own/", color, f"denoise-{color}")]


def test_a_picture_that_cannot_be_used_is_found_before_any_row(score: Score) -> None:
    draw(Path("own/a.png"))
    least = "which takes 16×16 here; leave it out"  # SSIM's window of 11, and 2 pixels shaved from each side
    for spoil, why in (
        (
            lambda path: path.write_bytes(b""),
            "cannot be scored: the file is empty; get the file again, or leave it out",
        ),
        (lambda path: draw(path, size=(14, 14)), f"14×14 pixels are too few to be scored, {least}"),
        (lambda path: draw(path, size=(48, 15)), f"48×15 pixels are too few to be scored, {least}"),
    ):
        spoil(Path("own/z.png"))
        code, _, said = score("--set", "own/", "-s", "2", "--model", "bicubic", "--save", "out")
        assert code == 4 and said == f"nsr: own/z.png: {why}\n".replace("own", str(Path("own").resolve()))
        assert not Path("out").exists()


def test_subfolders_are_said_not_to_be_scored(score: Score) -> None:
    """`nsr train` looks into those of its --data, so that a mean over part of a folder is taken for that of all."""
    for name in ("a", "more/b", "more/still/c", "other/d", ".cache/e"):
        draw(Path(f"own/{name}.png"))
    code, (row,), said = score("--set", "own/", "-s", "2", "--model", "bicubic")
    assert (code, row["images"]) == (0, 1)
    assert said == "own/: 2 subfolders not looked into; each can be a --set of its own\n"


def test_a_set_that_is_not_as_published_has_no_figures_of_the_paper_beside(score: Score) -> None:
    for number in range(1, 6):
        draw(Path(f"data/Set5/img_00{number}.png"))
    code, (row,), said = score("--set", "Set5", "--data", "data", "-s", "2", "--model", "bicubic")
    assert (code, row["images"], row["paper"]) == (0, 5, None)
    assert said == (
        "Set5: the files in data/Set5 are not as published (img_001.png is damaged and 4 more), so the figures of the "
        "paper are left out; get them again\n"
    )


def test_files_that_nobody_can_compare_are_said_to_be_so(score: Score) -> None:
    for number in range(5):
        draw(Path(f"data/Set5/{number}.png"))
    code, (row,), said = score("--set", "Set5", "--data", "data", "-s", "2", "--model", "bicubic")
    assert code == 0 and row["paper"] is not None
    assert said.startswith("Set5: the files in data/Set5 are not the published ones; whether they show the ")


def test_folders_of_one_name_are_told_apart(score: Score) -> None:
    for folder in ("x/photos", "y/photos"):
        draw(Path(folder, "a.png"))
    sets = ("--set", "x/photos/", "--set", "y/photos/", "--set", "./x/photos")
    code, rows, _ = score(*sets, "-s", "2", "--model", "bicubic", "--save", "out")
    assert code == 0 and [row["set"] for row in rows] == ["x/photos/", "y/photos/"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["x_photos", "y_photos"]


def test_a_color_network_on_strong_noise_in_gray_pictures_is_said(score: Score) -> None:
    draw(Path("own/a.png"), "L")
    models = ("--model", "denoise-rgb-lite", "--model", "denoise-gray-lite")
    code, rows, said = score("--set", "own/", "--sigma", "50", *models)
    assert code == 0 and len(rows) == 2
    assert said.startswith("sigma 50 in a gray picture: denoise-rgb-lite ") and said.count("\n") == 1
