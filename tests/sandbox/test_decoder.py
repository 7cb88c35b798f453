"""Decoding in a process of its own: the same pictures, and nothing that happens there gets out."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.ifd import Value
from nsr_cli.imaging.metadata import geotiff
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.sandbox import decoder as room
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.sandbox.worker import pages
from tests.reliability import headers
from tests.tiny import tiny_weights
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and limits are POSIX's")


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def worked(number: int) -> float:
    """Seconds of processor time that a process has had; 0 once it has gone."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def png(width: int = 12, height: int = 8, level: int = 90) -> bytes:
    return codec.encode(Picture(np.full((height, width, 3), level, np.uint8)), "PNG")


def every_kind() -> list[bytes]:
    rng = np.random.default_rng(3)
    meta = Metadata(
        dpi=(300.0, 72.5),
        text=(("Title", "é\ud800 \x1b[31m \U0001f600"), ("Note", "line\nline")),
        color=(("gAMA", bytes([0, 1, 134, 160])),),
        iptc=b"\x1c\2\x78\0\1a",
        geo=geotiff.pack([Value(33550, 12, 3, bytes(24))], 7, 9),
    )
    found = []
    for dtype in (np.uint8, np.uint16):
        for channels in (1, 3):
            pixels = rng.integers(0, np.iinfo(dtype).max, (9, 7, channels), dtype=dtype)
            found.append(codec.encode(Picture(pixels, metadata=meta), "PNG"))
            found.append(codec.encode(Picture(pixels, pixels[..., 0].copy(), meta), "TIFF"))
    stored = io.BytesIO()
    tifffile.imwrite(stored, rng.random((9, 7, 3)).astype(np.float32) * 300 - 100, photometric="rgb")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(photo, "JPEG", exif=exif)
    film = io.BytesIO()
    frames = [Image.new("RGB", (5, 4), (80 * i, 0, 9)) for i in range(3)]
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:], duration=70)
    return [*found, stored.getvalue(), photo.getvalue(), film.getvalue(), b"P5 3 2 255\n" + bytes(range(6))]


def same(one: Picture, other: Picture) -> bool:
    def parts(picture: Picture) -> tuple[Any, ...]:
        alpha = None if picture.alpha is None else (picture.alpha.dtype.name, picture.alpha.tobytes())
        pixels = (picture.pixels.dtype.name, picture.pixels.shape, picture.pixels.tobytes())
        return pixels, alpha, picture.metadata, picture.source, picture.remarks, picture.span

    return parts(one) == parts(other)


@pytest.mark.parametrize("every_frame", [False, True])
def test_pictures_come_out_as_they_are_decoded_here(every_frame: bool) -> None:
    with Decoder(every_frame=every_frame) as decoder:
        for data in every_kind():
            wanted = list(pages(data, 1 << 29, "frames" if every_frame else "pages"))
            found = decoder.pages(data)
            assert len(found) == len(wanted)
            assert all(same(one, other) for one, other in zip(found, wanted, strict=True))
            assert all(page.pixels.flags.writeable for page in found)


def test_of_several_pictures_the_first_comes_with_a_note() -> None:
    levels = [Picture(np.full((4, 5, 3), level, np.uint8)) for level in (10, 20, 30)]
    with Decoder(every_frame=True) as decoder:
        for kind, what in (("TIFF", "pages"), ("GIF", "frames"), ("PNG", "frames")):
            first = decoder.first(codec.encode_pages(levels, kind))
            assert first.remarks == (f"first of 3 {what}",)
            assert (int(first.pixels.min()), int(first.pixels.max())) == (10, 10)


def test_a_shared_file_with_a_name_does_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nsr_cli.sandbox.shared._INHERITED", False)
    with Decoder() as decoder:
        assert len(list(tmp_path.iterdir())) == 1
        for level in (10, 200):
            assert int(decoder.pages(png(300, 200, level))[0].pixels.mean()) == level
    assert list(tmp_path.iterdir()) == []


def test_the_limit_and_its_hint_arrive() -> None:
    with Decoder(max_pixels=50) as decoder, pytest.raises(DecodeError, match="--max-pixels 96 if you trust"):
        decoder.pages(png())


