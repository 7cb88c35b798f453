"""Files of many pages or frames: all of them count in what a run takes, and what does not fit is never computed."""

import gc
import re
import shutil
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsr_cli.batch import journey
from nsr_cli.errors import MemoryExhausted, PictureError, WriteError
from nsr_cli.forecast import pace
from nsr_cli.forecast.files import forecast
from nsr_cli.forecast.space import check_space
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.planning.job import Job
from nsr_cli.planning.naming import Namer
from nsr_cli.planning.places import Request
from nsr_cli.planning.plan import make_plan
from nsr_cli.planning.redo import is_untouched
from nsr_cli.planning.settings import Settings
from nsr_cli.restore import Restorer
from nsr_cli.sandbox.decoder import Decoder
from tests.cli.taken import measured, twice
from tests.command import Inside, Run

Doubled = Callable[..., int]
COUNT, SIZE = 50, (40, 24)
ONE = SIZE[0] * SIZE[1] * 3  # bytes of a page
TWICE = Settings("upscale", scale=2.0)


def pages(path: Path, form: str = "TIFF", count: int = COUNT, size: tuple[int, int] = SIZE) -> Path:
    random = np.random.default_rng(1)
    drawn = [random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8) for _ in range(count)]
    found = [Picture(one, metadata=Metadata(duration=0.1)) for one in drawn]
    path.write_bytes(codec.encode_pages(found, form))
    return path


def test_every_page_of_a_tiff_counts(tmp_path: Path) -> None:
    many, single = pages(tmp_path / "many.tif"), pages(tmp_path / "one.tif", count=1)
    found, one = (forecast(Job(path, None, None), TWICE) for path in (many, single))
    assert found is not None and one is not None
    assert found.size == one.size == SIZE and one.pages == (SIZE,)
    assert found.pages == (SIZE,) * COUNT and found.pixels == COUNT * one.pixels
    assert 0.8 * COUNT * one.least <= found.least <= 1.2 * COUNT * one.least
    assert found.memory >= COUNT * 4 * ONE  # the results alone


@pytest.mark.parametrize(("form", "name"), [("GIF", "a.gif"), ("WEBP", "a.webp"), ("PNG", "a.png")])
def test_frames_count_if_all_of_them_are_wanted(form: str, name: str, tmp_path: Path) -> None:
    job = Job(pages(tmp_path / name, form), None, None)
    first, found = forecast(job, TWICE), forecast(job, replace(TWICE, all_frames=True))
    assert first is not None and found is not None
    assert first.pages == (SIZE,) and found.pages == (SIZE,) * COUNT
    assert found.memory >= COUNT * 4 * ONE > first.memory - ONE * 200
    assert found.least >= 20 * first.least


@pytest.fixture
def doubled(inside: Inside, tiny_model: Path) -> Doubled:
    """`nsr upscale a.tif -s 2` with more options."""
    return lambda *options: inside(
        "upscale", "a.tif", "-s", "2", "--model", tiny_model, "--device", "cpu", *options
    )


def test_a_dry_run_tells_the_time_and_the_pixels_of_all_pages(
    doubled: Doubled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pace, "_read", lambda: {"cpu auto": 1e6})
    told = []
    for count in (1, COUNT):
        pages(tmp_path / "a.tif", count=count, size=(200, 100))
        assert doubled("--dry-run") == 0
        told.append(capfd.readouterr().err)
    assert "; 0.1 megapixels" in told[0] and "; 4.0 megapixels" in told[1]
    time = [re.search(r"about ([^;]+) at the pace", text) for text in told]
    assert time[0] is not None and time[1] is not None and time[0][1] != time[1][1]
    amounts = [re.search(r"at least ([\d.]+) (kB|MB) of disk, about ([\d.]+) (MB|GB)", text) for text in told]
    assert [found and found[2] for found in amounts] == ["kB", "MB"]


