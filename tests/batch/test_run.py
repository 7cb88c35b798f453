"""Running a plan with a stand-in for the network: results, failures, reports, exit codes."""

import io
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.batch.run import Tally, _how_to_resume, _threads, run
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.errors import MemoryExhausted, NotReady, PictureError, UsageError, WeightsError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.stream import read_stream
from nsr_cli.notes import provenance
from nsr_cli.planning.job import Job
from nsr_cli.planning.naming import Namer
from nsr_cli.planning.places import Request
from nsr_cli.planning.plan import Plan, make_plan
from nsr_cli.planning.settings import Settings
from nsr_cli.sandbox import launch, process
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.sandbox.shared import SharedFile
from nsr_cli.terminal.console import Console
from tests.command import Paint


class Bench:
    """Runs tasks in the working folder with fake restorers and keeps what was loaded."""

    def __init__(self, fake: type[Any]) -> None:
        self.fake = fake
        self.loaded: list[tuple[str, float | None]] = []
        self.tasks: list[str] = []
        self.restorers: list[Any] = []
        self.fail: BaseException | None = None
        self.refuse: dict[str, Exception] = {}
        self.small = False
        self.pace: Any = SimpleNamespace(add=lambda sizes, seconds: None, remember=lambda: None)
        self.console = Console()

    def load(self, color: str, scale: float | None, task: str) -> Any:
        self.loaded.append((color, scale))
        self.tasks.append(task)
        if color in self.refuse:
            raise self.refuse[color]
        self.restorers.append(self.fake(scale=scale or 1.0, fail=self.fail, small=self.small))
        return self.restorers[-1]

    def __call__(self, *inputs: str, task: str = "upscale", output: str | None = None, **options: Any) -> int:
        where = {name: options.pop(name) for name in ("if_exists", "recursive") if name in options}
        form = options.pop("format", None)
        if task == "upscale" and "width" not in options:
            options.setdefault("scale", 2.0)
        settings = Settings(task, **options)
        namer = Namer(settings.tag, None, form, settings.name_fields())
        plan = make_plan(Request(inputs, namer, output, **where))
        return run(plan, settings, self.load, self.console, self.pace)


