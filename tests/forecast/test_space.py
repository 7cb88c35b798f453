"""Whether the disk has room for the results, and what becomes of inputs that vanish before that is looked at."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from nsr_cli.errors import WriteError
from nsr_cli.forecast import space
from nsr_cli.forecast.files import forecast, surely_enough
from nsr_cli.forecast.space import check_space
from nsr_cli.planning.naming import Namer
from nsr_cli.planning.places import Request
from nsr_cli.planning.plan import Plan, make_plan
from nsr_cli.planning.settings import Settings
from tests.command import Inside, Paint

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 (what shutil returns)


def planned(folder: Path, form: str | None = None) -> tuple[Plan, Settings]:
    settings = Settings("upscale", scale=4.0)
    return make_plan(Request((str(folder),), Namer("_x4", None, form, {}))), settings


def test_too_little_disk_is_found_before_any_work(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.effect_noise((400, 300), 90)
    (tmp_path / "d").mkdir()
    for i in range(3):
        noise.save(tmp_path / "d" / f"{i}.png")
    plan, settings = planned(tmp_path / "d")
    check_space(plan, settings)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10**5))
    with pytest.raises(WriteError, match=r"too little disk: the results take at least 1\.4 MB"):
        check_space(plan, settings)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 3 * 10**6))
    check_space(plan, settings)
    with pytest.raises(WriteError):
        check_space(*planned(tmp_path / "d", "BMP"))


@pytest.mark.parametrize(
    ("size", "scale", "mode", "form"),
    [
        ((400, 300), 4.0, "RGB", "PNG"),
        ((1, 1), 1.5, "L", "PNG"),
        ((3, 1), 2.5, "RGB", "TIFF"),
        ((64, 64), 16.0, "RGB", "GIF"),
        ((64, 64), 2.0, "RGB", "WEBP"),
        ((64, 64), 3.0, "L", "JPEG"),
    ],
)
def test_no_file_is_opened_where_the_lengths_alone_leave_room(
    size: tuple[int, int],
    scale: float,
    mode: str,
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "d").mkdir()
    source = tmp_path / "d" / "a.png"
    Image.effect_noise(size, 90).convert(mode).save(source)
    settings = Settings("upscale", scale=scale)
    plan = make_plan(Request((str(tmp_path / "d"),), Namer("_x", None, form, {})))
    needed = forecast(plan.jobs[0], settings)
    room = surely_enough(plan.jobs[0], source.stat().st_size, settings)
    assert needed is not None and needed.least <= room
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, room + 1))
    monkeypatch.setattr(space, "forecast", lambda *_: pytest.fail("a file was opened"))
    check_space(plan, settings)


@pytest.mark.parametrize("free", [10**12, 10**5], ids=["much is free", "little is free"])
def test_an_input_that_vanishes_after_the_plan_is_no_matter_of_space(
    free: int, paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        paint(tmp_path / "d" / name)
    plan, settings = planned(tmp_path / "d")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, free))
    (tmp_path / "d" / "a.png").unlink()
    check_space(plan, settings)


def test_folders_that_vanish_after_the_plan_are_no_matter_of_space(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "d" / "a.png")
    plan, settings = planned(tmp_path / "d")

    def gone(path: Path) -> Usage:
        raise FileNotFoundError(path)

    monkeypatch.setattr(shutil, "disk_usage", gone)
    check_space(plan, settings)


def test_an_input_that_vanishes_after_the_plan_costs_only_itself(
    inside: Inside,
    paint: Paint,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paint(tmp_path / "a.png")
    paint(tmp_path / "b.png")

    def plan_slowly(request: Request) -> Plan:
        plan = make_plan(request)
        (tmp_path / "a.png").unlink()
        return plan

    monkeypatch.setattr("nsr_cli.planning.plan.make_plan", plan_slowly)
    assert inside("upscale", "a.png", "b.png", "-s", "2", "-m", tiny_model) == 3
    said = capfd.readouterr().err
    assert "nsr: a.png: no such file" in said and "1 restored, 1 failed" in said, said
    assert (tmp_path / "b_x2.png").exists()
