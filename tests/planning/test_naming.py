"""Names of results: templates, suffixes, formats."""

from pathlib import Path

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.planning.naming import Namer, check_template, name_too_long, template_format


def namer(template: str | None = None, form: str | None = None) -> Namer:
    fields = {"task": "upscale", "scale": "4", "model": "auto", "sigma": "auto", "quality": "auto"}
    return Namer("_x4", template, form, fields)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("in.png", "in_x4.png"),
        ("IN.PNG", "IN_x4.PNG"),
        ("photo.jpg", "photo_x4.png"),
        ("photo.webp", "photo_x4.png"),
        ("move.gif", "move_x4.png"),
        ("scan.tiff", "scan_x4.tiff"),
        ("old.bmp", "old_x4.bmp"),
        ("a.ppm", "a_x4.ppm"),
        ("a.pgm", "a_x4.pgm"),
        ("bits.pbm", "bits_x4.pnm"),
        ("a.apng", "a_x4.png"),
        ("no-suffix", "no-suffix_x4.png"),
        ("v1.2", "v1_x4.png"),
        ("archive.tar.png", "archive.tar_x4.png"),
        ("-.png", "-_x4.png"),
    ],
)
def test_a_result_follows_its_input_where_that_is_lossless(source: str, result: str) -> None:
    assert namer().name(Path(source), 1, keep=False) == result
    assert namer().name(Path(source), 1, keep=True) == result.replace("_x4", "")


def test_a_format_that_was_asked_for_decides_the_suffix() -> None:
    assert namer(form="JPEG").name(Path("a.png"), 1, keep=False) == "a_x4.jpg"
    assert namer(form="JPEG").name(Path("a.jpeg"), 1, keep=False) == "a_x4.jpeg"
    assert namer().name(None, 1, keep=False) == "stdin_x4.png"


def test_templates_put_fields_together() -> None:
    name = namer("{index:03}_{stem}-{task}-{scale}-{model}.{ext}").name(Path("d/a.b.jpg"), 7, keep=True)
    assert name == "007_a.b-upscale-4-auto.jpg.png"
    assert namer("{stem}.png", "PNG").name(Path("a.jpg"), 1, keep=False) == "a.png"
    assert namer("{{{stem}}}").name(Path("a.jpg"), 1, keep=False) == "{a}.png"


@pytest.mark.parametrize("template", ["../{stem}", "/tmp/x", "{stem}/x", "a\\b", ".."])
def test_a_template_cannot_leave_the_folder(template: str) -> None:
    with pytest.raises(UsageError, match="-o chooses the folder"):
        namer(template).name(Path("a.jpg"), 1, keep=False)


def test_a_stem_that_looks_like_a_field_stays_as_it_is() -> None:
    assert namer("{stem}").name(Path("{scale}.png"), 1, keep=False) == "{scale}.png"


@pytest.mark.parametrize(
    "template", ["{stm}", "{stem.__class__}", "{0}", "{}", "{stem", "{stem:d}", "{stem!z}", "{index:q}"]
)
def test_an_invalid_template_is_refused_at_once(template: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        check_template(template)


@pytest.mark.parametrize(
    "spec", ["99999999999", ".99999999999f", "256", "0>1000", "9" * 5000, "\u0669" * 4, "{index}", "{foo}"]
)
def test_a_template_cannot_ask_for_more_than_a_name_may_hold(spec: str) -> None:
    for field in ("stem", "index"):
        with pytest.raises(UsageError, match=r"^--name '.*' is not a template: "):
            check_template(f"{{{field}:{spec}}}")


def test_a_template_may_pad_and_cut() -> None:
    for template in (
        "{index:03}",
        "{stem:.40}",
        "{stem:_<255}",
        "{stem:0000000000012}",
        "{{1000}}",
        "1000_{stem}",
    ):
        check_template(template)


def test_the_suffix_of_a_template_chooses_the_format_and_must_agree() -> None:
    assert template_format("{stem}.webp", None) == "WEBP"
    assert template_format("{stem}", "TIFF") == "TIFF"
    assert template_format(None, None) is None
    with pytest.raises(UsageError, match=r"ends in .webp, but --format says png: change one of them"):
        template_format("{stem}.webp", "PNG")


def test_names_are_measured_in_bytes() -> None:
    assert not name_too_long("é" * 127) and name_too_long("é" * 128)
