"""The real commands with a real, tiny network: files, folders, pipes, signals, hostile names."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nsr_cli.errors import UsageError
from nsr_cli.imaging.stream import read_stream
from nsr_cli.planning.models import check_model
from tests.command import Inside, Paint, Run


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_mixed_batch_does_what_it_can(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    paint(tmp_path / "b.jpg", mode="L")
    paint(tmp_path / "d" / "sub" / "c.tif", mode="RGBA")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    inputs = ("a.png", "b.jpg", "d", "bad.png", "-r", "-s", "2")
    assert inside("upscale", *inputs, "-o", "out/", "--model", tiny_model) == 3
    said = capfd.readouterr()
    assert said.out == ""
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["a.png", "b.png", "d/sub/c.tif"]
    assert pixels(tmp_path / "out" / "a.png").shape == (16, 24, 3)
    assert pixels(tmp_path / "out" / "b.png").shape == (16, 24)
    assert pixels(tmp_path / "out" / "d" / "sub" / "c.tif").shape == (16, 24, 4)
    assert "nsr: bad.png: not a picture" in said.err and "Traceback" not in said.err
    assert "3 restored, 1 failed" in said.err


def test_options_change_the_picture_as_they_say(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    paint(tmp_path / "a.png")
    for name, options in {
        "full": ("-s", "2"),
        "none": ("-s", "2", "--strength", "0"),
        "half": ("-s", "2", "--strength", "0.5"),
        "tta": ("-s", "2", "--tta"),
        "odd": ("-s", "2.5"),
        "wide": ("--width", "40"),
        "eight": ("-s", "8"),
    }.items():
        assert inside("upscale", "a.png", *options, "-o", f"{name}.png", "--model", tiny_model) == 0
    shown = {path.stem: pixels(path).astype(int) for path in tmp_path.glob("*.png")}
    assert shown["odd"].shape == (20, 30, 3)
    assert shown["wide"].shape == (27, 40, 3)
    assert shown["eight"].shape == (64, 96, 3)
    low, high = np.minimum(shown["full"], shown["none"]), np.maximum(shown["full"], shown["none"])
    assert ((low - 1 <= shown["half"]) & (shown["half"] <= high + 1)).all() and (high > low + 2).any()
    assert (shown["half"] != shown["full"]).any() and (shown["half"] != shown["none"]).any()
    assert (shown["tta"] != shown["full"]).any()


@pytest.mark.parametrize(("task", "level"), [("denoise", "sigma"), ("dejpeg", "quality")])
def test_the_level_that_was_found_is_told(
    task: str,
    level: str,
    inside: Inside,
    paint: Paint,
    level_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paint(tmp_path / "a.jpg", 40, 30, quality=37)
    assert inside(task, "a.jpg", "--json", "--model", level_model) == 0
    said = capfd.readouterr()
    record = json.loads(said.out)
    assert record["size"] == record["out_size"] == [40, 30] and record["scale"] is None
    assert record["quality"] == (37 if task == "dejpeg" else None)
    assert (record["sigma"] is None) == (task == "dejpeg")
    assert f"{level.replace('sigma', 'noise level')} {record[level]:g}" in said.err


def test_pictures_flow_through_pipes(nsr: Run, tiny_model: Path) -> None:
    frames = b"".join(b"P6 %d 4 255\n" % width + bytes(width * 12) for width in range(6, 10))
    done = nsr("upscale", "-", "-s", "2", "--model", tiny_model, stdin=frames)
    assert done.returncode == 0, done.stderr
    made = [Image.open(io.BytesIO(data)).size for data in read_stream(io.BytesIO(done.stdout))]
    assert made == [(12, 8), (14, 8), (16, 8), (18, 8)]


def test_stdin_and_stdout_go_with_files_too(
    inside: Inside,
    nsr: Run,
    paint: Paint,
    tiny_model: Path,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    data = paint(tmp_path / "a.png").read_bytes()
    assert nsr("upscale", "-", "-s2", "-o", "x.webp", "--model", tiny_model, stdin=data).returncode == 0
    assert pixels(tmp_path / "x.webp").shape == (16, 24, 3)
    assert inside("upscale", "a.png", "-s", "2", "-o", "-", "--model", tiny_model) == 0
    assert Image.open(io.BytesIO(capfdbinary.readouterr().out)).size == (24, 16)
    assert inside("upscale", "a.png", "-o", "-", "--json", "--model", tiny_model) == 2
    assert b"would both go to stdout" in capfdbinary.readouterr().err


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_film_goes_through_ffmpegs_pipes(
    command: list[str], environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    quiet = "ffmpeg -loglevel error"
    source = f"{quiet} -f lavfi -i testsrc=size=16x12:rate=5:duration=2 -f image2pipe -c:v ppm -"
    middle = f"{' '.join(command)} upscale - -s 2 --quiet --model {tiny_model}"
    target = f"{quiet} -f image2pipe -i - -frames:v 10 {tmp_path}/%02d.png"
    subprocess.run(
        ["/bin/sh", "-c", f"{source} | {middle} | {target}"], env=environment, timeout=120, check=True
    )
    made = sorted(tmp_path.glob("*.png"))
    assert len(made) == 10 and pixels(made[0]).shape == (24, 32, 3)


def test_json_names_the_weights_that_made_the_picture(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    assert inside("upscale", "a.png", "-s", "2", "--json", "--model", tiny_model) == 0
    said = capfd.readouterr().out
    record = json.loads(said)
    assert record["status"] == "ok" and record["device"] and record["precision"]
    assert str(tmp_path) not in said
    assert inside("info", "a_x2.png", "--json") == 0
    explained = json.loads(capfd.readouterr().out)
    assert explained["made_by"]["model_sha256"] == record["model_sha256"]
    assert explained["made_by"]["command"] == "nsr upscale --scale 2 --model tiny.safetensors"
    assert inside("info", "a.png") == 1
    assert inside("info", "a.png", "absent.png") == 3
    assert "has no note" in capfd.readouterr().err


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


HOSTILE = [
    "-x.png", "[red]bold.png", "a\nb.png", "\x1b[31mred.png", "n\u0303.png", "\u00f1.png", " .png", "%s{stem}.png",
    "\u202egnp.png", "$(id).png", "*.png", "x" * 248 + ".png",
]  # fmt: skip


def test_names_are_only_names(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in HOSTILE:
        paint(tmp_path / "in" / name)
    invalid = os.fsdecode(b"caf\xe9.png")
    shutil.copy(tmp_path / "in" / "-x.png", tmp_path / "in" / invalid)
    assert inside("upscale", "in", "-s", "2", "--model", tiny_model) == 0
    said = capfd.readouterr().err
    assert names(tmp_path / "in_x2") == names(tmp_path / "in") == {*HOSTILE, invalid}
    assert "\x1b" not in said and len(said.splitlines()) == len(HOSTILE) + 3
    shutil.copy(tmp_path / "in" / "-x.png", tmp_path)
    assert inside("upscale", "-s", "2", "--model", tiny_model, "--", "-x.png", "in/*.png") == 0
    assert (tmp_path / "-x_x2.png").exists() and (tmp_path / "in" / "*_x2.png").exists()


def test_a_stopped_run_leaves_whole_files_and_the_next_one_does_the_rest(
    inside: Inside,
    command: list[str],
    environment: dict[str, str],
    paint: Paint,
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for i in range(400):
        paint(tmp_path / "d" / f"{i:03}.png", 24, 20)
    with subprocess.Popen(
        [*command, "upscale", "d", "-s", "2", "--model", tiny_model],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("d_x2/*"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        took = time.monotonic() - started
        assert process.stderr is not None
        last = process.stderr.read().decode().splitlines()[-1]
    assert process.returncode == 130
    assert took < 2
    made = names(tmp_path / "d_x2")
    assert 5 <= len(made) < 400
    assert all(pixels(tmp_path / "d_x2" / name).shape == (40, 48, 3) for name in made)
    assert last.startswith("nsr: interrupted: ") and "run the same command again for the other" in last
    for name in sorted(names(tmp_path / "d") - made)[5:]:
        (tmp_path / "d" / name).unlink()
    assert inside("upscale", "d", "-s", "2", "--model", tiny_model) == 0
    assert f"5 restored, {len(made)} skipped" in capfd.readouterr().err


@pytest.mark.promise("Signals: a reader that leaves in the middle of a stream of pictures: the same")
def test_a_reader_that_leaves_in_the_middle_of_a_stream_is_no_error(
    command: list[str], environment: dict[str, str], tiny_model: Path
) -> None:
    frame = b"P6 64 48 255\n" + bytes(64 * 48 * 3)
    with subprocess.Popen(
        [*command, "upscale", "-", "-s", "2", "--quiet", "--model", tiny_model],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(frame)
        process.stdin.flush()
        assert process.stdout.read(10)  # the first picture arrives before the second is asked for
        process.stdout.close()
        with suppress(BrokenPipeError):
            for _ in range(200):
                process.stdin.write(frame)
                process.stdin.flush()
        with suppress(BrokenPipeError):
            process.stdin.close()
        said = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, said) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_fails_the_picture_and_keeps_what_was_there(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    assert inside("upscale", "a.png", "-s", "2", "-o", "/dev/full", "--model", tiny_model) == 1
    assert "nsr: a.png: cannot write /dev/full: the disk is full" in capfd.readouterr().err
    assert Path("/dev/full").is_char_device()


def test_an_input_is_replaced_in_place_only_on_request(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    before = paint(tmp_path / "a.png").read_bytes()
    in_place = ("upscale", "a.png", "-s", "2", "-o", "a.png", "--model", tiny_model)
    assert inside(*in_place) == 2
    assert (tmp_path / "a.png").read_bytes() == before
    assert inside(*in_place, "--if-exists", "overwrite") == 0
    assert pixels(tmp_path / "a.png").shape == (16, 24, 3)


def test_quiet_says_nothing_and_verbose_the_timings(
    inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    arguments = ("upscale", "a.png", "-s", "2", "--if-exists", "overwrite", "--model", tiny_model)
    assert inside(*arguments, "--quiet") == inside("--quiet", *arguments) == 0
    assert capfd.readouterr().err == ""
    assert inside(*arguments, "-v") == 0
    assert re.search(r"decode \d+\.\d{3} s, infer \d+\.\d{3} s, encode", capfd.readouterr().err)


def test_settings_reach_the_run(inside: Inside, paint: Paint, tiny_model: Path, tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    (tmp_path / "nsr.toml").write_text(f'model = "{tiny_model}"\n[upscale]\nscale = 2\nname = "{{stem}}@2"\n')
    assert inside("upscale", "a.png") == 0
    assert pixels(tmp_path / "a@2.png").shape == (16, 24, 3)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("no-such-model", "neither a model nor a file"),
        ("nowhere/x.safetensors", "there is no such file"),
        ("/dev/zero", "a pipe or a device, and no file; give a weights file"),
        ("/", "it is a folder; give a weights file"),
        ("x.pth", "convert it with nsr weights import"),
    ],
)
def test_an_unknown_model_is_refused_before_torch_is_loaded(model: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        check_model(model, "upscale")


@pytest.mark.parametrize("part", ["", "checkpoints/step-00000100", "best"])
def test_a_training_run_is_refused_with_how_to_make_weights_of_it(tmp_path: Path, part: str) -> None:
    for folder in ("checkpoints/step-00000100", "best"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "state.json").write_text("{}")
    with pytest.raises(UsageError, match="a training run; give the file that `nsr weights publish RUN"):
        check_model(str(tmp_path / part), "upscale")


def test_what_fails_at_once_and_dry_runs_load_no_torch(
    environment: dict[str, str], paint: Paint, tmp_path: Path
) -> None:
    """It takes most of the time that such commands have."""
    environment["NSR_CACHE"] = str(tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    paint(tmp_path / "a.png")
    paint(tmp_path / "b.tif", mode="L")
    (tmp_path / "cache" / "pace.json").write_text(
        '{"schema": 1, "multiplications_per_second": {"auto auto": 1}}'
    )
    commands = {
        "upscale no.png": 1,
        "upscale a.png -m nonsense": 2,
        "upscale a.png no/other.png -n": 3,
        "upscale a.png b.tif -s 4 -m upscale-x2 -n": 0,
        "denoise a.png b.tif --sigma 25 -n": 0,
        "auto a.png b.tif -n": 0,
    }
    code = f"""
