"""`nsr eval`: options to cases, rows to tables, and whole runs of the program on a small set."""

import csv
import hashlib
import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsr_cli.datasets import load_registry
from nsr_cli.errors import UsageError
from nsr_cli.evaluate import Case, Row, degraded, original
from nsr_cli.imaging.picture import Picture
from nsr_cli.restore import Restorer
from nsr_cli.scoreboard import scores
from nsr_cli.scoreboard.asked import choose_color, choose_levels
from tests.command import Run
from tests.tiny import tiny_weights

Nsr = Callable[..., "subprocess.CompletedProcess[str]"]


def row(**changes: object) -> Row:
    values: dict[str, object] = {
        "set": "Set5", "task": "upscale", "scale": 2, "sigma": None, "quality": None, "model": "upscale-x2",
        "model_sha256": "ab" * 32, "images": 5, "psnr": 37.981, "ssim": 0.96041, "seconds_per_image": 0.25,
        "paper": {"EDSR (S)": {"psnr": 37.99, "ssim": 0.9604}, "Sparse +": {"psnr": 38.02, "ssim": 0.961}},
    }  # fmt: skip
    return Row(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a `Set5` of five small pictures."""
    folder = tmp_path / "data" / "Set5"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    for name in ("baby", "bird", "butterfly", "head", "woman"):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8))
        coarse.resize((48, 40), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return tmp_path / "data"


@pytest.fixture
def told(nsr: Run) -> Nsr:
    """Run `nsr ARGS`; what it says is decoded."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        done = nsr(*arguments)
        said = done.stdout.decode(), done.stderr.decode()
        return subprocess.CompletedProcess(arguments, done.returncode, *said)

    return run


@pytest.mark.parametrize(
    "task, scale, sigma, quality, expected",
    [
        (None, (), (), (), ("upscale", (2, 3, 4))),
        (None, (4, 2, 4), (), (), ("upscale", (4, 2))),
        (None, (), (25.0,), (), ("denoise", (25.0,))),
        (None, (), (), (10,), ("dejpeg", (10,))),
        ("denoise", (), (), (), ("denoise", (15, 25, 50))),
        ("dejpeg", (), (), (), ("dejpeg", (10, 20, 30, 40))),
    ],
)
def test_task_and_levels_follow_from_the_options(
    task: str | None,
    scale: tuple[int, ...],
    sigma: tuple[float, ...],
    quality: tuple[int, ...],
    expected: tuple[str, tuple[float, ...]],
) -> None:
    assert choose_levels(task, scale, sigma, quality) == expected


def test_options_of_different_tasks_exclude_each_other() -> None:
    with pytest.raises(UsageError, match=r"--scale and --sigma belong to different tasks: give one of them"):
        choose_levels(None, (2,), (25.0,), ())
    with pytest.raises(UsageError, match=r"--jpeg-quality does not belong to --task upscale"):
        choose_levels("upscale", (), (), (10,))
    with pytest.raises(UsageError, match=r"--task: there is no upscael; did you mean upscale\?"):
        choose_levels("upscael", (), (), ())


def test_markdown_is_one_table_with_the_paper_beside() -> None:
    paper = {"JPEG": {"psnr": 27.82, "ssim": None}}
    jpeg = row(task="dejpeg", scale=None, quality=10, set="a|b", model="input", psnr=27.8211, paper=paper)
    lines = scores.as_markdown([row(), jpeg, row(psnr=math.inf, paper=None)]).splitlines()
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1, "columns are aligned"
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "Set5", "x2", "upscale-x2", "5", "37.98", "0.9604", "0.250", "Sparse + 38.02 / 0.9610",
    ]  # fmt: skip
    assert "a\\|b" in lines[3] and "q 10" in lines[3] and "JPEG 27.82 " in lines[3]
    assert " inf " in lines[4]


def test_csv_keeps_full_precision_and_every_column_of_the_paper() -> None:
    rows = [row(), row(paper=None, model='odd,"name"')]
    records = list(csv.DictReader(io.StringIO(scores.as_csv(rows, scores.made_by("cuda", "bf16")))))
    assert float(records[0]["psnr"]) == 37.981 and float(records[0]["paper EDSR (S) ssim"]) == 0.9604
    assert records[0]["sigma"] == ""
    assert records[1]["model"] == 'odd,"name"' and records[1]["paper Sparse + psnr"] == ""
    assert [(record["device"], record["precision"]) for record in records] == [("cuda", "bf16")] * 2