def test_frames_that_do_not_fit_together_are_refused_by_the_run_and_the_dry_run_in_one_line(
    inside: Inside,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    computed: list[int] = []
    true = Restorer.restore

    def call(self: Restorer, picture: Picture, *options: Any, **more: Any) -> Picture:
        computed.append(1)
        return true(self, picture, *options, **more)

    monkeypatch.setattr(Restorer, "restore", call)
    pages(tmp_path / "a.png", "PNG", size=(200, 100))
    settings = replace(TWICE, model=str(tiny_model), device="cpu", all_frames=True)
    foreseen = forecast(Job(tmp_path / "a.png", None, None), settings)
    assert foreseen is not None
    options = ("upscale", "a.png", "--all-frames", "-s", "2", "--model", tiny_model, "--device", "cpu")
    short, enough = (
        ("--max-memory", str(int(foreseen.memory * 0.9))),
        ("--max-memory", str(foreseen.memory + 1)),
    )
    assert inside(*options, "-o", "b.png", *short) == 5
    refused = capfd.readouterr().err.splitlines()
    assert len(refused) == 1 and not computed and not (tmp_path / "b.png").exists()
    assert "50 pictures of up to 200x100 pixels and their results take at least" in refused[0]
    assert refused[0].endswith(": allow more, or split the file")
    assert inside(*options, "-o", "b.png", *short, "--dry-run") == 5
    said = capfd.readouterr().err.splitlines()
    assert said[0] == refused[0] and "1 not possible" in said[1]
    assert inside(*options, "-o", "b.png", *enough) == 0
    assert len(computed) == COUNT
    assert len(list(codec.decode_all((tmp_path / "b.png").read_bytes()))) == COUNT


def test_pages_from_a_pipe_are_refused_before_they_are_computed(
    nsr: Run, tiny_model: Path, tmp_path: Path
) -> None:
    data = pages(tmp_path / "a.tif", size=(200, 100)).read_bytes()
    options = ("upscale", "-", "-s", "2", "--model", tiny_model, "--max-memory", "10M", "-o", "b.tif")
    done = nsr(*options, stdin=data)
    assert done.returncode == 5 and b"50 pictures of up to 200x100 pixels" in done.stderr
    assert not (tmp_path / "b.tif").exists()


def test_a_later_page_that_is_too_large_is_said_before_any_work(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    drawn = [random.integers(0, 256, (8, width, 3), dtype=np.uint8) for width in (12, 12, 30)]
    (tmp_path / "a.tif").write_bytes(codec.encode_pages([Picture(one) for one in drawn], "TIFF"))
    with pytest.raises(PictureError, match=r"^picture 3: it has 30x8 pixels already"):
        forecast(Job(tmp_path / "a.tif", None, None), Settings("upscale", width=27))


def test_the_disk_has_to_hold_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, single = pages(tmp_path / "a.tif"), pages(tmp_path / "one.tif", count=1)
    found, one = (forecast(Job(path, None, None), TWICE) for path in (source, single))
    assert found is not None and one is not None
    plan = make_plan(Request((str(source),), Namer("_x2", None, None, {})))
    usage = type("Usage", (), {"free": found.least + 1})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    check_space(plan, TWICE)
    usage.free = (COUNT // 2) * one.least  # type: ignore[attr-defined]
    with pytest.raises(WriteError, match="too little disk"):
        check_space(plan, TWICE)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many results of pages had their pixels in memory whenever another page began; filled by the run."""
    counts: list[int] = []
    made: list[weakref.ref[Any]] = []
    true = Restorer.restore

    def call(self: Restorer, picture: Picture, *options: Any, **more: Any) -> Picture:
        gc.collect()
        counts.append(sum(one() is not None for one in made))
        found = true(self, picture, *options, **more)
        made.append(weakref.ref(found.pixels))
        return found

    monkeypatch.setattr(Restorer, "restore", call)
    return counts


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pages_are_packed_one_by_one_into_the_file_that_they_make_together(
    dtype: Any, doubled: Doubled, alive: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(2)
    drawn = [(random.random((SIZE[1] + n, SIZE[0], 3 - 2 * (n % 2))) * 255).astype(dtype) for n in range(4)]
    found = [Picture(one) for one in drawn]
    if dtype == np.float32:
        found = [Picture(one / np.float32(255), span=(0.0, 255.0)) for one in drawn]
    (tmp_path / "a.tif").write_bytes(codec.encode_pages(found, "TIFF"))
    assert doubled("-o", "one.tif") == 0
    assert alive == [0] * 4
    monkeypatch.setattr(journey, "packer_of", lambda pages, form: None)
    assert doubled("-o", "all.tif") == 0
    assert alive[4:] == [0, 1, 2, 3]
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "all.tif").read_bytes()
    with Decoder() as decoder:
        assert is_untouched(tmp_path / "one.tif", 1 << 20, decoder)


def test_stripped_pages_are_packed_one_by_one_too(doubled: Doubled, alive: list[int], tmp_path: Path) -> None:
    pages(tmp_path / "a.tif", count=3)
    assert doubled("--strip", "-o", "b.tif") == 0
    assert alive == [0] * 3 and b"nsr upscale" not in (tmp_path / "b.tif").read_bytes()


def test_a_page_that_fails_leaves_nothing(
    doubled: Doubled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages(tmp_path / "a.tif", count=3)
    true, calls = Restorer.restore, list[int]()

    def call(self: Restorer, picture: Picture, *options: Any, **more: Any) -> Picture:
        calls.append(1)
        if len(calls) == 3:
            raise MemoryExhausted("no more")
        return true(self, picture, *options, **more)

    monkeypatch.setattr(Restorer, "restore", call)
    assert doubled("-o", "b.tif") == 5
    assert len(calls) == 3 and [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_pages_go_to_stdout_or_a_device_in_one_piece(nsr: Run, tiny_model: Path, tmp_path: Path) -> None:
    pages(tmp_path / "a.tif", count=2)
    options = ("upscale", "a.tif", "-s", "2", "--model", tiny_model, "--device", "cpu")
    assert nsr(*options, "-o", "b.tif").returncode == 0
    assert nsr(*options, "-o", "-").stdout == (tmp_path / "b.tif").read_bytes()
    (tmp_path / "null.tif").symlink_to("/dev/null")
    assert nsr(*options, "-o", "null.tif", "--if-exists", "overwrite").returncode == 0
    assert (tmp_path / "null.tif").is_symlink()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_many_pages_take_what_the_forecast_says(
    environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    """Takes a minute on one core of a machine that does nothing else."""
    source = pages(tmp_path / "a.tif", size=(400, 300))  # of noise, which packs as badly as anything can
    foreseen = forecast(
        Job(source, tmp_path / "b.tif", None), replace(TWICE, model=str(tiny_model), device="cpu")
    )
    taken = measured(
        tmp_path, environment, "upscale", source, *twice(tiny_model, "-o", tmp_path / "b.tif")
    ).own
    assert foreseen is not None
    beside = 40 << 20  # of weights and the like, which a forecast leaves out
    assert foreseen.memory <= taken + beside and taken <= 1.15 * foreseen.memory + beside, (
        f"{foreseen.memory / 1e6:.0f} MB foreseen, {taken / 1e6:.0f} taken"
    )
