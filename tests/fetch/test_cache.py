"""Where downloads go, also for users without a home."""

import os
from pathlib import Path

import platformdirs
import pytest

from nsr_cli.errors import UsageError, WriteError
from nsr_cli.fetch import Source, cache_root, fetch, mirror_url


def test_the_folder_of_the_environment_counts_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NSR_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("NSR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_root() == platformdirs.user_cache_path("nsr", appauthor=False)


def nowhere(*_: object, **__: object) -> Path:
    raise RuntimeError("no home")


@pytest.mark.parametrize("answer", [nowhere, lambda *_, **__: Path("~/.cache/nsr")])
def test_without_a_home_there_is_a_folder_that_cannot_be_made(
    answer: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NSR_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", answer)
    monkeypatch.chdir(tmp_path)
    assert cache_root().is_absolute() and not cache_root().exists()
    with pytest.raises(WriteError, match="NSR_CACHE"):
        fetch(Source(("https://127.0.0.1/x",), 3, "0" * 64), cache_root() / "weights" / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="homes of other users are POSIX's")
def test_a_home_that_nobody_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSR_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(UsageError, match="NSR_CACHE: ~nobody-of-this-name/cache leads to no home folder"):
        cache_root()
    with pytest.raises(UsageError, match="mirror: ~nobody-of-this-name/m"):
        mirror_url("~nobody-of-this-name/m", "a")