def test_color_jpeg_has_a_column_for_y_and_parts_of_sets_are_marked() -> None:
    jpeg = row(task="dejpeg", scale=None, quality=10, color="rgb", subsampling="4:2:0", psnr=25.389, psnr_y=27.62,
               images=3, set_images=100, paper=None)  # fmt: skip
    gray = row(task="denoise", scale=None, sigma=25.0, color="gray", set_images=5)
    color = row(task="denoise", scale=None, sigma=25.0, color="rgb", psnr_y=math.inf)
    lines = [line.split("|")[1:-1] for line in scores.as_markdown([jpeg, gray, color]).splitlines()]
    header, _, *table = ([cell.strip() for cell in line] for line in lines)
    assert header[4:7] == ["PSNR dB", "PSNR Y dB", "SSIM"]
    assert "|".join(table[0]) == "Set5|q 10 4:2:0|upscale-x2|3 of 100|25.39|27.62|0.9604|0.250|-"
    assert [line[1] for line in table[1:]] == ["sigma 25", "sigma 25 RGB"]
    assert [line[3] for line in table[1:]] == ["5", "5"] and [line[5] for line in table[1:]] == ["-", "inf"]
    assert "(Y 27.62 dB)" in scores.one_line(jpeg)


def test_color_follows_from_the_options() -> None:
    assert choose_color("dejpeg", None, ()) == (None, ("4:2:0",))
    assert choose_color("dejpeg", None, ("4:4:4", "4:2:0", "4:4:4")) == ("rgb", ("4:4:4", "4:2:0"))
    assert choose_color("denoise", "gray", ()) == ("gray", ("4:2:0",))
    for arguments, said in [
        (("upscale", "rgb", ()), "--color is for"),
        (("denoise", None, ("4:2:0",)), "--subsampling is for"),
        (("dejpeg", "gray", ("4:2:0",)), "--subsampling is for"),
        (("dejpeg", None, ("4:1:1",)), "4:2:2"),
    ]:
        with pytest.raises(UsageError, match=said):
            choose_color(*arguments)  # type: ignore[arg-type]


def test_color_networks_stand_beside_gray_ones_in_one_table(told: Nsr, data: Path, tmp_path: Path) -> None:
    for name, channels in (("gray", 1), ("rgb", 3)):
        tiny_weights(tmp_path / f"{name}.safetensors", scale=1, channels=channels, levels=1)
    both = [
        option for name in ("gray", "rgb") for option in ("--model", str(tmp_path / f"{name}.safetensors"))
    ]
    common = ["--set", "Set5", *both, "--model", "input", "--data", str(data), "--json", "--device", "cpu"]
    for options in (["-q", "10", "--color", "rgb", "--limit", "2"], ["--sigma", "25"]):
        done = told("eval", *common, *options)
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["rows"]
        assert [row["model"] for row in rows] == ["gray", "rgb", "input"]
        assert {row["color"] for row in rows} == {"rgb"}
        assert {(row["images"], row["set_images"]) for row in rows} == {(2 if "-q" in options else 5, 5)}
        assert all((row["psnr_y"] is not None) == ("-q" in options) for row in rows)


