"""Who may enter the folders that are made; modes of files are tested with the files."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsr_cli.modes import make_folder

POSIX = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o777


@POSIX
@pytest.mark.parametrize(
    ("own", "made"), [(0o700, 0o700), (0o750, 0o750), (0o755, 0o755), (0o777, 0o755), (0o500, 0o700)]
)
def test_a_folder_is_open_to_nobody_to_whom_the_mirrored_one_is_not(
    tmp_path: Path, umask: None, own: int, made: int
) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album").chmod(own)
    make_folder(tmp_path / "new" / "results", [tmp_path / "album"])
    assert mode_of(tmp_path / "new" / "results") == made
    assert mode_of(tmp_path / "new") == 0o755  # mirrors nothing


@POSIX
def test_one_that_is_there_stays_and_one_whose_like_is_gone_is_the_owner_s(
    tmp_path: Path, umask: None
) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    make_folder(tmp_path / "there" / "inner", [tmp_path / "gone", tmp_path / "gone"])
    assert mode_of(tmp_path / "there") == 0o755
    assert mode_of(tmp_path / "there" / "inner") == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_members_of_another_group_are_among_the_others(tmp_path: Path, umask: None) -> None:
    (tmp_path / "album").mkdir()
    os.chown(tmp_path / "album", -1, os.getegid() + 1)
    (tmp_path / "album").chmod(0o705)
    make_folder(tmp_path / "results", [tmp_path / "album"])
    assert mode_of(tmp_path / "results") == 0o700


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(folder)