import sys
from nsr_cli.cli.app import _guarded
from nsr_cli.terminal.console import Console
print([_guarded(command.split(), Console()) for command in {list(commands)}], file=sys.stderr)
print("torch" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stderr.splitlines()
    assert said[-2:] == [str(list(commands.values())), "False"], done.stderr
    assert sum("at the pace of the last run" in line for line in said) == 3, done.stderr


def test_tiers_and_nothing_are_models() -> None:
    check_model(None, "upscale")
    check_model("lite", "denoise")


Planned = Callable[..., str]


@pytest.fixture
def planned(inside: Inside, capsys: pytest.CaptureFixture[str]) -> Planned:
    """What `nsr upscale a.png --dry-run` with more words says that it would do."""

    def ask(*words: str) -> str:
        assert inside("upscale", "a.png", "--dry-run", *words) == 0
        return capsys.readouterr().out

    return ask


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("a.png", "-m", "nonsense"), 2, "nonsense is neither a model nor a file"),
        (("a.png", "-m", "nowhere/x.safetensors"), 2, "there is no such file"),
        (("no.png",), 1, "no.png: no such file"),
        (("a.png", "no.png"), 3, "no.png: no such file"),
        (("a.png", "--max-pixels", "50"), 1, "a.png: "),
        (("a.png", "--max-memory", "1000"), 5, "a.png: "),
        (("a.png", "-o", "file/x.png"), 1, "file is not a folder"),
        (("deep.tif",), 1, "deep.tif: TIFF with samples of 32 bits, type uint32, is not supported"),
        (("a.png", "-o", "-", "--json"), 2, "would both go to stdout"),
    ],
)
def test_a_dry_run_ends_as_the_run_would(
    args: tuple[str, ...], code: int, told: str, inside: Inside, paint: Paint, tmp_path: Path, tiny_model: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    paint(tmp_path / "a.png")
    (tmp_path / "file").touch()
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((8, 9), np.uint32))
    model = () if "-m" in args else ("-m", str(tiny_model))
    before = sorted(tmp_path.rglob("*"))
    assert inside("upscale", *args, *model, "-s", "2", "--dry-run") == code
    assert told in capfd.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert inside("upscale", *args, *model, "-s", "2") == code
    assert told in capfd.readouterr().err


