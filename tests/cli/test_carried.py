"""What goes from a file to its result beside the pixels, by the real command: blocks, colors, and who may read it."""

import io
import os
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from nsr_cli import files
from nsr_cli.forecast import memory
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from tests.command import Inside

DATA = b"\x1c\x02\x78\x00\x05Hafen"
PIXELS = np.random.default_rng(4).integers(0, 256, (40, 30, 3), dtype=np.uint8)
GEO: list[Any] = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0.0,) * 6, True)]


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def linear_png(path: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100_000))
    Image.fromarray(PIXELS).save(path, pnginfo=info)
    return path


def map_of(path: Path, **options: Any) -> Path:
    tags = [*GEO, (33723, 7, len(DATA), DATA, True)]
    tifffile.imwrite(
        path, PIXELS, photometric="rgb", extratags=tags, rowsperstrip=10, metadata=None, **options
    )
    return path


def tags_of(path: Path) -> dict[int, Any]:
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_linear_png_is_linear_afterwards_or_it_is_said(
    inside: Inside, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linear_png(tmp_path / "a.png")
    options = ("upscale", "a.png", "-s", "2", "--model", tiny_model)
    assert inside(*options) == 0
    assert "left out" not in capsys.readouterr().err
    with Image.open(tmp_path / "a_x2.png") as image:
        assert image.info["gamma"] == 1.0
    assert inside(*options, "--strip", "-o", "stripped.png") == 0
    with Image.open(tmp_path / "stripped.png") as image:
        assert image.info["gamma"] == 1.0
    capsys.readouterr()
    assert inside(*options, "-o", "b.jpg") == 0
    assert "a.png: JPEG: gAMA is left out: colors may look different" in capsys.readouterr().err


def test_a_jpeg_with_a_caption_becomes_a_png_with_a_caption(
    inside: Inside, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = codec.encode(Picture(PIXELS, metadata=Metadata(iptc=DATA)), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    options = ("upscale", "a.jpg", "-s", "2", "--model", tiny_model)
    assert inside(*options) == 0
    assert "left out" not in capsys.readouterr().err
    made = codec.decode((tmp_path / "a_x2.png").read_bytes())
    assert made.metadata.iptc == DATA
    assert inside(*options, "-o", "b.webp") == 0
    assert "a.jpg: WEBP: IPTC is left out" in capsys.readouterr().err
    assert inside(*options, "-o", "c.webp", "--strip") == 0  # where that is asked for
    assert "left out" not in capsys.readouterr().err
    assert inside(*options, "-o", "d.png", "--strip") == 0
    assert codec.decode((tmp_path / "d.png").read_bytes()).metadata == Metadata(dpi=made.metadata.dpi)


@pytest.mark.parametrize("banded", [False, True])
def test_a_map_keeps_its_place_unless_it_is_enlarged(
    banded: bool,
    inside: Inside,
    tiny_model: Path,
    level_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if banded:
        monkeypatch.setattr(memory, "_WRITING", 0)
        monkeypatch.setattr(memory, "in_one_piece", lambda sizes: 1 << 40)
    more = ("--max-memory", str(12 << 20)) if banded else ()
    before = tags_of(map_of(tmp_path / "a.tif"))
    assert inside("denoise", "a.tif", "--sigma", "9", "--model", level_model, *more) == 0
    assert "left out" not in capsys.readouterr().err
    after = tags_of(tmp_path / "a_denoised.tif")
    assert {tag: after[tag] for tag in (33550, 33922, 33723)} == {
        tag: before[tag] for tag in (33550, 33922, 33723)
    }
    assert inside("upscale", "a.tif", "-s", "2", "--model", tiny_model, *more) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(said) == 1
    assert said[0].endswith("a.tif: TIFF: the place on the map (GeoTIFF) is left out")
    after = tags_of(tmp_path / "a_x2.tif")
    assert after[33723] == DATA and 33550 not in after
    assert inside("upscale", "a.tif", "-s", "2", "--model", tiny_model, *more, "--strip", "-o", "b.tif") == 0
    assert "left out" not in capsys.readouterr().err
    assert not tags_of(tmp_path / "b.tif").keys() & {33723, 33550}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("banded", [False, True])
def test_what_is_made_of_a_private_picture_is_private(
    named: bool,
    banded: bool,
    inside: Inside,
    tiny_model: Path,
    tmp_path: Path,
    usual_umask: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if named:
        monkeypatch.setattr(files, "_open_nameless", lambda folder, mode: None)
    if banded:
        monkeypatch.setattr(memory, "_WRITING", 0)
        monkeypatch.setattr(memory, "in_one_piece", lambda sizes: 1 << 40)
    more = ("--max-memory", str(12 << 20)) if banded else ()
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, *more)
    for mode, made in ((0o600, 0o600), (0o640, 0o640), (0o644, 0o644), (0o666, 0o644)):
        map_of(tmp_path / "a.tif").chmod(mode)
        assert inside(*options, "-o", f"{mode:o}.tif") == 0
        assert mode_of(tmp_path / f"{mode:o}.tif") == made
    (tmp_path / "600.tif").chmod(0o640)
    assert inside(*options, "-o", "600.tif", "--if-exists", "overwrite") == 0
    assert mode_of(tmp_path / "600.tif") == 0o640  # a file that is replaced keeps its own


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_sheet_that_shows_a_private_picture_is_private(
    inside: Inside, tiny_model: Path, tmp_path: Path, usual_umask: None
) -> None:
    linear_png(tmp_path / "a.png").chmod(0o600)
    assert inside("compare", "a.png", "-s", "2", "--models", f"bicubic,{tiny_model}") == 0
    assert mode_of(tmp_path / "a_compare.png") == 0o600


def test_from_stdin_the_umask_decides(
    inside: Inside, tiny_model: Path, tmp_path: Path, usual_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = io.TextIOWrapper(io.BytesIO(linear_png(tmp_path / "a.png").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stored)
    assert inside("upscale", "-", "-s", "2", "--model", tiny_model, "-o", "b.png") == 0
    assert mode_of(tmp_path / "b.png") == 0o644
