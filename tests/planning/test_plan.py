"""The plan of a run: where results go, and everything that is refused before any work."""

import os
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.errors import UsageError, WriteError
from nsr_cli.planning.naming import Namer
from nsr_cli.planning.places import Request
from nsr_cli.planning.plan import Plan, make_plan
from nsr_cli.planning.redo import Earlier
from nsr_cli.planning.settings import Settings
from tests.cli.kinds import cases
from tests.command import Paint, Run


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def plan(*inputs: str, template: str | None = None, form: str | None = None, **options: Any) -> Plan:
    fields = {"task": "upscale", "scale": "4", "model": "auto", "sigma": "auto", "quality": "auto"}
    return make_plan(Request(inputs, Namer("_x4", template, form, fields), **options))


def targets(*inputs: str, **options: Any) -> list[str]:
    return [job.target_label for job in plan(*inputs, **options).jobs]


def test_results_go_beside_files_and_into_a_mirror_beside_folders() -> None:
    touch("a.png", "d/b.jpg", "d/sub/c.tif")
    assert targets("a.png") == ["a_x4.png"]
    assert targets("d/b.jpg") == ["d/b_x4.png"]
    assert targets("d") == targets("d/") == targets("./d") == ["d_x4/b.png"]
    assert targets("d", recursive=True) == ["d_x4/b.png", "d_x4/sub/c.tif"]


def test_the_working_folder_has_a_mirror_beside_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("d/b.png", "d/e/c.png")
    monkeypatch.chdir("d")
    assert targets(".") == [str(Path.cwd().parent / "d_x4" / "b.png")]
    monkeypatch.chdir("e")
    assert targets("..") == [str(Path.cwd().parent.parent / "d_x4" / "b.png")]


def test_an_output_can_be_a_file_a_folder_or_stdout() -> None:
    touch("a.png", "b.jpg", "d/c.png", "d/sub/c.png", "e/c.png", "out/x")
    assert targets("a.png", output="new.webp") == ["new.webp"]
    assert plan("a.png", output="new.webp").jobs[0].format == "WEBP"
    assert targets("a.png", output="new/") == targets("a.png", output="new") == ["new/a.png"]
    assert targets("a.png", output="out") == ["out/a.png"]
    assert targets("a.png", "b.jpg", output="out") == ["out/a.png", "out/b.png"]
    assert targets("d", output="out", recursive=True) == ["out/c.png", "out/sub/c.png"]
    assert targets("d", "e", "a.png", output="out") == ["out/d/c.png", "out/e/c.png", "out/a.png"]
    assert targets("a.png", "b.jpg", output="-") == ["stdout", "stdout"]
    assert targets("-") == ["stdout"]
    assert targets("-", output="x.png") == ["x.png"]
    assert targets("-", output="out") == ["out/stdin.png"]


def test_the_format_of_stdin_is_seen_when_it_is_read() -> None:
    assert plan("-").jobs[0].format is None
    assert plan("-", form="JPEG").jobs[0].format == "JPEG"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"output": "one.png"}, "there are several inputs: give a folder"),
        ({"template": "same"}, "would both become same.png"),
        ({"form": "JPEG", "template": "{task}"}, "would both become upscale.jpg"),
    ],
)
def test_several_inputs_need_several_outputs(options: dict[str, Any], reason: str) -> None:
    touch("a.png", "b.png")
    with pytest.raises(UsageError, match=reason):
        plan("a.png", "b.png", **options)


def test_results_of_one_name_are_found_before_any_work() -> None:
    touch("a.png", "a.jpg", "x/b.png", "y/b.png")
    with pytest.raises(UsageError, match=r"a.png and a.jpg would both become a_x4.png: .*'{stem}_{ext}'"):
        plan("a.png", "a.jpg")
    assert targets("a.png", "a.jpg", template="{stem}_{ext}") == ["a_png.png", "a_jpg.png"]
    with pytest.raises(UsageError, match="would both become"):
        plan("x/b.png", "y/b.png", output="out")


def test_results_of_one_name_are_found_behind_links() -> None:
    touch("d1/x.png", "d1/x.jpg", "d1/sub/f")
    Path("d2").symlink_to("d1")
    Path("link").symlink_to("d1/sub")
    for rule in (None, "overwrite"):
        for other in ("d2/x.jpg", "link/../x.jpg"):
            with pytest.raises(UsageError, match=r"d1/x.png and .*x.jpg would both become .*x_x4.png"):
                plan("d1/x.png", other, if_exists=rule)
    touch("a.png", "b.png", "b_x4.png")
    Path("a_x4.png").symlink_to("b_x4.png")  # writing replaces what it leads to
    with pytest.raises(UsageError, match=r"a.png and b.png would both become b_x4.png"):
        plan("a.png", "b.png", if_exists="overwrite")