def test_json_holds_what_is_needed_to_repeat_the_run(told: Nsr, data: Path) -> None:
    done = told("eval", "--set", "Set5", "-s", "2", "-s", "3", "--model", "bicubic", "--model", "input",
               "--data", str(data), "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == ["schema", "version", "torch", "device", "precision", "command", "rows"]
    assert answer["command"].startswith("nsr eval --set Set5 -s 2 -s 3 --model bicubic")
    assert [(r["scale"], r["model"]) for r in answer["rows"]] == [
        (2, "bicubic"), (2, "input"), (3, "bicubic"), (3, "input"),
    ]  # fmt: skip
    first, second = answer["rows"][:2]
    assert set(first) == {
        "set", "task", "scale", "sigma", "quality", "model", "model_sha256", "images", "psnr", "ssim",
        "seconds_per_image", "paper", "color", "subsampling", "psnr_y", "set_images",
    }  # fmt: skip
    assert first["psnr"] == second["psnr"] and first["images"] == 5
    assert first["paper"] == {"Bicubic": {"psnr": 33.66, "ssim": 0.9299}}


def test_a_network_from_a_file_is_scored_and_named_by_its_hash(told: Nsr, data: Path, tmp_path: Path) -> None:
    content = tiny_weights(tmp_path / "tiny.safetensors").read_bytes()
    done = told("eval", "--set", "Set5", "-s", "2", "--model", str(tmp_path / "tiny.safetensors"),
               "--data", str(data), "--json", "--device", "cpu", "--precision", "fp32")  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (only,) = answer["rows"]
    assert (only["model"], only["model_sha256"]) == ("tiny", hashlib.sha256(content).hexdigest())
    assert (answer["device"], answer["precision"]) == ("cpu", "fp32")
    assert only["psnr"] > 5 and only["seconds_per_image"] > 0
    assert set(only["paper"]) >= {"Sparse +", "Sparse -"} and "Bicubic" not in only["paper"]


def test_several_sets_and_tasks_print_plain_markdown_when_stdout_is_no_terminal(
    told: Nsr, data: Path
) -> None:
    done = told("eval", "--set", "Set5", "--sigma", "25", "--model", "input", "--data", str(data))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("| set") and "sigma 25" in lines[2]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("--set", "Set55", "-s", "2", "--model", "bicubic"), 2, "Set5"),
        (("--set", "Set5", "-s", "2", "--model", "bicubbic"), 2, "bicubic"),
        (("--set", "Set5", "--sigma", "25", "--model", "bicubic"), 2, "input"),
        (("--set", "Set5", "-s", "1"), 2, "scale"),
        (("--set", "Set14", "-s", "2", "--model", "bicubic", "--offline"), 4, "Set14"),
        (("-s", "2"), 2, "--set"),
        (("--set", "Set5", "--json", "--csv"), 2, "choose one"),
        (("--set", "Set5", "--latex", "--csv"), 2, "choose one"),
        (("--set", "./nope/", "-s", "2", "--model", "bicubic"), 2, "--set ./nope/: there is no such folder"),
        (("--set", "Set5", "-s", "2", "--model", "nope/"), 2, "--model nope/: there is no such folder"),
    ],
)
def test_what_cannot_be_scored_is_one_line_that_says_what_would_be_right(
    told: Nsr, data: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = told("eval", *arguments, "--data", str(data))
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_a_folder_of_ones_own_is_scored_without_the_papers_figures(told: Nsr, data: Path) -> None:
    own = data / "Set5"
    Image.open(own / "head.png").convert("L").save(own / "head.png")
    for options in (
        ("-s", "2", "-m", "bicubic"),
        ("--sigma", "25", "-m", "input"),
        ("-q", "10", "-m", "input"),
    ):
        done = told("eval", "--set", f"{own}/", "--set", str(own), *options, "--json")
        (found,) = json.loads(done.stdout)["rows"]
        assert (found["set"], found["images"]) == ("Set5/", 5) and not found["paper"]
        assert 5 < found["psnr"] < 60


def test_sets_and_folders_stand_in_the_order_asked_for_each_once(told: Nsr, data: Path) -> None:
    own = shutil.copytree(data / "Set5", data / "own")
    asked = (
        arg for name in (f"{own}/", "Set5", f"{data}/Set5/", "set5", f"{own}") for arg in ("--set", name)
    )
    done = told("eval", *asked, "--limit", "1", "-s", "2", "-m", "bicubic", "--json", "--data", str(data))
    assert [row["set"] for row in json.loads(done.stdout)["rows"]] == ["own/", "Set5", "Set5/"]


def test_the_figures_of_a_set_are_said_before_those_of_the_next_are_known(told: Nsr, data: Path) -> None:
    own = shutil.copytree(data / "Set5", data / "own")
    levels = ("-s", "2", "-s", "3", "--model", "bicubic", "--json")
    rows = ("eval", "--set", f"{data}/Set5/", "--set", f"{own}/", *levels)
    done = told(*rows)
    first, second, *_ = json.loads(done.stdout)["rows"]
    assert done.stderr.splitlines() == [
        f"Set5/ x{row['scale']} bicubic: {row['psnr']:.2f} dB / {row['ssim']:.4f}" for row in (first, second)
    ]
    assert told(*rows, "--quiet").stderr == ""


def test_a_folder_without_pictures_cannot_be_scored(told: Nsr, data: Path) -> None:
    done = told("eval", "--set", f"{data}/", "-s", "2", "--model", "bicubic")
    assert done.returncode == 4 and done.stderr.count("\n") == 1
    assert f"there is no picture in {data}" in done.stderr


def test_a_level_that_networks_do_not_know_is_said(told: Nsr, data: Path) -> None:
    rows = ("eval", "--set", "Set5", "--limit", "1", "--data", str(data), "--quiet")
    done = told(*rows, "--sigma", "100", "--model", "denoise-rgb-lite", "--model", "input")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "sigma 100: networks are trained for 0 to 75, so they get 75\n"
    done = told(*rows, "--sigma", "100", "--model", "input")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gray_set_that_was_to_be_scored_in_color_is_said(told: Nsr, data: Path) -> None:
    for path in (data / "Set5").iterdir():
        Image.open(path).convert("L").save(path)
    rows = ("eval", "--quiet", "--set", f"{data}/Set5/", "--sigma", "25", "--model", "input", "--color")
    done = told(*rows, "rgb")
    assert (done.returncode, done.stderr) == (0, "Set5/ has gray pictures only, which are scored in gray\n")
    assert told(*rows, "gray").stderr == ""


def test_a_row_that_is_composed_of_other_factors_is_said(told: Nsr, data: Path) -> None:
    weights = tiny_weights(data / "w.safetensors")
    rows = ("eval", "--quiet", "--set", "Set5", "--limit", "1", "--data", str(data), "--model", str(weights))
    done = told(*rows, "-s", "2", "-s", "3", "-s", "4")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "w at x3: no network of that factor, but x2 and x2, then resized",
        "w at x4: no network of that factor, but x2 and x2",
    ]


