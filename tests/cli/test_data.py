"""`nsr data` over a registry of one small set that a folder serves as a mirror."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nsr_cli.cli import data
from nsr_cli.datasets import PictureSet, Registry
from nsr_cli.datasets import store as store_module
from nsr_cli.datasets.registry import RemoteFile
from nsr_cli.errors import DataError, UsageError
from nsr_cli.terminal.console import Console

FILES = {"a.png": b"first picture", "b.png": b"second picture, longer"}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the set `Tiny`; the cache is empty."""
    files = tuple(
        RemoteFile(
            name,
            f"repo/{name}",
            f"http://127.0.0.1:9/{name}",
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        for name, content in FILES.items()
    )
    manual = PictureSet("Licensed", "benchmark", "rgb", 3, note="licensed: ask its owners")
    registry = Registry((PictureSet("Tiny", "benchmark", "gray", 2, files, aliases=("T2",)), manual))
    monkeypatch.setattr(store_module, "load_registry", lambda: registry)
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    for name in ("NSR_DATA", "NSR_DATA_MIRROR", "NSR_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "mirror" / "Tiny"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return tmp_path / "mirror"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(data.app, arguments, obj=Console())


def test_list_shows_size_and_place_of_every_set(mirror: Path) -> None:
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["name", "for", "color", "pictures", "size", "where"]
    assert lines[1].split() == ["Tiny", "benchmark", "gray", "2", "35", "B", "to", "download"]
    assert lines[2].endswith("get it yourself")
    here = call("list", "--data", str(mirror)).stdout.splitlines()
    assert here[1].endswith(str(mirror / "Tiny"))


def test_list_as_json_is_one_object_a_set(mirror: Path) -> None:
    first, second = (json.loads(line) for line in call("list", "--json").stdout.splitlines())
    assert (first["name"], first["images"], first["bytes"], first["path"]) == ("Tiny", 2, 35, None)
    assert second["bytes"] is None and "owners" in second["note"]


def test_pull_takes_the_set_from_a_mirror_and_the_cache_then_has_it(mirror: Path, tmp_path: Path) -> None:
    done = call("pull", "t2", "--mirror", str(mirror))
    assert done.exit_code == 0, done.exception
    folder = tmp_path / "cache" / "datasets" / "Tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".png"} == FILES
    assert done.stdout == "" and str(folder) in done.stderr
    assert call("path", "Tiny").stdout == f"{folder}\n"
    assert "cache" in call("list").stdout.splitlines()[1]
    assert call("verify").stdout.split()[:2] == ["ok", "Tiny"]


def test_verify_names_the_damaged_file(mirror: Path) -> None:
    call("pull", "Tiny", "--mirror", str(mirror))
    folder = Path(call("path", "Tiny").stdout.strip())
    (folder / "b.png").write_bytes(FILES["b.png"].replace(b"longer", b"LONGER"))
    wrong = call("verify")
    assert wrong.stdout.startswith("damaged") and "b.png" in wrong.stdout
    assert isinstance(wrong.exception, DataError)
    assert json.loads(call("verify", "Tiny", "--json").stdout)["state"] == "damaged"


def test_verify_tells_sets_that_are_not_here_from_those_that_are_wrong(mirror: Path) -> None:
    absent = str(call("verify", "Tiny", "Licensed").exception)
    assert absent.startswith("not on this machine: Tiny, Licensed; `nsr data pull`")
    call("pull", "Tiny", "--mirror", str(mirror))
    folder = Path(call("path", "Tiny").stdout.strip())
    (folder / "b.png").write_bytes(b"?" * len(FILES["b.png"]))
    assert str(call("verify", "Tiny").exception).startswith("damaged: Tiny; ")
    assert str(call("verify", "Tiny", "Licensed").exception).startswith(
        "damaged: Tiny; not on this machine: Licensed; "
    )
    (folder / "b.png").unlink()
    assert str(call("verify").exception).startswith("incomplete: Tiny; ")


def test_what_is_said_to_help_does(mirror: Path) -> None:
    """A download goes to the cache, and the user's own folder would still come first."""
    (mirror / "Tiny" / "b.png").write_bytes(b"?" * len(FILES["b.png"]))
    own = str(call("verify", "--data", str(mirror)).exception)
    assert own.startswith(
        "damaged: Tiny; put the right files into the folder of Tiny yourself, or leave out --data "
    )
    assert "downloads what is missing" not in own
    both = str(call("verify", "Tiny", "Licensed", "--data", str(mirror)).exception)
    assert "`nsr data pull` downloads what is missing or wrong in the cache; put the right files" in both


def test_what_is_not_here_is_said_with_the_way_to_get_it(mirror: Path) -> None:
    absent = call("path", "Tiny").exception
    assert isinstance(absent, DataError) and "nsr data pull Tiny" in str(absent)
    assert isinstance(call("verify", "Tiny").exception, DataError)
    nothing = call("verify")
    assert nothing.exit_code == 0 and "nsr data pull" in nothing.stderr
    assert "owners" in str(call("pull", "Licensed").exception)
    assert isinstance(call("pull", "Tiny", "--offline").exception, DataError)
    assert isinstance(call("pull", "Tinny").exception, UsageError)
