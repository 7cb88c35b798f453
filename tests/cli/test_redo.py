"""Which results of earlier runs are made again, and which never are."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import tifffile
from PIL import Image, PngImagePlugin

from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.placing import ResultWriter
from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import chunks as pngchunks
from nsr_cli.model.checkpoint import save_network
from nsr_cli.notes import provenance
from nsr_cli.planning.redo import Stamp, is_untouched, stamp_of
from nsr_cli.sandbox import launch
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.sandbox.shared import SharedFile
from tests.cli.kinds import png_chunks
from tests.command import Inside, Paint
from tests.tiny import tiny_network


@pytest.fixture
def upscale(inside: Inside, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `nsr upscale` with small weights and return what was said."""

    def run(*args: str | Path, code: int = 0, model: Path = tiny_model) -> str:
        capsys.readouterr()
        assert inside("upscale", "-s", "2", "--model", model, *args) == code
        return capsys.readouterr().err

    return run


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    """Save a PNG again with its note, as an editor does that keeps texts."""
    with Image.open(path) as image:
        image.load()
        texts = PngImagePlugin.PngInfo()
        for key, value in image.info.items():
            if isinstance(value, str):
                texts.add_text(str(key), value, zip=True)
        change(image).save(path, pnginfo=texts)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff"])
def test_a_result_of_other_settings_is_made_again_and_the_same_is_not(
    form: str, upscale: Callable[..., str], paint: Paint
) -> None:
    paint(Path("d/a.png"))
    paint(Path("d/b.png"), mode="LA")
    if form == "jpeg":
        paint(Path("d/b.png"), mode="L")
    upscale("d", "--format", form)
    made = {path: path.stat().st_ino for path in Path("d_x2").iterdir()}
    assert len(made) == 2
    assert "2 skipped" in upscale("d", "--format", form)
    assert made == {path: path.stat().st_ino for path in Path("d_x2").iterdir()}
    said = upscale("d", "--format", form, "--strength", "0.5")
    assert "2 restored, 2 of them again, made with other settings before in" in said
    for path, number in made.items():
        record = provenance.read(path)
        assert path.stat().st_ino != number
        assert record is not None and record["command"].endswith("--strength 0.5 --model tiny.safetensors")
    assert "2 skipped" in upscale("d", "--format", form, "--strength", "0.5")


def test_other_weights_of_the_same_name_count_as_other_settings(
    upscale: Callable[..., str], paint: Paint, tiny_model: Path
) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    Path("elsewhere").mkdir()
    same = Path("elsewhere/tiny.safetensors")
    same.write_bytes(tiny_model.read_bytes())
    assert "skipped" in upscale("a.png", model=same)
    same.write_bytes(save_network(tiny_network(seed=1)))
    assert "1 of them again" in upscale("a.png", model=same)


def test_a_result_may_have_more_pixels_than_an_input(upscale: Callable[..., str], paint: Paint) -> None:
    paint(Path("a.png"))
    limit = ("--max-pixels", "96")  # those of the input
    upscale("a.png", *limit)
    assert "1 of them again" in upscale("a.png", *limit, "--strength", "0.5")


