"""Sets come from the user's folder, the cache or a server, complete and right, or with one clear line."""

import hashlib
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.datasets import DataStore, PictureSet, Registry, load_registry
from nsr_cli.datasets import store as store_module
from nsr_cli.datasets.archive import extract
from nsr_cli.datasets.registry import Archive, RemoteFile
from nsr_cli.errors import DataError, FetchError, UsageError
from tests.folder_server import FolderServer, serving

PICTURES = {f"img_{number}.png": bytes([number]) * (1000 + number) for number in range(1, 6)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FolderServer]:
    with serving(tmp_path / "served") as running:
        yield running


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's cache, data, mirror, proxy or wish to stay offline."""
    for name in ("NSR_OFFLINE", "NSR_DATA", "NSR_DATA_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def registry(server: FolderServer, tmp_path: Path) -> Registry:
    """One set of files, one in an archive and one that nobody may publish, all on the server."""
    home = server.folder / "owner" / "repo"
    home.mkdir(parents=True)
    files = []
    for name, data in PICTURES.items():
        (home / name).write_bytes(data)
        path = f"owner/repo/{name}"
        files.append(RemoteFile(name, path, f"{server.url}/{path}", len(data), sha256(data)))
    with zipfile.ZipFile(server.folder / "packed.zip", "w") as opened:
        for name, data in PICTURES.items():
            opened.writestr(f"HR/{name}", data)
    zipped = (server.folder / "packed.zip").read_bytes()
    archive = Archive(f"{server.url}/packed.zip", len(zipped), sha256(zipped))
    return Registry(
        (
            PictureSet("Five", "benchmark", "rgb", 5, tuple(files), aliases=("V",)),
            PictureSet("Packed", "benchmark", "rgb", 5, archive=archive),
            PictureSet("Locked", "benchmark", "rgb", 3, note="ask its owners"),
        )
    )


MakeStore = Callable[..., DataStore]


@pytest.fixture
def make_store(registry: Registry) -> MakeStore:
    def make(data: Path | None = None, **options: Any) -> DataStore:
        return DataStore(data, registry=registry, **options)

    return make


def fill(folder: Path, pictures: dict[str, bytes] = PICTURES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", ("Five", "Packed"))
def test_download_once_then_use_the_cache(
    make_store: MakeStore, server: FolderServer, tmp_path: Path, name: str
) -> None:
    store = make_store()
    assert store.path(name) is None
    assert store.verify(name).state == "absent"
    found = store.find_images(name)
    assert found == [tmp_path / "cache" / "datasets" / name / file for file in sorted(PICTURES)]
    assert [path.read_bytes() for path in found] == list(PICTURES.values())
    asked = len(server.asked)
    assert asked == (5 if name == "Five" else 1)
    assert store.find_images(name.lower()) == found
    assert make_store(offline=True).find_images(name) == found
    assert len(server.asked) == asked
    assert store.path(name) == found[0].parent
    assert store.verify(name).state == "ok"
    assert not (store.folder / "packed.zip").exists()


def test_an_interrupted_pull_is_continued(make_store: MakeStore, server: FolderServer) -> None:
    store = make_store()

    def stop(done: int, total: int) -> None:
        if done > 2500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.pull("Five", stop)
    assert store.verify("Five").state == "incomplete"
    assert "is missing" in store.verify("Five").problems[-1]
    server.asked.clear()
    steps: list[tuple[int, int]] = []
    store.pull("Five", lambda *step: steps.append(step))
    assert 0 < len(server.asked) < 5
    total = sum(map(len, PICTURES.values()))
    assert steps[-1] == (total, total)
    assert steps == sorted(steps)
    assert store.verify("Five").state == "ok"


def test_a_damaged_file_in_the_cache_is_mended(make_store: MakeStore, server: FolderServer) -> None:
    store = make_store()
    folder = store.pull("Five")
    data = bytearray((folder / "img_3.png").read_bytes())
    data[500] ^= 4
    (folder / "img_3.png").write_bytes(data)
    assert store.verify("Five").state == "damaged"
    assert store.verify("Five").problems == ("img_3.png is damaged",)
    with pytest.raises(DataError, match=r"not complete.*network is disabled.*nsr data pull Five"):
        make_store(offline=True).find_images("Five")
    server.asked.clear()
    store.find_images("Five")
    assert server.asked == ["/owner/repo/img_3.png"]
    assert store.verify("Five").state == "ok"


def test_a_damaged_unpacked_set_is_noticed(make_store: MakeStore, server: FolderServer) -> None:
    store = make_store()
    folder = store.pull("Packed")
    for spoil in (lambda path: os.truncate(path, 900), Path.unlink):
        spoil(folder / "img_1.png")
        assert store.verify("Packed").state == "damaged"
        with pytest.raises(DataError, match="not complete"):
            make_store(offline=True).find_images("Packed")
        assert [path.read_bytes() for path in store.find_images("Packed")] == list(PICTURES.values())
        assert store.verify("Packed").state == "ok"


def test_who_waited_for_another_to_unpack_a_set_uses_what_is_there(
    make_store: MakeStore, server: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[Path] = []
    together = threading.Barrier(3)

    def slow(archive: Path, folder: Path, images: int) -> None:
        unpacked.append(folder)
        time.sleep(0.3)  # the others are at work by then
        extract(archive, folder, images)

    def pull() -> list[Path]:
        together.wait()
        return make_store().find_images("Packed")

    monkeypatch.setattr(store_module, "extract", slow)
    with ThreadPoolExecutor(3) as threads:
        found = [one.result() for one in [threads.submit(pull) for _ in range(3)]]
    assert len(unpacked) == 1 and server.asked == ["/packed.zip"]
    assert found[0] == found[1] == found[2]
    assert all(path.is_file() for path in found[0])
    assert sorted(path.name for path in make_store().folder.iterdir()) == ["Packed"]


def test_wrong_bytes_on_the_server(make_store: MakeStore, server: FolderServer) -> None:
    (server.folder / "owner" / "repo" / "img_2.png").write_bytes(b"?" * 1002)
    with pytest.raises(FetchError, match=r"img_2\.png.*sha256"):
        make_store().pull("Five")
    assert make_store().verify("Five").state == "incomplete"


@pytest.mark.parametrize("given", [True, False])
def test_a_failed_download_says_how_else_to_give_the_set(
    make_store: MakeStore, server: FolderServer, tmp_path: Path, given: bool
) -> None:
    """On a machine without a network, advice to check it would be all there is."""
    (server.folder / "owner" / "repo" / "img_2.png").write_bytes(b"?" * 1002)
    start = rf"there is no Five in {tmp_path}, and " if given else ""
    with pytest.raises(
        FetchError, match=rf"^{start}cannot download .*, or point --data at a folder with Five$"
    ):
        make_store(*[tmp_path] * given).find_images("Five")


def test_the_users_folder_comes_first(
    make_store: MakeStore, server: FolderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = fill(tmp_path / "given" / "Five")
    other = fill(tmp_path / "other" / "five")
    monkeypatch.setenv("NSR_DATA", str(tmp_path / "other"))
    assert {path.parent for path in make_store(tmp_path / "given").find_images("Five")} == {given}
    assert {path.parent for path in make_store().find_images("Five")} == {other}
    assert {path.parent for path in make_store(given).find_images("V")} == {given}
    assert make_store(tmp_path / "given").path("five") == given
    assert server.asked == []
    (tmp_path / "empty").mkdir()
    monkeypatch.delenv("NSR_DATA")
    assert (
        make_store(tmp_path / "empty").find_images("Five")[0].parent
        == tmp_path / "cache" / "datasets" / "Five"
    )


def test_other_formats_in_the_users_folder(make_store: MakeStore, tmp_path: Path) -> None:
    names = ("b.JPG", "a.webp", "c.tif", "d.bmp", "e.png")
    folder = fill(tmp_path / "given" / "V", dict.fromkeys(names, b"x"))
    fill(folder, {"notes.txt": b"", ".DS_Store": b"", "._a.png": b""})
    store = make_store(tmp_path / "given")
    assert [path.name for path in store.find_images("Five")] == sorted(names)
    assert store.verify("Five").state == "unverified"


def test_the_users_folder_is_checked(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(fill(tmp_path / "given" / "Five").parent)
    assert store.verify("Five").state == "ok"
    (tmp_path / "given" / "Five" / "img_1.png").write_bytes(b"?")
    assert store.verify("Five").state == "damaged"
    assert store.check_own("Five") == store.verify("Five")
    assert store.check_own("Packed") is None, "there is no folder of the user's"
    (tmp_path / "given" / "Five" / "img_1.png").unlink()
    assert store.verify("Five").state == "incomplete"
    with pytest.raises(DataError, match=r"given/Five holds 4 pictures, Five has 5"):
        store.find_images("Five")


def test_manual_sets(make_store: MakeStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Locked cannot be downloaded: ask its owners"):
        make_store().find_images("Locked")
    assert make_store().verify("Locked").state == "absent"
    fill(tmp_path / "given" / "locked", dict.fromkeys(("1.png", "2.png", "3.png"), b"x"))
    assert len(make_store(tmp_path / "given").find_images("Locked")) == 3
    with pytest.raises(DataError, match=r"www\.manga109\.org"):
        DataStore().find_images("manga109")


def test_the_remains_of_a_failed_download_are_not_a_set(make_store: MakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "datasets" / "Five"
    folder.mkdir(parents=True)
    (folder / ".a.png.part").write_bytes(b"x")
    store = make_store()
    assert store.path("Five") is None and store.verify("Five").state == "absent"


def test_wrong_names_and_folders(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="did you mean Five"):
        make_store().find_images("Fife")
    with pytest.raises(DataError, match=r"no folder .*nowhere; check --data"):
        make_store(tmp_path / "nowhere").find_images("Five")
    with pytest.raises(DataError, match=r"no folder .*nowhere; check --validate-data"):
        DataStore(tmp_path / "nowhere", option="--validate-data").find_images("Set5")
    monkeypatch.setenv("NSR_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="check NSR_DATA"):
        make_store().find_images("Five")


def test_a_failed_download_says_that_the_users_folder_did_not_hold_the_set(
    make_store: MakeStore, tmp_path: Path
) -> None:
    """Who has pointed a folder too far up would otherwise read of the network alone."""
    with pytest.raises(
        DataError, match=rf"^there is no Five in {tmp_path}, and Five is not complete on this"
    ):
        make_store(tmp_path, offline=True).find_images("Five")


def test_offline(make_store: MakeStore, server: FolderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Five", "Packed"):
        with pytest.raises(DataError, match="network is disabled"):
            make_store(offline=True).pull(name)
        monkeypatch.setenv("NSR_OFFLINE", "yes")
        with pytest.raises(DataError, match="network is disabled"):
            make_store().pull(name)
        monkeypatch.delenv("NSR_OFFLINE")
    assert server.asked == []
    with pytest.raises(DataError, match="or point --validate-data at a folder with it"):
        make_store(offline=True, option="--validate-data").pull("Five")


@pytest.mark.parametrize("layout", ("mirror/Five", "mirror/owner/repo"))
def test_mirrors(
    make_store: MakeStore, server: FolderServer, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    fill(server.folder / layout)
    monkeypatch.setenv("NSR_DATA_MIRROR", f"{server.url}/mirror")
    make_store().pull("Five")
    assert f"/{layout}/img_1.png" in server.asked
    assert "/owner/repo/img_1.png" not in server.asked


def test_a_folder_as_mirror(make_store: MakeStore, server: FolderServer, tmp_path: Path) -> None:
    fill(tmp_path / "stick" / "Five")
    (tmp_path / "stick" / "packed.zip").write_bytes((server.folder / "packed.zip").read_bytes())
    store = make_store(mirror=str(tmp_path / "stick"))
    assert len(store.find_images("Five")) == len(store.find_images("Packed")) == 5
    assert server.asked == []


def test_the_folders_beside_the_checkout(shared_data: Path) -> None:
    """The counts are right, and files that were kept as published have the published hashes."""
    store = DataStore(shared_data / "eval")
    for name, state in (
        ("Set5", "ok"),
        ("Set12", "ok"),
        ("BSD68", "ok"),
        ("Classic5", "ok"),
        ("BSD100", "unverified"),
        ("Urban100", "unverified"),
    ):
        assert len(store.find_images(name)) == load_registry().get(name).images
        assert store.verify(name).state == state


def test_a_real_set_from_a_server_in_the_original_layout(
    shared_data: Path, server: FolderServer, tmp_path: Path
) -> None:
    """Set5 as its own repository would send it, under its real hashes."""
    for file in load_registry().get("Set5").files:
        target = server.folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((shared_data / "eval" / "Set5" / file.name).read_bytes())
    store = DataStore(mirror=server.url)
    assert len(store.find_images("set5")) == 5
    assert store.verify("Set5").state == "ok"
