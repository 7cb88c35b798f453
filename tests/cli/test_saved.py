"""`nsr eval --save`, `--model DIR/` and `--per-image`: single pictures and their figures."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.evaluate import PictureScore
from nsr_cli.scoreboard import scores
from tests.cli.test_evaluate import row
from tests.command import Inside
from tests.tiny import tiny_weights

Score = Callable[..., tuple[int, str, str]]


@pytest.fixture
def score(
    inside: Inside,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Score:
    """Run `nsr eval` on a folder of three small pictures, one of them gray; return exit code, stdout and stderr."""
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(2)
    for i, name in enumerate(("a", "b", "c")):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8))
        smooth = coarse.resize((49 + i, 40), Image.Resampling.BICUBIC)
        (smooth.convert("L") if name == "c" else smooth).save(tmp_path / "set" / f"{name}.bmp")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = inside("eval", "--set", "./set/", "--device", "cpu", *map(str, arguments))
        return (code, *capsys.readouterr())

    return run


def rows_of(answer: tuple[int, str, str]) -> list[dict[str, Any]]:
    assert answer[0] == 0, answer[2]
    rows: list[dict[str, Any]] = json.loads(answer[1])["rows"]
    return rows


def figures(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every figure of the rows and their pictures, to the last digit; not the times."""
    names = ("psnr", "ssim", "psnr_y", "images")
    return [
        {name: row[name] for name in names}
        | {"each": [[one[name] for name in ("name", "psnr", "ssim", "psnr_y")] for one in row["per_image"]]}
        for row in rows
    ]