@POSIX
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("crash", "makes the decoder crash .SIGSEGV.; the file is damaged"),
        ("abort", "makes the decoder crash .SIGABRT.; the file is damaged"),
        ("kill", "was killed, perhaps for want of memory"),
        ("leave", "ended unexpectedly"),
        ("spin", "takes too long"),
        ("sleep", "takes too long"),
        ("garbage", "sent an invalid reply"),
        ("wrong", "sent an invalid reply"),
        ("object", "sent an invalid reply"),
        ("short", "sent an invalid reply"),
    ],
)
def test_what_ends_the_process_is_one_picture_s_failure(
    word: str, reason: str, decoder: Decoder, number_of: Callable[[Decoder], int]
) -> None:
    before = number_of(decoder)
    started = time.monotonic()
    with pytest.raises(DecodeError, match=reason) as caught:
        decoder.pages(word.encode())
    assert time.monotonic() - started < 5
    assert str(caught.value).isprintable()
    assert not alive(before)
    assert decoder.pages(png())[0].width == 12
    assert number_of(decoder) != before


@POSIX
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("memory", "more memory than it may"),
        ("claim", "more memory than it may"),
        ("recurse", "RecursionError"),
        ("bug", "IndexError"),
        ("far", "memory"),
    ],
)
def test_what_the_process_survives_it_goes_on_from(
    word: str, reason: str, decoder: Decoder, number_of: Callable[[Decoder], int]
) -> None:
    before = number_of(decoder)
    with pytest.raises(DecodeError, match=reason):
        decoder.pages(word.encode())
    if word != "far":  # its description lies from then on
        assert number_of(decoder) == before


