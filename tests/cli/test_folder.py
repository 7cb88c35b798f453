"""A folder as people have them: thirty files of all kinds, good, odd and broken, in one run of the real command."""

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.bicubic import check_pixels
from tests.cli.kinds import cases, file_of
from tests.cli.restored import PLAIN, films, read
from tests.command import Run

BY_NAME = {case.name: case for case in cases()}
ODD_NAMES = {
    "SHOUT.PNG": "png-rgb.png",
    "in/a folder/below.tiff": "tiff-rgba.tif",
    "really a jpeg.png": "jpeg-rgb.jpg",
    "really-a-png.jpg": "png-i16.png",
    "caf\udce9.png": "png-p-trns.png",  # a name in Latin-1
    "line\nbreak \x1b[31m.bmp": "bmp-p.bmp",
    "--help.webp": "webp-rgba.webp",
    "clear.bmp": "bmp-rgba.bmp",  # becomes PNG, which holds its transparency
}
PLAIN_NAMES = (
    "png-1.png", "png-la.png", "png-rgb16.png", "jpeg-l.jpg", "jpeg-cmyk.jpg", "gif-p-trns.gif", "tiff-cmyk.tif",
    "tiff-i16.tif", "tiff-float.tif",
)  # fmt: skip
GOOD = {**ODD_NAMES, **{name: name for name in PLAIN_NAMES}}
BROKEN = {
    "empty.png": "the file is empty",
    "text.jpg": "not a picture in a format that is read here",
    "cut.png": "the PNG file is cut off",
    "half.jpg": "the JPEG picture cannot be read: it is damaged",
    "cut.tif": "the TIFF file",
    "claims.png": "raise it with --max-pixels",
    "locked.png": "cannot be read: ",
}
FILMS = {"pages.tif": 3, "gif.gif": 1, "apng.png": 1}  # and how many pictures their results hold
NO_FILES = {
    "pipe.png": "a pipe",
    "circle.png": "a broken link",
    "up": "leads to a folder that is already being read",
}


def fill(folder: Path) -> None:
    """Write the thirty, and two that nobody means."""
    for name, kind in GOOD.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BY_NAME[kind].data)
    for name in FILMS:
        (folder / name).write_bytes(films()[name])
    whole = {form: noise(form) for form in ("PNG", "JPEG", "TIFF")}
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("Dear diary")
    for name, form in (("cut.png", "PNG"), ("half.jpg", "JPEG"), ("cut.tif", "TIFF")):
        (folder / name).write_bytes(whole[form][: len(whole[form]) // 2])
    size = b"IHDR" + (90_000).to_bytes(4, "big") * 2 + whole["PNG"][24:29]
    huge = whole["PNG"][:12] + size + zlib.crc32(size).to_bytes(4, "big") + whole["PNG"][33:]
    (folder / "claims.png").write_bytes(huge)
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "up").symlink_to(".", target_is_directory=True)
    lock(folder / "locked.png", whole["PNG"])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").touch()


def noise(form: str) -> bytes:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    return file_of(Image.fromarray(pixels), form)


def lock(path: Path, data: bytes) -> None:
    """A file that nobody can read; for root, one that fails to be read."""
    path.write_bytes(data)
    path.chmod(0)
    if os.access(path, os.R_OK):
        path.unlink()
        path.symlink_to("/proc/self/mem")


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thirty") / "d"
    folder.mkdir()
    fill(folder)
    return folder


def result_name(name: str) -> str:
    """Where the result of a file lies below the folder for results."""
    path = Path(name)
    kept = path.suffix.lower() in (".png", ".bmp", ".tif", ".tiff") and name != "clear.bmp"
    return name if kept else str(path.with_suffix(".png"))


def test_thirty_files_of_all_kinds_become_results_or_clear_lines(
    nsr: Run, thirty: Path, tiny_model: Path
) -> None:
    listed = [path for path in thirty.rglob("*") if path.name not in {".hidden.png", "notes.txt"}]
    assert len([path for path in listed if path.is_symlink() or not path.is_dir()]) == 30
    done = nsr(*PLAIN, "--model", tiny_model, thirty, "-r", "--json")
    assert done.returncode == 3, done.stderr.decode()
    records = {
        str(Path(record["input"]).relative_to(thirty)): record
        for record in map(json.loads, done.stdout.splitlines())
    }
    said = done.stderr.decode().splitlines()
    out = thirty.with_name("d_x2")

    assert {name for name, record in records.items() if record["status"] == "ok"} == {*GOOD, *FILMS}
    assert {name for name, record in records.items() if record["status"] == "failed"} == set(BROKEN)
    for name, kind in GOOD.items():
        check_pixels(BY_NAME[kind], read(out / result_name(name)))
        assert Path(records[name]["output"]) == out / result_name(name)

    for name, count in FILMS.items():
        with Image.open(out / result_name(name)) as image:
            assert getattr(image, "n_frames", 1) == count
        assert any(f"{name}: first of 3 frames" in line for line in said) == (count == 1)

    for name, reason in BROKEN.items():
        assert reason in records[name]["error"] and "\n" not in records[name]["error"]
        assert len([line for line in said if line.startswith(f"nsr: {thirty / name}: ")]) == 1
    for name, reason in NO_FILES.items():
        assert len([line for line in said if f"{thirty / name}: skipped, {reason}" in line]) == 1
    assert "internal error" not in done.stderr.decode() and "\x1b" not in done.stderr.decode()
    assert said[-1].startswith(f"{len(GOOD) + len(FILMS)} restored, {len(BROKEN)} failed in ")
    assert said[-1].endswith("; 1 other file ignored (.txt)")

    made = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
    assert made == {result_name(name) for name in (*GOOD, *FILMS)}  # nothing half-written, no temporary file
    assert not list(thirty.parent.rglob("*.part"))
