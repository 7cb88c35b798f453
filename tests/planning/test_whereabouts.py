"""Which file a path means, whatever links and `..` lead there."""

import os
from pathlib import Path

import pytest

from nsr_cli.planning.whereabouts import Whereabouts, nearest_existing


@pytest.fixture(autouse=True)
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`link` leads to `other/sub`, `x.png` and `other/x.png` are two files, `soft.png` leads to the first."""
    monkeypatch.chdir(tmp_path)
    Path("other/sub").mkdir(parents=True)
    Path("link").symlink_to("other/sub")
    Path("x.png").touch()
    Path("other/x.png").touch()
    Path("soft.png").symlink_to("x.png")


def test_a_file_has_one_place_however_its_folder_is_reached() -> None:
    where = Whereabouts()
    expected = os.path.realpath("other/sub/y.png")
    for way in ("link/y.png", "./other/sub/y.png", "other/../link/y.png", str(Path("link/y.png").absolute())):
        assert where.entry(Path(way)) == where.written(Path(way)) == expected


def test_the_way_up_from_a_link_is_that_of_the_folder_it_leads_to() -> None:
    where = Whereabouts()
    other = os.path.realpath("other/x.png")
    assert where.entry(Path("link/../x.png")) == where.spelled(Path("link/../x.png")) == other
    assert (
        where.spelled(Path("other/../x.png")) == where.spelled(Path("x.png")) == str(Path("x.png").absolute())
    )


def test_an_unsearchable_folder_is_no_error_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything, so the answer of Path is given here."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_symlink", refuse)
    assert Whereabouts().written(Path("other/x.png")) == os.path.realpath("other/x.png")


def test_a_name_through_a_link_is_spelled_otherwise() -> None:
    where = Whereabouts()
    assert where.spelled(Path("link/y.png")) != where.spelled(Path("other/sub/y.png"))


def test_a_link_is_a_name_of_its_own_but_writing_goes_where_it_leads() -> None:
    where = Whereabouts()
    assert where.entry(Path("soft.png")) == str(Path("soft.png").absolute())
    assert where.written(Path("soft.png")) == os.path.realpath("x.png")


def test_a_folder_is_looked_up_once_for_all_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = os.path.realpath

    def look(path: str) -> str:
        looked.append(path)
        return real(path)

    monkeypatch.setattr(os.path, "realpath", look)
    where = Whereabouts()
    for i in range(1000):
        where.written(Path(f"link/{i}.png"))
    assert looked == ["link"]


def test_what_exists_of_a_path_may_be_a_broken_link() -> None:
    Path("broken").symlink_to("nowhere")
    for given, expected in (
        ("new/er/est", "."),
        ("other/new", "other"),
        ("broken/x", "broken"),
        ("link", "link"),
    ):
        assert nearest_existing(Path(given)) == Path(expected).absolute()
