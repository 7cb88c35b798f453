"""What the typed inputs come to: files, folders, patterns, stdin, and what is left out."""

import errno
import importlib.util
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.imaging import formats
from nsr_cli.planning.inputs import Gathered, gather
from tests.planning.files import lock, touch


def names(gathered: Gathered, root: Path) -> list[str]:
    return [str(found.path.relative_to(root)) for found in gathered.found if found.path]


def test_files_are_taken_by_name_and_folders_by_suffix_in_a_fixed_order(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("d/b.png", "d/A.JPG", "d/c.txt", "d/sub/z.png", "odd.dat")))
    gathered = gather([str(tmp_path / "odd.dat"), str(tmp_path / "d")], False)
    assert names(gathered, tmp_path) == ["odd.dat", "d/A.JPG", "d/b.png"]
    assert (gathered.others, gathered.unvisited, gathered.folders) == (1, 1, [tmp_path / "d"])
    assert gathered.found[0].root is None and gathered.found[1].root == tmp_path / "d"


def test_what_is_left_out_of_folders_is_one_phrase(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", ".git/x.png", "@eaDir/x.png")))
    assert gather([str(tmp_path)], False).ignored == ""
    touch(*(tmp_path / name for name in ("x/b.png", "y/z/c.png", "n.TXT")))
    assert gather([str(tmp_path / "y")], False).ignored == "1 subfolder not looked into (-r takes it)"
    assert gather([str(tmp_path)], False).ignored == (
        "1 other file ignored (.txt), 2 subfolders not looked into (-r takes them)"
    )
    assert gather([str(tmp_path)], True).ignored == "1 other file ignored (.txt)"


def test_recursion_goes_through_subfolders_and_remembers_where_a_file_lay(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", "x/b.png", "x/y/c.png", "w/d.png")))
    gathered = gather([str(tmp_path)], True)
    assert names(gathered, tmp_path) == ["a.png", "w/d.png", "x/b.png", "x/y/c.png"]
    assert [str(found.relative_folder) for found in gathered.found] == [".", "w", "x", "x/y"]


def test_hidden_and_system_files_are_ignored_in_folders_but_not_by_name(tmp_path: Path) -> None:
    hidden = ("._a.png", ".hidden/x.png", "Thumbs.db", "__MACOSX/a.png", "@eaDir/a.png", ".a.png.12.part")
    touch(*(tmp_path / name for name in (*hidden, "a.png")))
    gathered = gather([str(tmp_path)], True)
    assert names(gathered, tmp_path) == ["a.png"]
    assert gathered.others == 0
    assert names(gather([str(tmp_path / "._a.png")], False), tmp_path) == ["._a.png"]


def test_a_picture_that_is_named_twice_is_restored_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    inputs = [str(tmp_path / "a.png"), f"{tmp_path}/./a.png", str(tmp_path), str(tmp_path / "*.png")]
    assert names(gather(inputs, False), tmp_path) == ["a.png"]


def test_the_way_up_from_a_link_leads_to_another_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(Path("x.png"), Path("other/x.png"), Path("other/sub/y.png"))
    Path("link").symlink_to("other/sub")
    gathered = gather(["x.png", "link/../x.png", "other/../x.png", "other/x.png"], False)
    assert [found.typed for found in gathered.found] == ["x.png", "link/../x.png"]


def test_patterns_are_expanded_unless_a_file_has_that_very_name(tmp_path: Path) -> None:
    touch(tmp_path / "[ab].png", tmp_path / "a.png", tmp_path / "sub" / "b.png")
    assert names(gather([str(tmp_path / "[ab].png")], False), tmp_path) == ["[ab].png"]
    assert names(gather([str(tmp_path / "?.png")], False), tmp_path) == ["a.png"]
    everywhere = gather([str(tmp_path / "**" / "?.png")], False)
    assert sorted(names(everywhere, tmp_path)) == ["a.png", "sub/b.png"]
    nothing = gather([str(tmp_path / "z*.png")], False)
    assert [remark.reason for remark in nothing.failed] == ["nothing matches this pattern"]


def test_links_that_lead_back_end_and_are_said(tmp_path: Path) -> None:
    touch(tmp_path / "d" / "a.png", tmp_path / "d" / "sub" / "b.png", tmp_path / "other" / "c.png")
    (tmp_path / "d" / "sub" / "loop").symlink_to(tmp_path / "d")
    (tmp_path / "d" / "outside").symlink_to(tmp_path / "other")
    (tmp_path / "d" / "twice").symlink_to(tmp_path / "other")
    (tmp_path / "d" / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d" / "self.png").symlink_to("self.png")
    gathered = gather([str(tmp_path / "d")], True)
    assert names(gathered, tmp_path) == ["d/a.png", "d/outside/c.png", "d/sub/b.png"]
    reasons = {Path(remark.path).name: remark.reason for remark in gathered.skipped}
    assert set(reasons) == {"loop", "twice", "gone.png", "self.png"}
    assert "already" in reasons["loop"] and reasons["gone.png"] == "a broken link"


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(folder / "s.png"))
        gathered = gather([str(folder)], False)
        assert gathered.found == [] and len(gathered.skipped) == 2
        named = gather([str(folder / "pipe.png"), str(folder / "s.png"), "/dev/null"], False)
    assert [remark.reason.split(",")[0] for remark in named.failed] == ["a pipe", "a socket", "a device"]


def test_what_does_not_exist_fails_by_itself(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    gathered = gather([str(tmp_path / "no.png"), str(tmp_path / "a.png"), ""], False)
    assert [remark.reason for remark in gathered.failed] == ["no such file", "no such file"]
    assert len(gathered.found) == 1


def test_an_empty_name_can_be_seen() -> None:
    assert [(one.path, one.reason) for one in gather([""], False).failed] == [("''", "no such file")]


def test_what_cannot_be_looked_at_fails_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(*(tmp_path / name for name in ("d/a.png", "d/locked/b.png", "d/locked/sub/c.png", "d/z.png")))
    lock(tmp_path / "d" / "locked", monkeypatch)
    gathered = gather([str(tmp_path / "d")], True)
    assert names(gathered, tmp_path) == ["d/a.png", "d/z.png"] and gathered.skipped == []
    assert [(Path(one.path).name, one.reason) for one in gathered.failed] == [
        ("b.png", "cannot be read: Permission denied"),
        ("sub", "cannot be read: Permission denied"),
    ]


def test_a_folder_that_is_gone_when_its_turn_comes_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "d" / "a.png", tmp_path / "d" / "sub" / "b.png")
    real, looks = os.stat, []

    def look(path: Any, *args: Any, **options: Any) -> Any:
        if os.fspath(path).endswith("sub"):
            looks.append(path)
            if len(looks) > 1:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", look)
    gathered = gather([str(tmp_path / "d")], True)
    assert names(gathered, tmp_path) == ["d/a.png"]
    assert [one.reason for one in gathered.failed] == ["cannot be read: No such file or directory"]


@pytest.mark.parametrize("installed", [True, False])
def test_heic_files_of_a_folder_are_pictures_if_they_can_be_read(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(*(tmp_path / name for name in ("d/a.heic", "d/b.avif", "d/c.jp2", "d/d.HIF", "d/e.png")))
    spec = importlib.util.find_spec("json") if installed else None
    monkeypatch.setattr(formats, "find_spec", lambda name: spec)
    gathered = gather([str(tmp_path / "d")], False)
    readable = ["d/b.avif", "d/c.jp2", "d/e.png"]
    assert names(gathered, tmp_path) == sorted([*readable, *(["d/a.heic", "d/d.HIF"] if installed else [])])
    assert gathered.others == (0 if installed else 2)


def test_stdin_can_be_read_once() -> None:
    assert gather(["-"], False).found[0].path is None
    with pytest.raises(UsageError, match="twice"):
        gather(["-", "-"], False)