def test_another_picture_by_the_way_up_from_a_link_has_a_result_of_its_own() -> None:
    touch("x.png", "other/x.png", "other/sub/f")
    Path("link").symlink_to("other/sub")
    assert targets("x.png", "link/../x.png") == ["x_x4.png", "link/../x_x4.png"]


def test_one_picture_by_two_ways_to_one_place_is_restored_once() -> None:
    touch("d1/x.png")
    Path("d2").symlink_to("d1")
    assert targets("d1/x.png", "d2/x.png") == ["d1/x_x4.png"]
    assert targets("d1", "d2") == ["d1_x4/x.png", "d2_x4/x.png"]


def test_an_input_is_only_replaced_when_that_was_asked_for() -> None:
    touch("a.png", "b.png")
    for rule in (None, "skip", "error"):
        with pytest.raises(UsageError, match=r"would replace the input a\.png"):
            plan("a.png", output="a.png", if_exists=rule)
        with pytest.raises(UsageError, match="would replace the input"):
            plan("a.png", "b.png", output=".", if_exists=rule)
    assert targets("a.png", output="a.png", if_exists="overwrite") == ["a.png"]


def test_the_same_file_under_another_name_is_an_input_too() -> None:
    touch("a.png")
    os.link("a.png", "hard.png")
    Path("soft.png").symlink_to("a.png")
    for other in ("hard.png", "soft.png", "./a.png"):
        with pytest.raises(UsageError, match="would replace the input"):
            plan("a.png", output=other)


def test_no_result_replaces_another_input_even_when_overwriting() -> None:
    touch("a.png", "a_x4.png")
    with pytest.raises(UsageError, match=r"the result of a\.png would replace the input a_x4\.png"):
        plan("a.png", "a_x4.png", if_exists="overwrite")


class Noted(Earlier):
    """As if the named files alone held the note of an earlier run with the same settings."""

    def __init__(self, *names: str) -> None:
        super().__init__(Settings("upscale", scale=4.0))
        self._names = names

    def knows(self, path: Path) -> bool:
        return str(path) in self._names

    def differs(self, path: Path, form: str | None) -> bool:  # noqa: ARG002 (none does)
        return False


def test_results_that_a_pattern_finds_in_a_continued_run_are_not_inputs() -> None:
    touch("a.png", "a_x4.png", "a_x4_x4.png", "b.png")
    noted = Noted("a_x4.png", "a_x4_x4.png")
    for rule in (None, "skip"):
        made = plan("*.png", earlier=noted, if_exists=rule)
        assert [(one.path, one.reason) for one in made.results] == [
            ("a_x4.png", "it is the result of a.png"),
            ("a_x4_x4.png", "it is the result of a_x4.png"),
        ]
        assert [job.label for job in made.existing] == ["a.png"]
        assert [job.label for job in made.jobs] == ["b.png"]
        assert made.inputs == 4 and made.rule == "skip"
    for rule in ("overwrite", "error"):
        with pytest.raises(UsageError, match=r"the result of a\.png would replace the input a_x4\.png"):
            plan("*.png", earlier=noted, if_exists=rule)
    assert plan("a_x4.png", earlier=noted).results == ()


def test_results_of_a_run_with_another_name_are_said_to_be_restored_again() -> None:
    touch("a.png", "a_x3.png", "b.jpg", "b_x3.png", "c_x3.png", "d.png", "d_e.png", "sub/e_x3.png", "e.png")
    noted = Noted("a_x3.png", "b_x3.png", "c_x3.png", "sub/e_x3.png")
    several = plan("*.*", "sub/*", earlier=noted)
    assert len(several.jobs) == 9 and several.results == ()
    assert several.again == ("a_x3.png", "b_x3.png")  # the other two stand without what they are made of
    assert several.warning == (
        "a_x3.png is itself a result of this command, as is 1 more of the inputs, and they are restored again; "
        "leave them out if you do not want that"
    )
    assert plan("a.png", "a_x3.png", earlier=noted).warning == (
        "a_x3.png is itself a result of this command, and is restored again; leave it out if you do not want that"
    )
    assert plan("a_x3.png", earlier=noted).warning == ""
    assert plan("a.png", "a_x3.png").warning == plan("d.png", "d_e.png", earlier=noted).warning == ""