@pytest.fixture
def bench(fake_restorer: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(fake_restorer)


def size_of(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_folder_is_restored_with_one_restorer_and_a_summary(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("d/a.png", "d/b.jpg", "d/sub/c.tif"):
        paint(Path(name))
    Path("d/notes.txt").touch()
    assert bench("d", recursive=True) == 0
    assert [size_of(f"d_x2/{name}") for name in ("a.png", "b.png", "sub/c.tif")] == [(24, 16)] * 3
    assert bench.loaded == [("rgb", 2.0)]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == "upscale with fake on cpu, fp32"
    assert "d/a.png -> d_x2/a.png  12x8 -> 24x16" in said.err
    last = said.err.splitlines()[-1]
    assert last.startswith("3 restored in ") and last.endswith(" s; 1 other file ignored (.txt)")


@pytest.mark.parametrize("rule", ["skip", "overwrite"])
def test_names_that_a_file_system_takes_for_one_do_not_replace_each_other(
    rule: str, bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def same(path: Path, other: Path) -> bool:
        return str(path).lower() == str(other).lower()

    paint(Path("d/A.png"))
    paint(Path("d/a.png"), 20, 10)
    monkeypatch.setattr(Path, "samefile", same)  # as on a memory card
    assert bench("d", output="o", if_exists=rule) == 3
    assert size_of("o/A.png") == (24, 16) and not Path("o/a.png").exists()
    assert "nsr: d/a.png: o/a.png and o/A.png are one file here: tell them apart with --name" in (
        capsys.readouterr().err
    )


def test_subfolders_that_were_not_looked_into_stand_in_the_summary(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("d/a.png", "d/sub/c.tif", "d/other/c.tif"):
        paint(Path(name))
    assert bench("d") == 0
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("1 restored in ")
    assert said.endswith(" s; 2 subfolders not looked into (-r takes them)")


def test_small_pictures_get_a_core_each_and_are_told_of_in_order(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsr_cli.batch.turns.window_threads", lambda: 3)
    bench.small = bench.console.json = True
    names = [f"{number:02}.png" for number in range(12)]
    for name in names:
        paint(Path("d", name))
    Path("d/05.png").write_bytes(b"no picture")
    assert bench("d") == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(one["input"]).name for one in told] == names
    assert [one["status"] == "ok" for one in told] == [name != "05.png" for name in names]
    assert len(bench.loaded) == 1


def test_a_small_picture_that_finds_no_memory_is_tried_again_alone(
    bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsr_cli.batch.turns.window_threads", lambda: 2)
    fake = bench.fake()
    monkeypatch.setattr(fake, "on_one_core", lambda *_: bench.fake(fail=MemoryExhausted("no room")))
    monkeypatch.setattr(bench, "load", lambda *_: fake)
    for number in range(4):
        paint(Path(f"d/{number}.png"))
    assert bench("d", task="denoise", sigma=5.0) == 0
    assert len(fake.calls) == 4


def test_a_failed_picture_is_not_told_the_precision_of_the_one_before(
    bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = bench.fake(scale=2.0)
    true, needed = fake.restore, iter(["fp16+fp32", "fp16"])

    def restore(picture: Picture, *options: Any, **more: Any) -> Picture:
        fake.precision = next(needed)
        if fake.precision == "fp16":
            raise MemoryExhausted("no room")
        restored: Picture = true(picture, *options, **more)
        return restored

    monkeypatch.setattr(fake, "restore", restore)
    monkeypatch.setattr(bench, "load", lambda *_: fake)
    bench.console.json = True
    for name in ("1", "2"):
        paint(Path(f"d/{name}.png"))
    assert bench("d") == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["status"], one["precision"]) for one in told] == [("ok", "fp16+fp32"), ("failed", "fp16")]


def test_gray_and_color_get_their_own_networks_where_the_task_has_them(bench: Bench, paint: Paint) -> None:
    paint(Path("d/a.png"))
    paint(Path("d/b.png"), mode="L")
    paint(Path("d/c.png"), mode="L")
    assert bench("d", task="denoise", sigma=5.0) == 0
    assert sorted(bench.loaded) == [("gray", None), ("rgb", None)]
    assert bench("d") == 0
    assert bench.loaded[2:] == [("rgb", 2.0)]


def test_a_target_size_loads_the_factor_that_each_picture_needs(bench: Bench, paint: Paint) -> None:
    paint(Path("d/a.png"), 12, 8)
    paint(Path("d/b.png"), 9, 8)
    paint(Path("d/c.png"), 30, 8)
    assert bench("d", width=27) == 0
    assert size_of("d_27w/a.png") == (27, 18) and size_of("d_27w/b.png") == (27, 24)
    assert not Path("d_27w/c.png").exists()
    assert bench.loaded == [("rgb", 3.0)]
    assert bench.restorers[0].calls[0].size == (27, 18)


def test_pictures_that_are_large_enough_are_left_out_of_many(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("d/a.png"), 12, 8)
    paint(Path("e/b.png"), 27, 8)
    paint(Path("e/c.ppm"), 30, 8)
    bench.console.json = True
    assert bench("d", "e", width=27) == 0
    told = capsys.readouterr()
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [(one["status"], one["error"], one["reason"]) for one in records] == [
        ("ok", None, None),
        ("skipped", None, "it has 27x8 pixels already"),
        ("skipped", None, "it has 30x8 pixels already"),
    ]
    assert "e/b.png: skipped, it has 27x8 pixels already\n" in told.err
    assert "1 restored, 2 skipped in " in told.err and "nsr: " not in told.err
    assert bench("d/a.png", "e/c.ppm", width=12, output="out") == 0
    assert bench("e", height=8, output="out") == 0
    assert not Path("out").exists() and not Path("e_27w").exists()


def test_one_picture_that_is_large_enough_is_an_error_with_the_remedy(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"), 30, 8)
    assert bench("a.png", width=27) == 1
    assert capsys.readouterr().err == (
        "nsr: a.png: it has 30x8 pixels already; 27x7 would not enlarge it: "
        "give a larger size, or a factor with -s\n"
    )


def test_a_later_page_that_is_large_enough_is_still_the_file_s_failure(bench: Bench) -> None:
    pages = [Picture(np.zeros((8, width, 3), np.uint8)) for width in (12, 30)]
    Path("d").mkdir()
    Path("d/a.tif").write_bytes(codec.encode_pages(pages, "TIFF"))
    assert bench("d", width=27) == 1
    assert not Path("d_27w").exists()


def test_debug_shows_where_a_picture_failed(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"))
    Path("b.jpg").write_bytes(b"\xff\xd8\xff\xe0 no JPEG")
    for debug in (False, True):
        bench.console.debug = debug
        assert bench("a.png", "b.jpg", "no.png", if_exists="overwrite") == 3
        said = capsys.readouterr().err
        assert [line[:12] for line in said.splitlines() if line.startswith("nsr: ")] == [
            "nsr: no.png:",
            "nsr: b.jpg: ",
        ]
        assert said.count("In the decoding process:") == debug
        assert ("Traceback" in said) == debug


def test_every_option_reaches_the_restorer(bench: Bench, paint: Paint) -> None:
    paint(Path("a.jpg"), quality=40)
    assert bench("a.jpg", task="dejpeg", strength=0.5, tta=True) == 0
    assert bench.restorers[0].calls == [RestoreOptions(quality=40, strength=0.5, tta=True)]
    assert bench.tasks == ["dejpeg"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_picture_that_cannot_be_read_is_one_line_and_the_others_go_on(
    count: int, bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    names = ["bad.png", *(str(paint(Path(f"{i}.png"))) for i in range(count - 1))]
    assert bench(*names) == (1 if count == 1 else 3)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nsr: ")]
    assert len(errors) == 1 and errors[0].startswith("nsr: bad.png: ")
    assert not Path("bad_x2.png").exists()
    assert len(list(Path().glob("*_x2.png"))) == count - 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(PictureError("no"), 1), (MemoryExhausted("no"), 5), (MemoryError(), 5), (KeyError("bug"), 1)],
)
def test_a_picture_that_cannot_be_restored_leaves_nothing(
    error: Exception, code: int, bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.fail = error
    paint(Path("a.png"))
    paint(Path("b.png"))
    assert bench("a.png") == code
    assert bench("a.png", "b.png") == 3
    assert sorted(map(str, Path().iterdir())) == ["a.png", "b.png"]
    assert ("internal error" in capsys.readouterr().err) == isinstance(error, KeyError)


@pytest.mark.parametrize("error", [WeightsError("no weights"), UsageError("no such device")])
def test_without_any_restorer_the_run_is_over(error: Exception, bench: Bench, paint: Paint) -> None:
    bench.refuse["rgb"] = error
    paint(Path("a.png"))
    paint(Path("b.png"))
    with pytest.raises(type(error), match=str(error)):
        bench("a.png", "b.png")
    assert bench.loaded == [("rgb", 2.0)]
    assert [thread for thread in threading.enumerate() if thread is not threading.main_thread()] == []


def test_a_run_ends_with_the_first_picture_that_no_decoder_can_be_started_for(
    bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcdefgh":
        paint(Path(f"d/{name}.png"))
    starts: list[int] = []
    start = launch.start

    def counted(shared: SharedFile) -> "subprocess.Popen[bytes]":
        starts.append(1)
        return start(shared)

    monkeypatch.setattr(launch, "start", counted)
    monkeypatch.setattr(launch, "_CODE", "import time\ntime.sleep(1000)\n")
    monkeypatch.setattr(process, "_STARTING", 0.5)
    with pytest.raises(
        NotReady,
        match=r"^d/a\.png: its decoder was not ready within 0\.5 seconds; try again when the machine is less busy "
        r"\(0 of 8 pictures are done; run the same command again for the other 8\)$",
    ):
        bench("d")
    assert len(starts) <= 2 * _threads()[0] + 1 and not Path("d_x2").exists()
    with pytest.raises(NotReady, match=r"less busy$"):
        bench("d/a.png")


def unready_for(path: Path) -> Callable[[Decoder, bytes], list[Picture]]:
    """`Decoder.pages` where no process can be started for one picture."""
    bad, pages = path.read_bytes(), Decoder.pages

    def decode(decoder: Decoder, data: bytes) -> list[Picture]:
        if data == bad:
            raise NotReady("not ready")
        return pages(decoder, data)

    return decode


def test_what_was_restored_before_no_decoder_could_be_started_is_kept_and_told(
    bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for width, name in enumerate("abcde", 12):
        paint(Path(f"d/{name}.png"), width)
    pages = Decoder.pages
    monkeypatch.setattr(Decoder, "pages", unready_for(Path("d/c.png")))
    bench.console.json = True
    with pytest.raises(
        NotReady, match=r"^d/c\.png: not ready \(2 of 5 pictures are done; run the same"
    ) as ended:
        bench("d")
    assert ended.value.exit_code == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["input"], one["status"]) for one in records] == [("d/a.png", "ok"), ("d/b.png", "ok")]
    monkeypatch.setattr(Decoder, "pages", pages)
    assert bench("d") == 0
    assert [size_of(f"d_x2/{name}.png")[0] for name in "abcde"] == [24, 26, 28, 30, 32]


REST = {
    None: r"\(1 of 3 pictures is done; run the same command again for the other 2\)$",
    "skip": r"\(1 of 3 pictures is done; run the same command again for the other 2\)$",
    "error": r"\(1 of 3 pictures is done; run the same command again with --if-exists skip for the other 2\)$",
    "overwrite": r"\(1 of 3 pictures is done; the same command would restore all 3 again, with --if-exists skip it "
    r"does only those without a result\)$",
}


@pytest.mark.parametrize("rule", REST)
def test_how_a_run_is_continued_depends_on_what_is_done_about_results_that_are_there(
    rule: str | None, bench: Bench, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width, name in enumerate("abc", 12):
        paint(Path(f"d/{name}.png"), width)
    with monkeypatch.context() as patched:
        patched.setattr(Decoder, "pages", unready_for(Path("d/b.png")))
        with pytest.raises(NotReady, match=REST[rule]):
            bench("d", if_exists=rule)
    first = Path("d_x2/a.png").stat().st_ino
    assert bench("d", if_exists="skip" if rule == "error" else rule) == 0
    assert len(list(Path("d_x2").iterdir())) == 3
    assert (Path("d_x2/a.png").stat().st_ino == first) == (rule != "overwrite")


def resumed(done: int, targets: list[str | None], rule: str = "skip", source: str | None = "{}.png") -> str:
    """What is said where so many of the pictures 0.png, 1.png, ... are done."""
    jobs = tuple(
        Job(
            None if source is None else Path(source.format(i)), None if target is None else Path(target), None
        )
        for i, target in enumerate(targets)
    )
    return _how_to_resume(Plan(jobs, (), (), (), rule=rule), Tally(done=done))


def test_the_pace_is_that_of_every_page_that_was_computed(bench: Bench, paint: Paint) -> None:
    sizes: list[tuple[int, int]] = []
    pages = [Picture(np.zeros((8, width, 3), np.uint8)) for width in (12, 30)]
    Path("pages.tif").write_bytes(codec.encode_pages(pages, "TIFF"))
    bench.pace = SimpleNamespace(add=lambda more, seconds: sizes.extend(more), remember=lambda: None)
    assert bench("pages.tif", str(paint(Path("a.png")))) == 0
    assert sizes == [(12, 8), (30, 8), (12, 8)]
    paint(Path("clean.png"), 96, 96)
    assert bench("clean.png", task="dejpeg", output="same.png") == 0  # passed on
    assert len(sizes) == 3


def test_a_signal_after_the_last_picture_says_that_all_are_done(bench: Bench, paint: Paint) -> None:
    class Interrupted:
        def add(self, *_: object) -> None:
            """Count nothing."""

        def remember(self) -> None:
            raise KeyboardInterrupt

    for name in ("a.png", "b.png"):
        paint(Path(name))
    bench.pace = Interrupted()
    with pytest.raises(KeyboardInterrupt) as stopped:
        bench("a.png", "b.png")
    assert stopped.value.__notes__ == ["2 of 2 pictures are done"]
    assert Path("a_x2.png").exists() and Path("b_x2.png").exists()


def test_what_is_said_of_an_interrupted_run_holds_for_one_picture_for_pipes_and_in_place() -> None:
    assert resumed(0, ["x"]) == "0 of 1 picture is done; run the same command again for it"
    assert resumed(1, ["x", "y"]) == "1 of 2 pictures is done; run the same command again for the other one"
    assert (
        resumed(0, ["x", "y"], "overwrite")
        == "0 of 2 pictures are done; run the same command again for the other 2"
    )
    assert resumed(2, ["x", "y"]) == "2 of 2 pictures are done"
    assert resumed(1, [None, None]) == "1 of 2 pictures is done"
    assert resumed(1, [None], source=None) == "1 picture is done"
    assert resumed(2, [None], source=None) == "2 pictures are done"
    assert resumed(1, ["./0.png", "1.png", "2.png"], "overwrite") == (
        "1 of 3 pictures is done; the same command would restore finished files twice; "
        "nsr info FILE tells which those are"
    )


def test_a_network_that_is_missing_later_fails_only_its_pictures(bench: Bench, paint: Paint) -> None:
    bench.refuse["gray"] = WeightsError("no gray weights")
    paint(Path("a.png"))
    paint(Path("b.png"), mode="L")
    paint(Path("c.png"))
    assert bench("a.png", "b.png", "c.png", task="denoise", sigma=5.0) == 3
    assert sorted(map(str, Path().glob("*_denoised.png"))) == ["a_denoised.png", "c_denoised.png"]


def test_running_again_does_only_the_rest(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("d/a.png"))
    assert bench("d") == 0
    before = Path("d_x2/a.png").stat()
    paint(Path("d/b.png"))
    assert bench("d") == 0
    after = Path("d_x2/a.png").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert "1 restored, 1 skipped in" in capsys.readouterr().err
    assert bench("d", if_exists="overwrite") == 0
    assert Path("d_x2/a.png").stat().st_ino != before.st_ino


def test_json_is_one_object_a_line_with_every_field(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"))
    paint(Path("b.png"))
    paint(Path("b_x2.png"))
    Path("bad.png").write_bytes(b"x")
    bench.console.json = True
    assert bench("no.png", "a.png", "b.png", "bad.png") == 3
    records = {record["input"]: record for record in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {name: record["status"] for name, record in records.items()} == {
        "no.png": "failed", "a.png": "ok", "b.png": "skipped", "bad.png": "failed",
    }  # fmt: skip
    done = records["a.png"]
    assert list(done) == [
        "schema", "input", "output", "status", "error", "reason", "notes", "task", "model", "model_sha256", "scale",
        "sigma", "quality", "size", "out_size", "device", "precision", "seconds",
    ]  # fmt: skip
    assert done["seconds"].keys() == {"decode", "infer", "encode", "total", "wait"}
    total = sum(done["seconds"][step] for step in ("decode", "infer", "encode"))
    assert done["seconds"]["total"] == pytest.approx(total, abs=1e-3)
    assert (done["output"], done["size"], done["out_size"]) == ("a_x2.png", [12, 8], [24, 16])
    assert (done["scale"], done["model"], done["model_sha256"]) == (2, "fake", "ab" * 32)
    assert records["no.png"]["output"] is None and records["no.png"]["error"] == "no such file"
    assert records["bad.png"]["model"] is None
    reasons = {name: record["reason"] for name, record in records.items() if record["reason"]}
    assert reasons == {"b.png": "b_x2.png already exists"}
    assert [record["notes"] for record in records.values()] == [[]] * 4


def test_json_has_what_the_user_should_know_about_a_result(
    bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    def notes(*inputs: str, **options: Any) -> list[str]:
        assert bench(*inputs, **options) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["status"] == "ok" and isinstance(record["notes"], list)
        return record["notes"]

    bench.console.json = True
    frames = [Image.new("RGB", (4, 3), (90 * i, 0, 0)) for i in range(3)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    assert notes("film.gif") == ["first of 3 frames"]
    Path("two.ppm").write_bytes(codec.encode(Picture(np.zeros((3, 4, 3), np.uint8)), "PPM") * 2)
    further = ["further pictures follow it in the file: left out; piped in, all are taken"]
    assert notes("two.ppm") == further
    paint(Path("print.jpg"), mode="CMYK")
    assert any("CMYK" in note for note in notes("print.jpg"))
    Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000).save("deep.png")
    assert notes("deep.png", format="JPEG") == ["JPEG: 16-bit samples become 8-bit"]
    paint(Path("clean.png"), 96, 96)
    (note,) = notes("clean.png", task="dejpeg", output="same.png")
    assert note.endswith("; passed on unchanged")
    assert Path("same.png").read_bytes() == Path("clean.png").read_bytes()


def test_results_remember_how_they_were_made_unless_stripped(bench: Bench, paint: Paint) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    paint(Path("a.png"), exif=exif)
    for form, name in (
        ("PNG", "a_x2.png"),
        ("JPEG", "a_x2.jpg"),
        ("TIFF", "a_x2.tif"),
        ("WEBP", "a_x2.webp"),
    ):
        assert bench("a.png", strength=0.5, format=form) == 0
        record = provenance.read(Path(name))
        assert record is not None and record["command"] == "nsr upscale --scale 2 --strength 0.5"
        assert (record["model"], record["model_sha256"]) == ("fake", "ab" * 32)
        assert codec.decode(Path(name).read_bytes()).metadata.exif is not None
    assert bench("a.png", output="s.png", strip=True) == 0
    bare = codec.decode(Path("s.png").read_bytes()).metadata
    assert (bare.exif, bare.text) == (None, ())


def test_every_page_of_a_tiff_is_kept_and_only_in_a_tiff(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [Image.new("L", (4 + i, 3), 40 * i) for i in range(3)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    assert bench("a.tif") == 0
    made = list(codec.decode_all(Path("a_x2.tif").read_bytes()))
    assert [(page.width, page.height) for page in made] == [(8, 6), (10, 6), (12, 6)]
    assert [int(page.pixels[0, 0, 0]) for page in made] == [0, 40, 80]
    assert bench("a.tif", format="PNG") == 1
    assert "3 pages, which only TIFF keeps" in capsys.readouterr().err


def test_the_first_frame_of_an_animation_or_all_of_them(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.new("RGB", (4, 3), (90 * i, 0, 0)) for i in range(3)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:], duration=50)
    assert bench("a.gif") == 0
    assert "a.gif: first of 3 frames; --all-frames takes every one" in capsys.readouterr().err
    with Image.open("a_x2.png") as image:
        assert getattr(image, "n_frames", 1) == 1
    assert bench("a.gif", all_frames=True, if_exists="overwrite") == 0
    with Image.open("a_x2.png") as image:
        assert (getattr(image, "n_frames", 1), image.size) == (3, (8, 6))
    assert bench("a.gif", all_frames=True, format="JPEG") == 1
    capsys.readouterr()
    assert bench("a.gif", all_frames=True, format="TIFF") == 0
    assert "a.gif: TIFF: frame durations are left out" in capsys.readouterr().err


def test_a_result_that_the_format_cannot_hold_fails_before_the_network(bench: Bench, paint: Paint) -> None:
    paint(Path("a.png"), mode="RGBA")
    paint(Path("wide.png"), 6000, 1)
    assert bench("a.png", format="JPEG") == 1
    assert bench("wide.png", scale=4.0, format="WEBP") == 1
    assert bench.restorers == []


def test_losses_of_the_format_are_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000).save("a.png")
    assert bench("a.png", format="JPEG") == 0
    assert "a.png: JPEG: 16-bit samples become 8-bit" in capsys.readouterr().err
    assert bench("a.png") == 0
    assert codec.decode(Path("a_x2.png").read_bytes()).bits == 16


class Pipe:
    """Stands in for sys.stdin or sys.stdout."""

    def __init__(self, data: bytes = b"") -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Pipe]:
    def put(data: bytes) -> Pipe:
        out = Pipe()
        monkeypatch.setattr("sys.stdin", Pipe(data))
        monkeypatch.setattr("sys.stdout", out)
        return out

    return put


def test_a_stream_of_pictures_becomes_a_stream_in_the_same_order(
    bench: Bench, stream: Callable[[bytes], Pipe]
) -> None:
    frames = b"".join(b"P6 4 3 255\n" + bytes([i]) * 36 for i in range(20))
    out = stream(frames)
    assert bench("-") == 0
    made = list(read_stream(io.BytesIO(out.buffer.getvalue())))
    assert all(data.startswith(b"P") for data in made)
    assert [int(codec.decode(data).pixels[0, 0, 0]) for data in made] == list(range(20))


def test_a_broken_stream_keeps_what_came_before(
    bench: Bench, stream: Callable[[bytes], Pipe], capsys: pytest.CaptureFixture[str]
) -> None:
    out = stream(b"P6 4 3 255\n" + bytes(36) + b"P6 4 3 255\n" + bytes(10))
    assert bench("-") == 3
    assert out.buffer.getvalue().startswith(b"P")
    assert "nsr: stdin: picture 2 of the stream: the stream ends" in capsys.readouterr().err
    stream(b"")
    assert bench("-") == 1


def test_one_file_takes_one_picture_of_a_stream(bench: Bench, stream: Callable[[bytes], Pipe]) -> None:
    stream((b"P6 4 3 255\n" + bytes(36)) * 2)
    assert bench("-", output="one.png") == 3
    assert size_of("one.png") == (8, 6)


def test_what_is_behind_the_picture_in_a_pipe_is_a_warning(
    bench: Bench, stream: Callable[[bytes], Pipe], paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    stream(paint(Path("a.jpg")).read_bytes() + bytes(99))
    assert bench("-", output="one.png") == 0
    assert size_of("one.png") == (24, 16)
    said = capsys.readouterr().err
    assert said.count("stdin: what follows picture 1 of the stream is not a picture: left out\n") == 1
    assert "failed" not in said


def test_too_large_a_file_is_not_even_read(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("huge.png").open("wb") as sparse:
        sparse.truncate(1 << 40)
    assert bench("huge.png", max_pixels=1000) == 1
    assert "too many for a picture within --max-pixels 1000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("usable", "expected"), [(1, (1, 1)), (2, (1, 1)), (3, (1, 1)), (8, (2, 4)), (64, (2, 6))]
)
def test_decoders_and_encoders_together_stay_within_the_usable_threads(
    usable: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsr_cli.batch.run.usable_threads", lambda: usable)
    assert _threads() == expected


@pytest.mark.parametrize("rule", ["skip", "error"])
def test_a_result_that_appears_meanwhile_stays_and_costs_no_work(
    rule: str, bench: Bench, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a second run is at the same folder: one picture is there in time, one while it is computed."""
    paint(Path("d/a.png"))
    paint(Path("d/b.png"))
    settings = Settings("upscale", scale=2.0)
    namer = Namer(settings.tag, None, None, settings.name_fields())
    plan = make_plan(Request(("d",), namer, None, if_exists=rule))
    paint(Path("d_x2/a.png"), 5, 5)

    def load(*key: Any) -> Any:
        paint(Path("d_x2/b.png"), 6, 6)
        return bench.load(*key)

    assert run(plan, settings, load, bench.console, bench.pace) == (3 if rule == "error" else 0)
    said = capsys.readouterr().err
    for name in ("a", "b"):
        appeared = f"d_x2/{name}.png appeared in the meantime"
        if rule == "skip":
            assert f"d/{name}.png: skipped, {appeared} (--if-exists overwrite replaces it)" in said
        else:
            assert f"nsr: d/{name}.png: {appeared}; --if-exists overwrite replaces it" in said
    assert [len(one.calls) for one in bench.restorers] == [1]
    for name, side in (("a", 5), ("b", 6)):
        with Image.open(f"d_x2/{name}.png") as image:
            assert image.size == (side, side)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_results_of_a_private_folder_are_as_private(bench: Bench, paint: Paint) -> None:
    paint(Path("album/a.png"))
    paint(Path("album/open/b.png"))
    before = os.umask(0o022)
    try:
        Path("album").chmod(0o700)
        assert bench("album", recursive=True) == 0
        assert bench("album", output="new/out", recursive=True) == 0
        assert bench("album/a.png", output="named/") == 0
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in Path().glob("*/**/") if path.name != "album"}
    private = {Path("album_x2"): 0o700, Path("new/out"): 0o700}
    assert {**modes, **private} == modes
    assert modes[Path("album_x2/open")] == modes[Path("new")] == modes[Path("named")] == 0o755