def test_a_file_too_large_for_weights_is_not_read_to_compare_it(
    upscale: Callable[..., str], paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    paint(Path("a.png"))
    model = tmp_path / tiny_model.name
    model.write_bytes(tiny_model.read_bytes())
    upscale("a.png", model=model)
    with model.open("r+b") as file:
        file.truncate(1 << 40)  # a hole
    assert "a.png: skipped, a_x2.png already exists" in upscale("a.png", model=model)


def test_an_edited_result_stays_whatever_its_note_says(upscale: Callable[..., str], paint: Paint) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    rewritten(Path("a_x2.png"), lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert provenance.read(Path("a_x2.png")) is not None
    edited = Path("a_x2.png").read_bytes()
    said = upscale("a.png", "--strength", "0.5")
    assert "a.png: skipped, a_x2.png was made with other settings, but has been edited since" in said
    assert Path("a_x2.png").read_bytes() == edited


def test_a_result_that_was_only_packed_anew_is_still_ours(upscale: Callable[..., str], paint: Paint) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    rewritten(Path("a_x2.png"), lambda image: image)
    assert "1 of them again" in upscale("a.png", "--strength", "0.5")


def described(path: Path) -> None:
    """Give a result a caption, as a program for catalogs does: the pixels stay."""
    picture = codec.decode(path.read_bytes())
    assert picture.metadata.get_text("nsr") is not None
    data, form = path.read_bytes(), picture.source
    if form == "PNG":
        caption = pngchunks.chunk(b"iTXt", b"Description\0\0\0\0\0by the sea")
        path.write_bytes(data[:-12] + caption + data[-12:])
    elif form == "JPEG":
        path.write_bytes(data[:2] + b"\xff\xfe\x00\x0cby the sea" + data[2:])
    elif form == "WEBP":
        exif = Image.Exif()
        exif[0x010E] = "by the sea"
        block = exif.tobytes()
        path.write_bytes(data + b"EXIF" + struct.pack("<I", len(block)) + block + bytes(len(block) % 2))
    else:
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages.first.tags["XMP"].overwrite(
                file.pages.first.tags["XMP"].value.replace(b"</rdf:RDF>", b"<rdf:Description/></rdf:RDF>")
            )


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff"])
def test_a_result_that_somebody_has_described_stays(
    form: str, upscale: Callable[..., str], paint: Paint
) -> None:
    paint(Path("a.png"), dpi=(300, 300))
    upscale("a.png", "--format", form)
    [result] = Path().glob("a_x2.*")
    described(result)
    edited = result.read_bytes()
    Path("a.png").write_bytes(b"damaged")  # which does not matter: nothing is to be made of it
    options = ("a.png", "--format", form, "--strength", "0.5")
    assert "0 to restore, 1 better left alone" in upscale(*options, "--dry-run")
    said = upscale(*options)
    assert f"{result} was made with other settings, but has been edited since" in said
    assert result.read_bytes() == edited


def test_results_are_compared_with_their_notes_in_the_process_that_decodes_the_inputs(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting another one takes longer than restoring a small picture."""
    for name in ("a", "b", "c"):
        paint(Path(f"d/{name}.png"))
    upscale("d")
    started, start = list[SharedFile](), launch.start

    def counted(shared: SharedFile) -> Popen[bytes]:
        started.append(shared)
        return start(shared)

    monkeypatch.setattr(launch, "start", counted)
    monkeypatch.setattr("nsr_cli.batch.run.usable_threads", lambda: 1)  # else there may be two of them
    assert "3 of them again" in upscale("d", "--strength", "0.5")
    assert len(started) == 1


def test_a_result_of_a_version_that_noted_no_metadata_is_made_again(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(Path("a.png"))
    ours = provenance.mark
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "mark", lambda *args: ours(*args[:-1]))
        upscale("a.png")
    note = provenance.read(Path("a_x2.png"))
    assert note is not None and "metadata" not in note and "pixels" in note
    described(Path("a_x2.png"))
    assert "1 of them again" in upscale("a.png", "--strength", "0.5")


def test_a_note_behind_the_pixels_is_found_too(upscale: Callable[..., str], paint: Paint) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    data = Path("a_x2.png").read_bytes()
    chunks = png_chunks(data)
    order = {b"IHDR": 0, b"IDAT": 1, b"iTXt": 2, b"IEND": 3}
    moved = sorted((chunk for chunk in chunks if chunk[4:8] in order), key=lambda chunk: order[chunk[4:8]])
    Path("a_x2.png").write_bytes(data[:8] + b"".join(moved))
    assert "1 of them again" in upscale("a.png", "--strength", "0.5")


def test_a_foreign_file_or_an_old_note_without_digest_stays(
    upscale: Callable[..., str], paint: Paint
) -> None:
    for name in ("a", "b", "c"):
        paint(Path(f"d/{name}.png"))
    upscale("d")
    paint(Path("d_x2/a.png"))
    note = provenance.read(Path("d_x2/b.png"))
    assert note is not None
    texts = PngImagePlugin.PngInfo()
    texts.add_text("nsr", json.dumps({key: value for key, value in note.items() if key != "pixels"}))
    with Image.open("d_x2/b.png") as image:
        image.load()
        image.save("d_x2/b.png", pnginfo=texts)
    Path("d_x2/c.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    before = {path: path.read_bytes() for path in Path("d_x2").iterdir()}
    assert "3 skipped" in upscale("d", "--strength", "0.5")
    assert before == {path: path.read_bytes() for path in Path("d_x2").iterdir()}


def test_pixels_are_looked_at_only_where_the_note_differs(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(Path("a.png"))
    upscale("a.png")

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(codec, "decode", refuse)
    monkeypatch.setattr("nsr_cli.planning.redo.is_untouched", refuse)
    assert "skipped" in upscale("a.png")


def test_a_result_that_changes_during_the_run_is_not_replaced(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(Path("a.png"))
    upscale("a.png")

    def edit(path: Path, *args: Any) -> bool:
        paint(path, 30, 30)
        return True

    monkeypatch.setattr("nsr_cli.batch.placing.is_untouched", edit)
    assert "a_x2.png changed in the meantime" in upscale("a.png", "--strength", "0.5", code=1)
    with Image.open("a_x2.png") as image:
        assert image.size == (30, 30)


def test_a_result_that_is_deleted_during_the_run_is_made_again(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    early = ResultWriter.keeps

    def keeps(placer: ResultWriter, outcome: Outcome) -> bool:
        Path("a_x2.png").unlink()
        return early(placer, outcome)

    monkeypatch.setattr(ResultWriter, "keeps", keeps)
    assert "skipped" not in upscale("a.png", "--strength", "0.5")
    assert Path("a_x2.png").exists()


@pytest.mark.parametrize("calls", [1, 2])
def test_a_result_that_is_deleted_while_it_is_looked_at_is_made_again(
    calls: int, upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its state is asked for: when the work begins, and when the new result is put in its place."""
    paint(Path("a.png"))
    upscale("a.png")
    asked = 0

    def state(path: Path) -> Stamp:
        nonlocal asked
        if path.name == "a_x2.png" and (asked := asked + 1) == calls:
            path.unlink()
        return stamp_of(path)

    monkeypatch.setattr("nsr_cli.batch.placing.stamp_of", state)
    assert "1 restored" in upscale("a.png", "--strength", "0.5")
    assert Path("a_x2.png").exists()


def test_a_result_that_is_deleted_while_it_is_read_is_made_again(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(Path("a.png"))
    upscale("a.png")

    def late(path: Path, *more: Any) -> bool:
        path.unlink()
        return is_untouched(path, *more)

    monkeypatch.setattr("nsr_cli.batch.placing.is_untouched", late)
    assert "1 restored" in upscale("a.png", "--strength", "0.5")
    assert Path("a_x2.png").exists()


@pytest.mark.parametrize("bits", ["8", "16"])
def test_a_tiff_result_of_several_pages_is_never_decoded_as_a_whole(
    bits: str, upscale: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be larger than the memory: its own run may have written it row by row."""
    pages = [Image.new("I;16" if bits == "16" else "LA", (40 + i, 30), 40 * i) for i in range(3)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    upscale("a.tif")
    before = Path("a_x2.tif").read_bytes()
    whole = Decoder.pages

    def refuse(decoder: Decoder, data: bytes, **limits: Any) -> list[Picture]:
        if data == before:
            raise DecodeError("the picture takes more memory than it may")
        return whole(decoder, data, **limits)

    monkeypatch.setattr(Decoder, "pages", refuse)
    assert "1 of them again" in upscale("a.tif", "--strength", "0.5")


def test_the_last_row_of_the_last_page_of_a_tiff_result_counts_too(upscale: Callable[..., str]) -> None:
    pages = [Image.new("RGB", (40, 30), (40 * i, 0, 0)) for i in range(2)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    upscale("a.tif")
    with tifffile.TiffFile("a_x2.tif") as file:
        page = file.pages[-1]
        place, count = page.dataoffsets[-1], page.databytecounts[-1]
    data = bytearray(Path("a_x2.tif").read_bytes())
    rows = bytearray(zlib.decompress(data[place : place + count]))
    rows[-1] ^= 1
    again = zlib.compress(bytes(rows), 9)
    assert len(again) <= count
    data[place : place + len(again)] = again
    Path("a_x2.tif").write_bytes(data)
    assert "has been edited since" in upscale("a.tif", "--strength", "0.5")
    assert Path("a_x2.tif").read_bytes() == data


def test_a_result_that_cannot_be_read_stays_and_is_not_called_edited(
    upscale: Callable[..., str], paint: Paint
) -> None:
    paint(Path("a.png"))
    upscale("a.png")
    data = bytearray(Path("a_x2.png").read_bytes())
    data[data.index(b"IDAT") + 4] ^= 0xFF
    Path("a_x2.png").write_bytes(data)
    said = upscale("a.png", "--strength", "0.5")
    assert "made with other settings, but whether it has been edited since cannot be found out: " in said
    assert Path("a_x2.png").read_bytes() == data


def test_what_another_run_makes_again_meanwhile_is_skipped(
    upscale: Callable[..., str], paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs with the same new settings: seen before the work begins, and when it is done."""
    for name in ("a", "b"):
        paint(Path(f"d/{name}.png"))
        upscale("d/" + name + ".png", "-o", "d_x2/")
        upscale("d/" + name + ".png", "-o", "other/", "--strength", "0.5")
    others = {path.name: path.read_bytes() for path in Path("other").iterdir()}
    early = ResultWriter.keeps

    def keeps(placer: ResultWriter, outcome: Outcome) -> bool:
        name = outcome.job.target.name if outcome.job.target else ""
        if name == "a.png":
            Path("other/a.png").replace("d_x2/a.png")
        kept = early(placer, outcome)
        if name == "b.png":
            Path("other/b.png").replace("d_x2/b.png")
        return kept

    monkeypatch.setattr(ResultWriter, "keeps", keeps)
    said = upscale("d", "--strength", "0.5")
    for name in ("a", "b"):
        assert f"d/{name}.png: skipped, d_x2/{name}.png changed in the meantime" in said
        assert Path(f"d_x2/{name}.png").read_bytes() == others[f"{name}.png"]


def test_the_result_of_another_task_stays(
    upscale: Callable[..., str],
    paint: Paint,
    inside: Inside,
    level_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paint(Path("a.png"))
    upscale("a.png", "-o", "out/")
    made = Path("out/a.png").read_bytes()
    assert inside("denoise", "a.png", "-o", "out/", "--model", level_model, "--sigma", "9") == 0
    assert "a.png: skipped, out/a.png already exists" in capsys.readouterr().err
    assert Path("out/a.png").read_bytes() == made


def film(path: Path) -> None:
    """Write an animation of three frames."""
    frames = [Image.new("RGB", (8, 6), (90 * i, 0, 0)) for i in range(3)]
    path.parent.mkdir(exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)


def test_a_film_is_compared_in_all_its_frames(upscale: Callable[..., str]) -> None:
    film(Path("a.gif"))
    upscale("a.gif", "--all-frames")
    assert "1 of them again" in upscale("a.gif", "--all-frames", "--strength", "0.5")


def frames_of(path: str) -> int:
    with Image.open(path) as image:
        return int(getattr(image, "n_frames", 1))


def test_all_frames_makes_films_again_and_nothing_else(upscale: Callable[..., str], paint: Paint) -> None:
    film(Path("d/film.gif"))
    paint(Path("d/still.png"))
    pages = [Image.new("L", (4, 3), 40 * i) for i in range(2)]
    pages[0].save("d/pages.tif", save_all=True, append_images=pages[1:])
    upscale("d")
    assert frames_of("d_x2/film.png") == 1
    for again, options, frames, told in (
        (True, ("--all-frames",), 3, "nsr upscale --scale 2 --model tiny.safetensors --all-frames"),
        (False, ("--all-frames",), 3, "nsr upscale --scale 2 --model tiny.safetensors --all-frames"),
        (True, (), 1, "nsr upscale --scale 2 --model tiny.safetensors"),
        (False, (), 1, "nsr upscale --scale 2 --model tiny.safetensors"),
    ):
        said = upscale("d", *options)
        assert ("1 restored, 1 of them again" in said) == again and f"{3 - again} skipped" in said
        note = provenance.read(Path("d_x2/film.png"))
        assert note is not None and note["command"] == told
        assert frames_of("d_x2/film.png") == frames


def test_stripping_makes_every_noted_result_again_once(upscale: Callable[..., str], paint: Paint) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N"}
    for name in ("a", "b"):
        paint(Path(f"d/{name}.png"), exif=exif)
    upscale("d")
    assert codec.decode(Path("d_x2/a.png").read_bytes()).metadata.exif is not None
    rewritten(Path("d_x2/b.png"), lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    edited = Path("d_x2/b.png").read_bytes()
    said = upscale("d", "--strip")
    assert (
        "1 restored, 1 of them again" in said
        and "d_x2/b.png was made with other settings, but has been" in said
    )
    bare = codec.decode(Path("d_x2/a.png").read_bytes()).metadata
    assert (bare.exif, bare.text) == (None, ()) and Path("d_x2/b.png").read_bytes() == edited
    made = Path("d_x2/a.png").stat().st_ino
    for options in (("--strip",), (), ("--strength", "0.5")):
        assert "d/a.png: skipped, d_x2/a.png already exists" in upscale("d", *options)
        assert Path("d_x2/a.png").stat().st_ino == made


def test_a_pattern_that_finds_results_too_is_continued(
    upscale: Callable[..., str], paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"))
    upscale("*.png")
    made = Path("a_x2.png").stat().st_ino
    paint(Path("b.png"))
    said = upscale("*.png")
    assert "a_x2.png: skipped, it is the result of a.png\n" in said
    assert "1 restored, 2 skipped in " in said
    assert sorted(map(str, Path().glob("*.png"))) == ["a.png", "a_x2.png", "b.png", "b_x2.png"]
    assert Path("a_x2.png").stat().st_ino == made
    assert "0 restored, 4 skipped in " in upscale("*.png")
    assert "2 restored, 2 of them again, made with other settings before, 2 skipped in " in upscale(
        "*.png", "--strength", "0.5"
    )
    paint(Path("c.png"))
    told = upscale("*.png", "--strength", "0.5", "--dry-run")
    assert "1 to restore, 2 already a result, 2 already done; " in told


def test_results_among_the_inputs_are_in_json_and_in_the_dry_run(
    inside: Inside, tiny_model: Path, paint: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(Path("a.png"))
    options = ("upscale", "*.png", "-s", "2", "--model", tiny_model)
    assert inside(*options) == 0
    for more in ((), ("--dry-run",)):
        capsys.readouterr()
        assert inside(*options, "--json", *more) == 0
        records = {one["input"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
        assert {name: (one["status"], one["output"], one["reason"]) for name, one in records.items()} == {
            "a.png": ("skipped", "a_x2.png", "a_x2.png already exists"),
            "a_x2.png": ("skipped", None, "it is the result of a.png"),
        }
    assert inside(*options, "--dry-run") == 0
    assert "a_x2.png  (skipped: it is the result of a.png)\n" in capsys.readouterr().out


def test_an_original_or_another_task_s_result_in_the_place_of_a_result_is_refused(
    upscale: Callable[..., str], paint: Paint, inside: Inside, level_model: Path
) -> None:
    paint(Path("a.png"))
    paint(Path("a_x2.png"))
    for _ in range(2):
        before = Path("a_x2.png").read_bytes()
        assert "the result of a.png would replace the input a_x2.png" in upscale("*.png", code=2)
        assert Path("a_x2.png").read_bytes() == before
        denoise = ("denoise", "a.png", "-o", "a_x2.png", "--if-exists", "overwrite")
        assert inside(*denoise, "--model", level_model, "--sigma", "9") == 0


def test_the_dry_run_and_the_quality_of_lossy_formats(
    upscale: Callable[..., str],
    paint: Paint,
    capsys: pytest.CaptureFixture[str],
    inside: Inside,
    tiny_model: Path,
) -> None:
    paint(Path("a.png"))
    upscale("a.png", "--format", "jpeg", "--quality", "80")
    assert "skipped" in upscale("a.png", "--format", "jpeg", "--quality", "80")
    options = ("upscale", "a.png", "-s", "2", "--model", tiny_model, "--format", "jpeg", "--quality", "70")
    assert inside(*options, "--dry-run") == 0
    assert "a_x2.jpg  12x8 -> 24x16  (made with other settings" in capsys.readouterr().out
    assert "1 of them again" in upscale("a.png", "--format", "jpeg", "--quality", "70")


def test_a_result_with_an_unusual_packet_is_known_again(upscale: Callable[..., str], paint: Paint) -> None:
    """Its note had no place in a packet that calls the namespace of RDF differently."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<r:Description r:about=""/></r:RDF></x:xmpmeta>'
    )
    paint(Path("a.jpg"), xmp=packet)
    upscale("a.jpg", "--format", "jpeg")
    assert "a.jpg: skipped, a_x2.jpg already exists" in upscale("a.jpg", "--format", "jpeg")
    assert "1 of them again" in upscale("a.jpg", "--format", "jpeg", "--strength", "0.5")
