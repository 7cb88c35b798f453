"""Why a path is not a file to read: what leads nowhere, what may not be looked at, and what is something else."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.planning.kinds import unreadable
from tests.planning.files import lock, touch


def test_a_link_to_what_cannot_be_looked_at_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "locked" / "b.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "locked" / "b.png")
    real = os.stat

    def look(path: Any, *args: Any, **options: Any) -> Any:
        if options.get("follow_symlinks", True) and os.fspath(path).endswith("link.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", look)
    assert unreadable(str(tmp_path / "link.png")) == "cannot be read: Permission denied"


def test_a_file_in_a_folder_that_may_not_be_entered_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "noread" / "a.png", tmp_path / "file")
    lock(tmp_path / "noread", monkeypatch)
    assert unreadable(str(tmp_path / "noread" / "a.png")) == "cannot be read: Permission denied"
    assert unreadable(str(tmp_path / "file" / "a.png")) == "no such file"
    assert unreadable("a\0b.png") == "no such file"
    assert unreadable("https://example.org/a.png").startswith("an address, not a file; save it first")


def test_what_has_become_a_folder_or_is_gone_is_said(tmp_path: Path) -> None:
    assert unreadable(str(tmp_path)) == "a folder, not a file"
    assert unreadable(str(tmp_path / "gone.tif")) == "no such file"