def test_a_dry_run_shows_the_plan_before_it_says_that_it_cannot_be(
    inside: Inside,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Image.effect_noise((400, 300), 90).save(tmp_path / "a.png")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    for more, code, why in (
        ((), 1, "nsr: too little disk"),
        (("-m", "nonsense"), 2, "nsr: --model: nonsense is neither"),
    ):
        assert inside("upscale", "a.png", "--dry-run", *more) == code
        said = capfd.readouterr()
        assert said.out == "a.png -> a_x4.png  400x300 -> 1600x1200\n"
        assert said.err.splitlines()[0].startswith("1 to restore") and said.err.splitlines()[1].startswith(
            why
        )


def test_what_is_typed_outweighs_settings_that_would_contradict_it(
    inside: Inside, paint: Paint, tmp_path: Path, planned: Planned
) -> None:
    paint(tmp_path / "a.png")
    (tmp_path / "nsr.toml").write_text('scale = 3\nformat = "jpeg"\n')
    for args, told in (
        (("-o", "x.png"), "a.png -> x.png  12x8 -> 36x24\n"),
        (("--width", "24"), "a.png -> a_24w.jpg  12x8 -> 24x16\n"),
        ((), "a.png -> a_x3.jpg  12x8 -> 36x24\n"),
    ):
        assert planned(*args) == told
    for wrong in (("-o", "x.png", "--format", "jpeg"), ("--width", "24", "-s", "2")):
        assert inside("upscale", "a.png", "--dry-run", *wrong) == 2


def test_a_template_that_was_typed_names_no_single_file(
    inside: Inside, paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    for output in ("x.png", "-", "/dev/null"):
        assert inside("upscale", "a.png", "--dry-run", "-o", output, "--name", "{stem}_2") == 2
        told = capsys.readouterr().err
        assert f"-o {output}" in told and "--name" in told and told.count("\n") == 1
    assert inside("upscale", "a.png", "--dry-run", "-o", "out/", "--name", "{stem}_2") == 0
    assert "a.png -> out/a_2.png" in capsys.readouterr().out
    assert inside("upscale", "-", "--dry-run", "--name", "{stem}_2") == 2
    told = capsys.readouterr().err
    assert "goes to standard output, which has no name" in told and told.count("\n") == 1


def test_a_template_of_the_settings_gives_way_to_a_file_that_was_typed(
    paint: Paint, tmp_path: Path, planned: Planned
) -> None:
    paint(tmp_path / "a.png")
    (tmp_path / "nsr.toml").write_text('name = "{stem}_own.webp"\n')
    for args, told in (
        (("-o", "x.tif"), "a.png -> x.tif  12x8 -> 48x32\n"),
        (("-o", "/dev/null"), "a.png -> /dev/null  12x8 -> 48x32\n"),
        ((), "a.png -> a_own.webp  12x8 -> 48x32\n"),
    ):
        assert planned(*args) == told


@pytest.mark.parametrize(
    "line",
    [
        "upscale a.png -o out/",
        "upscale a.png -o out/x.png",
        "upscale a.png -o out/new/",
        "compare a.png -o out/",
    ],
)
def test_a_folder_that_may_not_be_searched_is_named_with_the_remedy(
    line: str,
    command: list[str],
    without_rights: list[str],
    environment: dict[str, str],
    paint: Paint,
    tmp_path: Path,
) -> None:
    paint(tmp_path / "a.png")
    (tmp_path / "out").mkdir(mode=0o600)
    done = subprocess.run(
        [*without_rights, *command, *line.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    folder = "out/new" if "new" in line else "out"
    assert (
        done.stderr == f"nsr: cannot write into {folder}: permission denied; choose another folder with -o\n"
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("file", "words", "code", "told"),
    [
        (
            "",
            "--quality 50 --format png",
            2,
            "nsr: --quality is for JPEG and WebP, but the result is PNG: leave it",
        ),
        ("", "--quality 50 -o x.tif", 2, "--quality is for JPEG and WebP, but the result is TIFF"),
        ("", "--quality 50", 0, "--quality changes nothing: the result is PNG"),
        ('format = "png"', "--quality 50", 0, "--quality changes nothing: the result is PNG"),
        ("quality = 50", "--format png", 0, "--quality (from nsr.toml) changes nothing: the result is PNG"),
        ("quality = 50", "", 0, None),
        ("", "--quality 50 --format webp", 0, None),
        ("", "--fit cover", 2, "nsr: --fit says how a box is filled: give both --width and --height"),
        ("", "--fit cover --width 90", 2, "nsr: --fit says how a box is filled"),
        ("", "--fit cover --width 90 --height 80", 0, None),
        ('fit = "cover"', "", 0, None),
    ],
)
def test_options_without_effect_are_reported(
    file: str, words: str, code: int, told: str | None, inside: Inside, paint: Paint, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    paint(tmp_path / "a.png")
    (tmp_path / "nsr.toml").write_text(file)
    assert inside("upscale", "a.png", "--dry-run", *words.split()) == code
    said = capsys.readouterr().err
    assert told in said if told is not None else "--quality" not in said and "--fit" not in said


def test_dejpeg_says_which_option_is_for_the_quality_of_its_input(
    inside: Inside, paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.jpg")
    assert inside("dejpeg", "a.jpg", "--dry-run", "--quality", "30") == 0
    told = (
        "--quality changes nothing: the result is PNG; -q tells the quality with which the JPEG was saved\n"
    )
    assert told in capsys.readouterr().err
