"""Finding pictures in folders."""

from pathlib import Path

import pytest

from nsr_cli.datasets import list_pictures
from nsr_cli.errors import DataError


def test_pictures_in_all_folders(tmp_path: Path) -> None:
    for name in (
        "b.png",
        "A.JPG",
        "x/c.webp",
        "x/y/d.tif",
        "e.bmp",
        "no.txt",
        ".hidden.png",
        ".git/f.png",
        "g.gif",
        "f.pgm",
        "g.JPE",
        "h.jp2",
        "i.AVIF",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in list_pictures(tmp_path)]
    assert found == ["A.JPG", "b.png", "e.bmp", "f.pgm", "g.JPE", "h.jp2", "i.AVIF", "x/c.webp", "x/y/d.tif"]


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture in"):
        list_pictures(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        list_pictures(tmp_path / "none\x1b")