def test_scores_are_those_of_fp32_unless_another_precision_is_asked_for(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsr_cli.engine.device._native_bf16", lambda device: True)
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    common = ("-s", "2", "--limit", "1", "--model", weights)
    assert json.loads(score(*common, "--json")[1])["precision"] == "fp32"
    monkeypatch.setenv("NSR_PRECISION", "bf16")  # for pictures; `command` in the JSON does not show it
    Path("nsr.toml").write_text('precision = "bf16"\n')
    assert json.loads(score(*common, "--json")[1])["precision"] == "fp32"
    assert json.loads(score(*common, "--json", "--precision", "auto")[1])["precision"] == "bf16"


def test_a_table_says_below_what_its_figures_were_computed_with(score: Score) -> None:
    made = scores.made_by("cpu", "fp32")
    for options in ((), ("--markdown",)):
        *_, gap, last = score("-s", "2", "--model", "bicubic", *options)[1].splitlines()
        assert (gap, last) == ("", scores.note(made))
        assert "torch 2." in last and "fp32" in last
    (record,) = csv.DictReader(io.StringIO(score("-s", "2", "--model", "bicubic", "--csv")[1]))
    assert {name: record[name] for name in made} == made


def test_the_table_on_a_terminal_has_the_note_too(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsr_cli.cli.evaluate.is_terminal", lambda stream: True)
    said = score("-s", "2", "--model", "bicubic", "--per-image")[1]
    assert said.splitlines()[-1] == scores.note(scores.made_by("cpu", "fp32"))
    assert "a.bmp" in said and "s/picture" in said


def test_the_means_are_exactly_those_of_the_single_pictures(score: Score) -> None:
    options = ("-q", "10", "--color", "rgb", "--model", "input")
    (found,) = rows_of(score(*options, "--per-image", "--json"))
    each = found["per_image"]
    assert [one["name"] for one in each] == ["a.bmp", "b.bmp", "c.bmp"]
    for name, mean in (
        ("psnr", "psnr"),
        ("ssim", "ssim"),
        ("psnr_y", "psnr_y"),
        ("seconds", "seconds_per_image"),
    ):
        assert float(np.mean([one[name] for one in each])) == found[mean]
    (plain,) = rows_of(score(*options, "--json"))
    assert "per_image" not in plain
    assert [plain[name] for name in ("psnr", "ssim", "psnr_y")] == [
        found[name] for name in ("psnr", "ssim", "psnr_y")
    ]
    means, *single = csv.DictReader(io.StringIO(score(*options, "--per-image", "--csv")[1]))
    assert means["picture"] == "" and float(means["psnr"]) == found["psnr"] and means["images"] == "3"
    assert [(one["picture"], float(one["psnr"]), float(one["psnr_y"]), one["images"]) for one in single] == [
        (one["name"], one["psnr"], one["psnr_y"], "1") for one in each
    ]
    assert [float(one["ssim"]) for one in single] == [one["ssim"] for one in each]


def test_single_pictures_have_a_table_of_their_own() -> None:
    pictures = (
        PictureScore("a|b.png", 30.123, 0.91234, 0.5, 31.987),
        PictureScore("c.png", np.inf, 1.0, None),
    )
    means, each = scores.as_markdown([row(pictures=pictures)], per_image=True).split("\n\n")
    assert means == scores.as_markdown([row()])
    header, _, *lines = (line.replace("\\|", "/").split("|")[1:-1] for line in each.splitlines())
    assert [cell.strip() for cell in header] == [
        "set", "level", "model", "picture", "PSNR dB", "PSNR Y dB", "SSIM", "s",
    ]  # fmt: skip
    assert [[cell.strip() for cell in line[3:]] for line in lines] == [
        ["a/b.png", "30.12", "31.99", "0.9123", "0.500"], ["c.png", "inf", "-", "1.0000", "-"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options, level",
    [
        (("-s", "2"), "x2"),
        (("-s", "3", "--limit", "2"), "x3"),
        (("--sigma", "25"), "sigma25-rgb"),
        (("--sigma", "7.5", "--color", "gray"), "sigma7.5"),
        (("-q", "10"), "q10"),
        (("-q", "10", "--subsampling", "4:4:4"), "q10-444"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_saved_pictures_have_the_same_figures_again(
    score: Score, tmp_path: Path, options: tuple[str, ...], level: str
) -> None:
    scale = int(options[1]) if options[0] == "-s" else 1
    weights = tiny_weights(tmp_path / "tiny.safetensors", scale=scale, levels=int(scale == 1))
    first = rows_of(score(*options, "-m", weights, "-m", "input", "--save", "out", "--per-image", "--json"))
    models = [tmp_path / "out" / "set" / name for name in ("tiny", "input")]
    again = rows_of(score(*options, *(f"-m{model}/" for model in models), "--per-image", "--json"))
    assert figures(again) == figures(first)
    assert [(found["model"], found["model_sha256"]) for found in again] == [("tiny", None), ("input", None)]
    assert {found["seconds_per_image"] for found in again} == {None}
    right_there = rows_of(score(*options, f"-m{models[0] / level}/", "--per-image", "--json"))
    assert (right_there[0]["model"], figures(right_there)) == (level, figures(first[:1]))


def test_what_is_saved_is_what_was_scored_whole(score: Score, tmp_path: Path) -> None:
    rows_of(score("-s", "2", "-s", "3", "-m", "bicubic", "--save", "out", "--json"))
    saved = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert saved == [f"set/bicubic/x{scale}/{name}.png" for scale in (2, 3) for name in "abc"]
    with Image.open(tmp_path / "out" / saved[0]) as color, Image.open(tmp_path / "out" / saved[-1]) as gray:
        assert (color.mode, color.size, gray.mode, gray.size) == ("RGB", (48, 40), "L", (51, 39))


def test_saved_pictures_are_replaced_only_if_asked_for(score: Score, tmp_path: Path) -> None:
    common = ("-s", "2", "-m", "bicubic", "--save", "out")
    mine = tmp_path / "out" / "set" / "bicubic" / "x2" / "b.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    code, out, said = score(*common)
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert "b.png already exists: --if-exists overwrite replaces it" in said
    assert list(mine.parent.iterdir()) == [mine]
    code, _, said = score(*common, "--if-exists", "skip")
    assert code == 0 and mine.read_bytes() == b"mine" and len(list(mine.parent.iterdir())) == 3
    assert said.splitlines() == [
        "saved 2 pictures in out",
        "1 skipped, as they already exist (--if-exists overwrite replaces them)",
    ]
    code, _, said = score(*common, "--if-exists", "overwrite")
    assert code == 0 and mine.read_bytes().startswith(b"\x89PNG") and said == "saved 3 pictures in out\n"


def test_models_of_one_name_are_saved_and_told_apart_by_their_folders(score: Score, tmp_path: Path) -> None:
    for seed, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        tiny_weights(tmp_path / folder / "tiny.safetensors", seed=seed)
    models = [option for folder in ("one", "two") for option in ("-m", f"{folder}/tiny.safetensors")]
    rows = rows_of(score("-s", "2", *models, "-m", "bicubic", "--limit", "1", "--save", "out", "--json"))
    assert [row["model"] for row in rows] == ["one/tiny", "two/tiny", "bicubic"]
    assert sorted(path.name for path in (tmp_path / "out" / "set").iterdir()) == [
        "bicubic",
        "one_tiny",
        "two_tiny",
    ]
    folders = [option for name in ("one_tiny", "two_tiny") for option in ("-m", f"out/set/{name}/x2/")]
    again = rows_of(score("-s", "2", *folders, "--limit", "1", "--json"))
    assert [row["model"] for row in again] == ["one_tiny/x2", "two_tiny/x2"]
    assert [row["psnr"] for row in again] == [row["psnr"] for row in rows[:2]]


def test_pictures_that_would_be_saved_as_one_are_refused(score: Score, tmp_path: Path) -> None:
    Image.open(tmp_path / "set" / "a.bmp").save(tmp_path / "set" / "a.png")
    code, _, said = score("-s", "2", "-m", "bicubic", "--save", "out")
    assert code == 2 and "two pictures would go to out/set/bicubic/x2/a.png" in said
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_found_before_any_work(score: Score, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    code, out, said = score("-s", "2", "-m", "bicubic", "--save", "file")
    assert (code, out) == (1, "") and said.endswith("choose another folder with --save\n")


def test_results_that_do_not_fit_are_named_before_any_work(score: Score, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"

    def refused(*options: str) -> str:
        code, out, said = score("-s", "2", "-m", "bicubic", "-m", "theirs/", "--save", "out", *options)
        assert (code, out, said.count("\n")) == (4, "", 1), said
        assert not (tmp_path / "out").exists()
        return said

    theirs.mkdir()
    for name, mode, size in (("a", "RGB", (48, 40)), ("b", "RGB", (50, 40)), ("c", "L", (50, 40))):
        Image.new(mode, size).save(theirs / f"{name}.png")
    assert score("-s", "2", "-m", "theirs/")[::2] == (0, "")
    (theirs / "b.png").rename(theirs / "d.png")
    assert "theirs has no result for b.bmp" in refused()
    for mode, kind in (("L", "8-bit gray"), ("RGBA", "8-bit RGB with transparency"), ("I;16", "16-bit gray")):
        Image.new(mode, (50, 40)).save(theirs / "b.png")
        assert f"theirs/b.png: it is {kind}, not 8-bit RGB; convert it" in refused()
    Image.new("RGB", (50, 39)).save(theirs / "b.png")
    assert "theirs/b.png: it has 50×39 pixels, but 50×40 are compared with b.bmp" in refused()
    (theirs / "b.png").write_bytes(b"no picture")
    assert "theirs/b.png: cannot be scored: not a picture" in (said := refused())
    assert said.endswith("; restore the picture again\n")
    (theirs / "b.png").unlink()
    for suffix in ("jpg", "png"):
        Image.new("RGB", (50, 40)).save(theirs / f"b.{suffix}")
    assert "theirs has b.jpg and b.png for b.bmp; keep one" in refused()
    Image.new("RGB", (50, 40), "red").save(theirs / "b.bmp")  # the very name decides
    assert score("-s", "2", "-m", "theirs/")[::2] == (0, "")


def test_pictures_of_one_level_are_not_taken_for_those_of_several(score: Score, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for name, mode in (("a", "RGB"), ("b", "RGB"), ("c", "L")):
        Image.new(mode, (50, 40)).save(tmp_path / "theirs" / f"{name}.png")
    code, _, said = score("--sigma", "15", "--sigma", "25", "-m", "theirs/")
    assert code == 2 and "theirs has no folder sigma15-rgb" in said and "give the one level" in said


def test_a_folder_is_written_with_a_slash(score: Score, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    code, _, said = score("-s", "2", "-m", "theirs")
    assert code == 2 and said.endswith("for the pictures in the folder write theirs/\n")