def test_a_folder_that_was_meant_as_a_set_is_found(told: Nsr, data: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = told("eval", "--set", "photos", "-s", "2", "--model", "bicubic")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no picture set photos" in done.stderr
    assert done.stderr.endswith("for the pictures in the folder write --set ./photos/\n")


def test_networks_can_be_scored_as_self_ensembles(told: Nsr, data: Path) -> None:
    """What is scored is what `--tta` restores; baselines have nothing to average."""
    weights = tiny_weights(data / "w.safetensors")
    rows = ("eval", "--set", "Set5", "-s", "2", "--limit", "1", "--data", str(data), "--json")
    models = ("--model", str(weights), "--model", "bicubic")
    plain, averaged = (
        json.loads(told(*rows, *models, *more).stdout)["rows"]
        for more in ([], ["--tta", "--save", str(data / "out")])
    )
    assert [one["model"] for one in averaged] == ["w+", "bicubic"]
    assert plain[1]["psnr"] == averaged[1]["psnr"] and plain[0]["psnr"] != averaged[0]["psnr"]
    case = Case(load_registry().get("Set5"), "upscale", scale=2)
    small = degraded(original(data / "Set5" / "baby.png", case), case, "baby")
    tta = Restorer.load("upscale", scale=2, model=str(weights), device="cpu", precision="fp32")
    restored = tta(Picture(np.rint(small * 255).astype(np.uint8)), tta=True).pixels
    saved = np.asarray(Image.open(data / "out" / "Set5" / "w+" / "x2" / "baby.png"))
    assert np.array_equal(saved, restored)


def test_help_starts_with_examples_and_needs_no_torch(data: Path) -> None:
    code = "import sys; sys.argv = ['nsr', 'eval', '--help']\ntry:\n import nsr_cli.__main__ as m; m.main()\n"
    code += "finally:\n print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert done.stdout.index("Examples") < done.stdout.index("--set")
