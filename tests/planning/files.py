"""Files to plan with, and folders into which nobody may look."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing below `folder` be looked at: whoever runs the tests may be allowed everything."""

    def guarded(real: Any) -> Any:
        def look(path: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(path, int) and folder in Path(os.fsdecode(path)).absolute().parents:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return real(path, *args, **options)

        return look

    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))