def test_a_dry_run_says_it_too(nsr: Run, paint: Paint, tiny_model: Path, tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    assert nsr("upscale", "a.png", "-s", "2", "-m", tiny_model).returncode == 0
    done = nsr("upscale", "a.png", "a_x2.png", "-s", "3", "-n")
    assert done.returncode == 0 and b"2 to restore" in done.stderr
    assert b"a_x2.png is itself a result of this command" in done.stderr


def test_only_notes_of_pictures_that_are_named_like_results_are_read() -> None:
    touch(*(f"IMG_{i}.png" for i in range(50)), "IMG_7_x3.png")
    read: list[str] = []

    class Reading(Noted):
        def knows(self, path: Path) -> bool:
            read.append(path.name)
            return False

    plan("*.png", earlier=Reading())
    assert read == ["IMG_7_x3.png"]


def test_a_result_among_the_inputs_does_not_fail_for_its_results_name() -> None:
    stem = "a" * 245
    touch(f"{stem}.png", f"{stem}_x4.png")
    made = plan("*.png", earlier=Noted(f"{stem}_x4.png"))
    assert made.failed == () and len(made.results) == len(made.existing) == 1


def test_an_input_in_the_place_of_a_result_stays_one_unless_its_own_note_says_otherwise() -> None:
    touch("a.png", "a_x4.png")
    with pytest.raises(UsageError, match=r"the result of a\.png would replace the input a_x4\.png"):
        plan("*.png", earlier=Noted())
    with pytest.raises(UsageError, match="would replace the input"):
        plan("*.png")
    touch("b.png")
    Path("a_x4.png").unlink()
    os.link("b.png", "a_x4.png")
    with pytest.raises(UsageError, match=r"the result of a\.png would replace the input b\.png"):
        plan("*.png", earlier=Noted("a_x4.png", "b.png"))
    Path("a_x4.png").unlink()
    Path("a_x4.png").symlink_to("b.png")
    with pytest.raises(UsageError, match=r"the result of a\.png would replace the input b\.png"):
        plan("*.png", earlier=Noted("a_x4.png", "b.png"))


def test_results_do_not_go_where_inputs_are_looked_for() -> None:
    touch("d/a.png", "d/out/x.txt")
    for place in ("d", "d/", "d/.", "d/out/../"):
        with pytest.raises(UsageError, match="inside the input d"):
            plan("d", output=place, template="{stem}_new")
    with pytest.raises(UsageError, match="inside the input d"):
        plan("d", output="d/out", recursive=True)
    assert targets("d", output="d/out") == ["d/out/a.png"]
    Path("link").symlink_to("d")
    with pytest.raises(UsageError, match="inside the input d"):
        plan("d", output="link/out", recursive=True)


def test_what_is_there_already_is_kept_unless_told_otherwise() -> None:
    touch("a.png", "b.png", "a_x4.png")
    kept = plan("a.png", "b.png")
    assert [job.label for job in kept.existing] == ["a.png"]
    assert [job.label for job in kept.jobs] == ["b.png"]
    assert targets("a.png", "b.png", if_exists="overwrite") == ["a_x4.png", "b_x4.png"]
    with pytest.raises(UsageError, match=r"a_x4.png already exists: --if-exists overwrite"):
        plan("a.png", "b.png", if_exists="error")


def test_a_file_named_with_o_is_not_passed_over_in_silence() -> None:
    touch("a.png", "there.png")
    with pytest.raises(UsageError, match=r"there.png already exists"):
        plan("a.png", output="there.png")
    assert len(plan("a.png", output="there.png", if_exists="skip").existing) == 1
    assert targets("a.png", output="there.png", if_exists="overwrite") == ["there.png"]


def test_a_device_may_take_the_result() -> None:
    touch("a.png")
    assert targets("a.png", output="/dev/null") == ["/dev/null"]


def test_a_device_may_take_the_result_though_nothing_can_be_put_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch("a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "/dev")
    assert targets("a.png", output="/dev/null") == ["/dev/null"]


def test_a_folder_in_the_place_of_a_result_is_refused() -> None:
    touch("a.png", "a_x4.png/x")
    with pytest.raises(UsageError, match=r"a_x4\.png is a folder"):
        plan("a.png")


@pytest.mark.parametrize(
    ("output", "form", "reason"),
    [
        ("x.jp2", None, ".jp2 is read but not written"),
        ("x.tga", None, "no such format .tga"),
        ("x.png", "JPEG", "ends in .png, but --format says jpeg"),
    ],
)
def test_an_output_file_must_have_a_format(output: str, form: str | None, reason: str) -> None:
    touch("a.png")
    with pytest.raises(UsageError, match=reason):
        plan("a.png", output=output, form=form)


def test_a_place_that_cannot_be_written_is_found_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("a.png", "file")
    with pytest.raises(WriteError, match="file is not a folder"):
        plan("a.png", output="file/deeper/x.png")
    Path("locked").mkdir()
    # Whoever runs the tests may be allowed everything, so the system's answer is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path))
    with pytest.raises(WriteError, match="permission denied; choose another folder with -o"):
        plan("a.png", output="locked/sub/x.png")
    assert targets("a.png", output="open/x.png") == ["open/x.png"]
    assert not Path("open").exists()


def test_a_result_is_not_written_through_a_link_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("a.png", "there/f")
    Path("a_x4.png").symlink_to("nowhere/z.png")
    with pytest.raises(WriteError, match=r"a_x4.png: it is a link into .*nowhere, which is not a folder"):
        plan("a.png")
    Path("a_x4.png").unlink()
    Path("a_x4.png").symlink_to("a_x4.png")
    with pytest.raises(WriteError, match=r"a_x4.png: its symbolic links form a loop"):
        plan("a.png")
    Path("a_x4.png").unlink()
    Path("a_x4.png").symlink_to("there/z.png")
    assert targets("a.png") == ["a_x4.png"]
    monkeypatch.setattr(os, "access", lambda path, mode: "there" not in str(path))
    with pytest.raises(WriteError, match=r"cannot write into .*there: permission denied"):
        plan("a.png")


def test_an_input_that_is_gone_when_the_plan_is_made_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("a.png", "b.png")
    real = os.stat
    looks: list[str] = []

    def look(path: Any, *args: Any, **options: Any) -> Any:
        looks.append(str(path))
        if str(path) == "a.png" and looks.count("a.png") > 2:  # after it was found to be a file
            raise FileNotFoundError(path)
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", look)
    assert targets("a.png", "b.png") == ["a_x4.png", "b_x4.png"] and looks.count("a.png") > 2


@pytest.mark.parametrize("rule", [None, "skip", "overwrite", "error"])
def test_an_empty_output_is_not_a_folder(rule: str | None) -> None:
    touch("a.png")
    with pytest.raises(UsageError, match=r"^-o is empty: name a file or a folder$"):
        plan("a.png", output="", if_exists=rule)


def test_inputs_that_fail_do_not_stop_the_others() -> None:
    touch("a.png")
    made = plan("no.png", "a.png", "a" * 252 + ".png")
    assert [remark.path[:6] for remark in made.failed] == ["no.png", "aaaaaa"]
    assert len(made.jobs) == 1 and made.inputs == 3
    touch("a" * 251 + ".png")
    assert "the result's name would be too long" in plan("a" * 251 + ".png").failed[0].reason


def test_a_second_input_that_is_not_there_may_be_meant_for_the_result() -> None:
    touch("a.png", "b.png")
    asked = "no such file; if it was to be the result, give it with -o"
    assert [remark.reason for remark in plan("a.png", "new.png").failed] == [asked]
    for inputs in (("new.png", "a.png"), ("a.png", "b.png", "new.png"), ("new.png",)):
        assert [remark.reason for remark in plan(*inputs).failed] == ["no such file"]
    assert [remark.reason for remark in plan("a.png", "new.png", output="out/").failed] == ["no such file"]


def test_a_folder_without_pictures_says_how_to_look_further() -> None:
    touch("d/x.txt", "d/sub/a.png")
    with pytest.raises(UsageError, match="no pictures in d; -r looks into its subfolders"):
        plan("d")
    Path("d/sub2").mkdir()
    with pytest.raises(UsageError, match=r"no pictures in d/sub2$"):
        plan("d/sub2")


def test_planning_changes_nothing() -> None:
    touch("a.png", "d/b.png")
    before = sorted(map(str, Path().rglob("*")))
    plan("a.png", "d", output="new/deep", recursive=True)
    assert sorted(map(str, Path().rglob("*"))) == before


def test_what_its_own_format_cannot_hold_becomes_png_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("bmp-rgba.bmp", "bmp-rgb.bmp", "png-la.png"):
        data = next(case.data for case in cases() if case.name == name)
        (tmp_path / "d" / name).write_bytes(data)
    pam = b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nENDHDR\n" + bytes(8)
    (tmp_path / "d" / "a.pam").write_bytes(pam)
    found = {
        job.source.name: (job.target.name, job.format, job.note)
        for job in make_plan(Request((str(tmp_path / "d"),), Namer("_x2", None, None, {}))).jobs
        if job.source and job.target
    }
    assert found == {
        "a.pam": ("a.png", "PNG", "PPM cannot hold its transparency: it becomes PNG"),
        "bmp-rgb.bmp": ("bmp-rgb.bmp", "BMP", ""),
        "bmp-rgba.bmp": ("bmp-rgba.png", "PNG", "BMP cannot hold its transparency: it becomes PNG"),
        "png-la.png": ("png-la.png", "PNG", ""),
    }
    asked = make_plan(Request((str(tmp_path / "d" / "bmp-rgba.bmp"),), Namer("_x2", None, "BMP", {})))
    assert [(job.format, job.note) for job in asked.jobs] == [("BMP", "")]