@POSIX
def test_output_of_libraries_reaches_neither_terminal_nor_answers(
    decoder: Decoder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert decoder.pages(b"chatter")[0].width == 3
    assert capfd.readouterr() == ("", "")


@POSIX
def test_the_process_has_no_torch_no_cores_and_a_clock_of_its_own(
    decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DecodeError):
        decoder.pages(b"leave")  # the next one starts here
    assert decoder.pages(b"facts")[0].notes[:5] == ("False", "(0, 0)", "True", "None", "1")


@POSIX
def test_a_process_that_was_killed_between_two_pictures_is_replaced(
    decoder: Decoder, number_of: Callable[[Decoder], int]
) -> None:
    os.kill(number_of(decoder), signal.SIGKILL)
    assert decoder.pages(png())[0].width == 12


def test_threads_get_processes_of_their_own_and_leave_nothing() -> None:
    files = sorted(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else []
    threads = threading.active_count()
    with Decoder() as decoder, ThreadPoolExecutor(3) as pool:
        levels = [level % 250 for level in range(60)]
        found = pool.map(lambda level: decoder.pages(png(9, 5, level))[0].pixels, levels)
        assert [(int(pixels.min()), int(pixels.max())) for pixels in found] == [(x, x) for x in levels]
        numbers = [process._process.pid for process in decoder._all]
        assert 1 <= len(numbers) <= 3
    assert threading.active_count() == threads
    assert not any(map(alive, numbers))
    assert not files or sorted(Path("/proc/self/fd").iterdir()) == files


@POSIX
def test_memory_of_a_large_picture_is_given_back(mischief: str) -> None:
    with Decoder() as decoder:
        decoder.pages(png(6000, 5000))
        (process,) = decoder._all
        assert os.fstat(process._shared.descriptor).st_size == 0
        decoder.pages(png())
        assert 0 < os.fstat(process._shared.descriptor).st_size < 10_000


def test_pages_share_the_memory_that_a_file_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "machine_memory", lambda: 1 << 30)
    many = codec.encode_pages([Picture(np.zeros((4000, 4000, 3), np.uint8))] * 12, "TIFF")
    with Decoder() as decoder:
        with pytest.raises(DecodeError, match="unpacks to more than"):
            decoder.pages(many)
        assert decoder.pages(png())[0].width == 12


def test_without_processes_pictures_are_decoded_here_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    said: list[str] = []
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Decoder(notice=said.append) as decoder:
        assert [decoder.pages(png())[0].width for _ in range(3)] == [12] * 3
    assert said == [
        "pictures are decoded without the protection of a process of their own: Resource temporarily unavailable"
    ]


def test_without_a_process_pictures_are_decoded_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("nsr_cli.sandbox.launch._CODE", "raise SystemExit(3)")
    with Decoder(notice=said.append) as decoder:
        assert decoder.pages(png())[0].width == 12
    assert len(said) == 1 and "code 3" in said[0]


@POSIX
def test_a_stop_ends_a_picture_that_hangs(
    mischief: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PATIENCE", 60)
    monkeypatch.chdir(tmp_path)
    stop = threading.Event()
    with Decoder(stop=stop) as decoder, ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(decoder.pages, b"sleep begun")
        until((tmp_path / "begun").exists)
        started = time.monotonic()
        stop.set()
        with pytest.raises(DecodeError, match="stopped"):
            hanging.result()
        assert time.monotonic() - started < 2
        with pytest.raises(DecodeError, match="stopped"):
            decoder.pages(png())


FOLDER = """
import sys
sys.path.insert(0, {root!r})
from nsr_cli.sandbox import launch
launch._CODE = {mischief!r}
from nsr_cli.cli.app import main
main(["upscale", "in", "-o", "out", "-s", "2", "--device", "cpu", "--model", {model!r}])
"""


@POSIX
def test_a_folder_goes_on_where_decoders_crash_and_are_killed(mischief: str, tmp_path: Path) -> None:
    model = tiny_weights(tmp_path / "tiny.safetensors")
    (tmp_path / "in").mkdir()
    for name in ("a", "d", "f"):
        (tmp_path / "in" / f"{name}.png").write_bytes(png())
    for name, word in (("b", b"kill"), ("c", b"crash"), ("e", b"leave")):
        (tmp_path / "in" / f"{name}.png").write_bytes(word)
    code = FOLDER.format(root=str(ROOT), mischief=mischief, model=str(model))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    said = done.stderr.decode()
    assert done.returncode == 3, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("nsr: ")]
    assert [line.split(": ")[1] for line in lines] == ["in/b.png", "in/c.png", "in/e.png"]
    assert "was killed, perhaps for want of memory" in lines[0] and "(SIGSEGV)" in lines[1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "d.png", "f.png"}


RUNNER = """
import sys
sys.path.insert(0, {root!r})
from nsr_cli.sandbox import launch
launch._CODE = {mischief!r}
from nsr_cli.sandbox.decoder import Decoder
import nsr_cli.sandbox.decoder as room
room._PATIENCE = {patience}
from nsr_cli.cli.app import main
true = launch.start
def start(shared):
    made = true(shared)
    open({numbers!r}, "a").write(str(made.pid) + "\\n")
    return made
launch.start = start
main(["upscale", "hang.png", "-o", "out.png"])
"""


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("word", ["spin", "sleep"])
def test_a_run_that_is_stopped_leaves_no_process(
    number: signal.Signals, word: str, tmp_path: Path, mischief: str
) -> None:
    numbers, begun = tmp_path / "numbers", tmp_path / "begun"
    (tmp_path / "hang.png").write_text(f"{word} {begun.name}")
    code = RUNNER.format(
        root=str(ROOT), mischief=mischief, numbers=str(numbers), patience=2 if number == 9 else 60
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE) as run:
        until(begun.exists)
        (worker,) = map(int, numbers.read_text().split())
        assert alive(worker)
        before = worked(worker)
        run.send_signal(number)
        started = time.monotonic()
        assert run.wait(10) in (128 + number, -number)
        assert time.monotonic() - started < 3
        assert b"Traceback" not in run.stderr.read()  # type: ignore[union-attr]
    if (word, number) == ("sleep", signal.SIGKILL):
        os.kill(worker, signal.SIGKILL)  # no library sleeps; nothing is left to wake it
    if number == signal.SIGKILL:  # then the system ends what has worked for too long, whatever the clock says
        until(lambda: not alive(worker) or worked(worker) > before + 6, 300)
        assert not alive(worker)
    else:
        until(lambda: not alive(worker), 0.5)


@pytest.mark.slow
def test_a_photograph_of_a_hundred_megapixels_is_within_the_limits() -> None:
    tile = np.random.default_rng(2).integers(0, 256, (1000, 1250, 3), dtype=np.uint8)
    photo = Image.fromarray(np.tile(tile, (8, 10, 1)))
    for options in ({}, {"progressive": True}):
        stored = io.BytesIO()
        photo.save(stored, "JPEG", **options)
        with Decoder() as decoder:
            found = decoder.first(stored.getvalue())
        assert (found.width, found.height) == (12_500, 8000)
        assert abs(found.pixels[-1000:, -1250:].mean() - tile.mean()) < 2


@pytest.mark.parametrize("kind", headers.FORMATS)
def test_whatever_a_header_claims_the_limits_leave_room_for_the_smallest_picture(kind: str) -> None:
    for name, data in headers.headers(kind).items():
        limits = room._order(data, "pages", 1 << 29).limits
        assert limits.seconds >= room._PATIENCE and limits.memory >= min(
            room._SPARE_MEMORY, room.machine_memory()
        ), name
