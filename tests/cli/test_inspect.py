"""`nsr inspect` on files whose ailments are known, since the test gave them."""

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import NotReady
from nsr_cli.sandbox.decoder import Decoder
from tests.command import SAMPLE, Inside, Run


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(SAMPLE).convert("RGB")


def test_a_jpeg_tells_its_quality_and_gets_a_command(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "old photo.jpg", quality=37, subsampling="4:2:0")
    done = nsr("inspect", "old photo.jpg")
    assert done.returncode == 0, done.stderr
    assert b"JPEG, 640x480, 8-bit, color, quality 37, 4:2:0" in done.stdout
    assert b"nsr dejpeg 'old photo.jpg'" in done.stdout


def test_json_has_every_finding(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    noisy = np.asarray(photo.convert("L")) + np.random.default_rng(0).normal(0, 20, (480, 640))
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(tmp_path / "noisy.png")
    found = json.loads(nsr("inspect", "noisy.png", "--json").stdout)
    assert found["color"] == "gray" and found["size"] == [640, 480] and found["jpeg_quality"] is None
    assert found["noise"][0] == pytest.approx(20, rel=0.15)
    assert found["recommended"].startswith("nsr denoise --sigma ")


def test_a_saved_again_jpeg_is_recognised_by_its_pixels(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    stored = io.BytesIO()
    photo.save(stored, "JPEG", quality=40)
    with Image.open(stored) as compressed:
        compressed.save(tmp_path / "again.png")
    found = json.loads(nsr("inspect", "again.png", "--json").stdout)
    assert found["earlier_jpeg_quality"] == 40
    assert found["recommended"] == "nsr dejpeg -q 40 again.png"


def test_what_is_too_large_can_be_allowed_as_the_message_says(
    nsr: Run, photo: Image.Image, tmp_path: Path
) -> None:
    photo.save(tmp_path / "clean.png")
    refused = nsr("inspect", "clean.png", NSR_MAX_PIXELS="307199")
    assert refused.returncode == 1 and b"raise it with --max-pixels 307200" in refused.stderr
    assert nsr("inspect", "clean.png", "--max-pixels", "307200", NSR_MAX_PIXELS="307199").returncode == 0


def test_no_picture_is_looked_at_after_one_that_no_decoder_could_be_started_for(
    inside: Inside,
    photo: Image.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(decoder: Decoder, data: bytes) -> NoReturn:
        raise NotReady("not ready")

    for name in ("a.png", "b.png"):
        photo.save(tmp_path / name)
    for method in ("first", "pages"):
        monkeypatch.setattr(Decoder, method, refuse)
    for args in (["inspect", "a.png", "b.png"], ["auto", "-n", "a.png", "b.png"], ["compare", "a.png"]):
        assert inside(*args) == 1
        assert capsys.readouterr().err == "nsr: a.png: not ready\n"


def test_a_clean_picture_is_left_alone(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "clean.png")
    assert b"nothing to repair" in nsr("inspect", "clean.png").stdout


def test_random_pixels_have_nothing_beneath_the_noise(nsr: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "random.jpg", quality=95)
    found = json.loads(nsr("inspect", "random.jpg", "--json").stdout)
    assert max(found["noise"]) > 40 and found["recommended"] is None
    assert b" and nothing beneath it" in nsr("inspect", "random.jpg").stdout


def test_several_ailments_are_for_auto(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    noisy = np.asarray(photo) + np.random.default_rng(0).normal(0, 25, (480, 640, 3))
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(
        tmp_path / "old.jpg", quality=85, subsampling=0
    )
    assert b"  nsr auto old.jpg" in nsr("inspect", "old.jpg").stdout


def test_folders_patterns_and_lists_are_taken_as_by_the_commands_that_restore(
    inside: Inside, photo: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = photo.crop((0, 0, 96, 96))
    for name in ("d/b.png", "d/a.bmp", "d/sub/c.png", "-"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        small.save(tmp_path / name, "PNG")
    (tmp_path / "d" / "notes.txt").touch()
    os.mkfifo(tmp_path / "d" / "pipe.png")
    (tmp_path / "list").write_text("./d/b.png\n-\n")

    def inputs(*args: str) -> list[str]:
        assert inside("inspect", "--json", *args) == 0
        return [json.loads(line)["input"] for line in capsys.readouterr().out.splitlines()]

    assert inputs("d/b.png", "d", "-r") == ["d/b.png", "d/a.bmp", "d/sub/c.png"]
    assert inputs("d/?.*") == ["d/a.bmp", "d/b.png"]
    assert inputs("--files-from", "list") == ["./d/b.png", "./-"]
    assert inside("inspect", "d") == 0
    said = capsys.readouterr()
    assert said.out.startswith("d/a.bmp: PNG, 96x96, ")
    assert said.err.splitlines() == [
        "d/pipe.png: skipped, a pipe, not a file; feed it to stdin and give -",
        "1 other file ignored (.txt), 1 subfolder not looked into (-r takes it)",
    ]


def test_a_folder_without_pictures_is_said(
    inside: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    assert inside("inspect", "d") == 2
    assert capsys.readouterr().err == "nsr: no pictures in d; -r looks into its subfolders\n"
    (tmp_path / "d" / "bad.png").write_bytes(b"no picture")
    assert inside("inspect", "d") == 1
    assert "nsr: d/bad.png: not a picture" in capsys.readouterr().err


def test_one_bad_file_does_not_hide_the_others(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = nsr("inspect", "bad.png", "good.png", "absent.png")
    assert done.returncode == 3
    assert done.stdout.count(b"good.png") == 1 and done.stderr.count(b"\n") == 3
    assert nsr("inspect", "bad.png").returncode == 1
    assert nsr("inspect", "bad.png", "absent.png").returncode == 3


def test_a_picture_may_come_from_stdin_once(nsr: Run, photo: Image.Image) -> None:
    stored = io.BytesIO()
    photo.save(stored, "JPEG", quality=37)
    done = nsr("inspect", "-", stdin=stored.getvalue())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"stdin: JPEG, 640x480") and b"  nsr dejpeg -\n" in done.stdout
    assert json.loads(nsr("inspect", "-", "--json", stdin=stored.getvalue()).stdout)["input"] == "-"
    twice = nsr("inspect", "-", "-", stdin=stored.getvalue())
    assert twice.returncode == 2 and b"'-' is given twice" in twice.stderr


def test_json_is_one_object_for_each_picture_also_for_those_that_fail(
    inside: Inside, photo: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def records(*args: str, code: int) -> list[dict[str, Any]]:
        assert inside("inspect", "--json", *args) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    photo.crop((0, 0, 96, 96)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    absent, bad, good = records("bad.png", "good.png", "absent.png", code=3)
    assert list(absent) == list(bad) == list(good)
    assert (good["input"], good["status"], good["error"], good["notes"]) == ("good.png", "ok", None, [])
    assert (absent["input"], absent["status"], absent["error"]) == ("absent.png", "failed", "no such file")
    assert bad["input"] == "bad.png" and bad["error"].startswith("not a picture")
    assert bad["format"] is bad["size"] is bad["recommended"] is None
    assert records("bad.png", code=1) == [bad]


def test_json_has_what_is_odd_about_a_picture(nsr: Run, photo: Image.Image, tmp_path: Path) -> None:
    small = photo.crop((0, 0, 96, 96))
    small.save(tmp_path / "a.gif", save_all=True, append_images=[small.rotate(90), small.rotate(180)])
    assert json.loads(nsr("inspect", "a.gif", "--json").stdout)["notes"] == ["first of 3 frames"]


@pytest.mark.parametrize("name", ["inspect", "compare"])
def test_devices_and_pipes_are_one_line_and_are_not_read(name: str, nsr: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path, reason in (
        ("/dev/zero", b"a device, not a file"),
        ("pipe.png", b"a pipe, not a file; feed it"),
    ):
        done = nsr(name, path, *(("-o", "out.png") if name == "compare" else ()))
        assert done.returncode == 1 and done.stderr.startswith(b"nsr: " + path.encode() + b": " + reason)
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("args", [["inspect", "-"], ["compare", "-", "-o", "out.png"]])
def test_endless_stdin_without_a_picture_is_one_line(
    args: list[str], command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [*command, *args],
            cwd=tmp_path,
            env=environment,
            stdin=endless,
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"nsr: stdin: not a picture in a format") and done.stderr.count(b"\n") == 1
