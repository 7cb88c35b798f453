"""The dry run: what it says, and that the run then does as it said."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.batch.dryrun import show
from nsr_cli.planning.naming import Namer
from nsr_cli.planning.places import Request
from nsr_cli.planning.plan import make_plan
from nsr_cli.planning.settings import Settings
from nsr_cli.terminal.console import Console
from tests.command import Paint, Run


def test_a_dry_run_shows_the_plan_and_does_nothing(nsr: Run, paint: Paint, tmp_path: Path) -> None:
    paint(tmp_path / "d" / "a.png")
    paint(tmp_path / "d" / "b.jpg", 20, 10)
    (tmp_path / "d" / "c.png").write_bytes(paint(tmp_path / "c.png").read_bytes()[:20])  # is damaged
    before = sorted(tmp_path.rglob("*"))
    done = nsr("upscale", "d", "no.png", "-s", "3", "--dry-run")
    assert done.returncode == 3  # no.png
    assert done.stdout.decode().splitlines() == [
        "d/a.png -> d_x3/a.png  12x8 -> 36x24",
        "d/b.jpg -> d_x3/b.png  20x10 -> 60x30",
        "d/c.png -> d_x3/c.png",
    ]
    assert b"nsr: no.png: no such file" in done.stderr
    assert b"3 to restore, 1 unreadable; 0.0 megapixels" in done.stderr
    records = [json.loads(line) for line in nsr("upscale", "d", "-n", "--json").stdout.splitlines()]
    assert [(record["status"], record["scale"]) for record in records[:2]] == [("planned", 4)] * 2
    sized = [
        json.loads(line) for line in nsr("upscale", "d", "-n", "--json", "--width", "25").stdout.splitlines()
    ]
    assert [record["scale"] for record in sized[:2]] == [2.0833, 1.25]  # 25 / 12 and 25 / 20
    Path(tmp_path / "d" / "notes.TXT").touch()
    Path(tmp_path / "d" / "film.mp4").touch()
    narrow = nsr("upscale", "d", "--width", "15", "-n")
    assert b"d/b.jpg -> d_15w/b.png  (skipped: it has 20x10 pixels already)\n" in narrow.stdout
    assert b"2 other files ignored (.mp4, .txt)" in narrow.stderr
    assert b"2 to restore, 1 better left alone; " in narrow.stderr
    alone = nsr("upscale", "d/b.jpg", "--width", "15", "-n").stderr
    assert b"nsr: d/b.jpg: it has 20x10 pixels already" in alone and alone.endswith(
        b"\n0 to restore, 1 not possible\n"
    )
    paint(tmp_path / "d" / "below" / "e.png")
    deep = nsr("upscale", "d", "-n").stderr
    assert b"2 other files ignored (.mp4, .txt), 1 subfolder not looked into (-r takes it)\n" in deep
    shutil.rmtree(tmp_path / "d" / "below")
    (tmp_path / "d" / "notes.TXT").unlink()
    (tmp_path / "d" / "film.mp4").unlink()
    assert records[0]["out_size"] == [48, 32]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_foretells_that_a_camera_raw_file_is_refused(nsr: Run, tmp_path: Path) -> None:
    """Its heads are those of previews, which look like any picture."""
    with tifffile.TiffWriter(tmp_path / "photo.tif") as writer:
        writer.write(np.full((48, 64, 3), 90, np.uint8), photometric="rgb", subifds=1)
        writer.write(np.zeros((96, 128), np.uint16), photometric=32803)
    for more in (["--dry-run"], []):
        done = nsr("upscale", "photo.tif", "-s", "2", *more)
        assert done.returncode == 1 and b"camera raw file" in done.stderr, done.stderr
    assert not (tmp_path / "photo_x2.tif").exists()


# What the head of a file tells about a run: the picture, the options, and the end of what the run says.
FORETOLD = {
    "alpha": ("rgba.png", ("-o", "x.jpg"), "JPEG cannot hold transparency"),
    "alpha of WebP": ("clear.webp", ("-o", "x.bmp"), "BMP cannot hold transparency"),
    "pages": ("pages.tif", ("-o", "x.png"), "it has 3 pages, which only TIFF keeps"),
    "frames": ("moving.gif", ("--all-frames", "-o", "x.jpg"), "it has 3 frames, which JPEG cannot hold"),
    "side": ("long.png", ("-o", "x.webp"), "WEBP holds at most 16383 pixels a side, not 17000×2"),
    "empty": ("empty.png", (), "the file is empty"),
    "text": ("text.png", (), "not a picture in a format that is read here"),
    "video": ("film.png", (), "it is a video, which is not read here"),
}


def paint_foretold(name: str, paint: Paint, folder: Path) -> None:
    picture = Image.new("RGB", (12, 8), "blue")
    if name in ("empty.png", "text.png", "film.png"):
        head = {"empty.png": b"", "text.png": b"some words\n", "film.png": b"\0\0\0\x20ftypisom"}
        (folder / name).write_bytes(head[name])
    elif name == "pages.tif":
        tifffile.imwrite(folder / name, np.zeros((3, 8, 12, 3), np.uint8), photometric="rgb")
    elif name == "moving.gif":
        others = [Image.new("RGB", (12, 8), color) for color in ("red", "green")]
        picture.save(folder / name, save_all=True, append_images=others)
    elif name == "long.png":
        paint(folder / name, 8500, 1)
    else:
        picture.putalpha(128)
        picture.save(folder / name)


@pytest.mark.parametrize("what", FORETOLD)
def test_a_dry_run_says_in_the_words_of_the_run_why_it_would_fail(
    what: str, nsr: Run, paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    name, options, reason = FORETOLD[what]
    paint_foretold(name, paint, tmp_path)
    told = []
    for more in (("-n",), ("-m", str(tiny_model))):
        done = nsr("upscale", name, "-s", "2", *options, *more)
        assert done.returncode == 1, done.stderr
        told.append(done.stderr.decode().splitlines()[0])
    assert told[0] == told[1]
    assert told[0].startswith(f"nsr: {name}: {reason}")


def test_a_dry_run_refuses_a_file_that_is_too_large_for_a_picture(nsr: Run, tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 27)
    told = [nsr("upscale", "large.png", "--max-pixels", "100", *more) for more in (("-n",), ())]
    assert [done.returncode for done in told] == [1, 1]
    for done in told:
        assert b"134217728 bytes are too many for a picture within --max-pixels 100" in done.stderr


def test_a_dry_run_counts_what_is_not_possible(nsr: Run, paint: Paint, tmp_path: Path) -> None:
    paint(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    done = nsr("upscale", "empty.png", "good.png", "-n")
    assert done.returncode == 3 and b"1 to restore, 1 not possible" in done.stderr
    assert done.stdout == b"good.png -> good_x4.png  12x8 -> 48x32\n"


def test_a_dry_run_tries_to_open_every_file(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as one who can read everything."""
    paint(tmp_path / "a.png")
    plan = make_plan(Request((str(tmp_path),), Namer("_x4", None, None, {})))

    def locked(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("nsr_cli.batch.dryrun.FileBytes", locked)
    failures = show(plan, Settings("upscale", scale=4.0), Console())
    assert [str(failure) for failure in failures] == ["cannot be read: Permission denied"]


@pytest.mark.parametrize(
    ("options", "code"), [((), 0), (("-q", "40"), 3)], ids=["may be left alone", "is restored"]
)
def test_a_dry_run_only_foretells_failures_that_are_sure(
    options: tuple[str, ...], code: int, nsr: Run, tmp_path: Path
) -> None:
    """A picture without traces of JPEG is left alone, whatever the format of the result could hold."""
    for name in ("rgba.png", "again.png"):
        paint_foretold(name, lambda path: path, tmp_path)
    args = ("dejpeg", "rgba.png", "again.png", "--format", "jpeg", *options)
    dry, done = nsr(*args, "-n"), nsr(*args)
    assert (dry.returncode, done.returncode) == (code, code), done.stderr


@pytest.mark.parametrize(
    ("args", "expected"), [(("denoise", "--sigma", "25"), (25, None)), (("dejpeg", "-q", "30"), (None, 30))]
)
def test_a_dry_run_tells_the_level_that_was_given(
    args: tuple[str, ...], expected: tuple[int | None, int | None], nsr: Run, paint: Paint, tmp_path: Path
) -> None:
    paint(tmp_path / "a.png")
    record = json.loads(nsr(*args, "a.png", "-n", "--json").stdout)
    assert (record["status"], record["sigma"], record["quality"]) == ("planned", *expected)
