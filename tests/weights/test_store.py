"""Only verified bytes leave the store, wherever they come from and whatever is done to the files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nsr_cli.errors import FetchError, UsageError, WeightsError
from nsr_cli.fetch import fetch
from nsr_cli.weights import store as store_module
from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.manifest import Manifest
from nsr_cli.weights.store import WeightStore
from tests.folder_server import FolderServer

if TYPE_CHECKING:
    from tests.weights.conftest import MakeEntry

DATA = bytes(range(256)) * 40


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    folder = tmp_path / "pretrained"
    folder.mkdir()
    return folder


MakeStore = Callable[..., WeightStore]


@pytest.fixture
def make_store(tmp_path: Path, bundled: Path) -> MakeStore:
    def make(*entries: WeightEntry, **options: object) -> WeightStore:
        place = (tmp_path / "weights_manifest.json").as_uri()
        return WeightStore(Manifest(entries, place), bundled=bundled, **options)  # type: ignore[arg-type]

    return make


def test_the_order_is_package_cache_network(
    make_entry: "MakeEntry", make_store: MakeStore, bundled: Path, mirror: FolderServer
) -> None:
    entry = make_entry(data=DATA, bundled=True)
    (mirror.folder / entry.file).write_bytes(DATA)
    store = make_store(entry, mirror=mirror.url)
    assert store.locate(entry) is None
    assert store.read(entry.name) == (entry, DATA)
    assert store.locate(entry) == store.folder / entry.file
    assert store.read(entry) == (entry, DATA)
    assert mirror.asked == [f"/{entry.file}"]
    (bundled / entry.file).write_bytes(DATA)
    assert store.locate(entry) == bundled / entry.file
    assert store.pull(entry) == bundled / entry.file
    assert len(mirror.asked) == 1


def test_the_cache_is_where_the_environment_says(
    make_entry: "MakeEntry", make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_store().folder == tmp_path / "cache" / "weights"
    assert make_store(cache=tmp_path / "x").folder == tmp_path / "x"
    monkeypatch.setenv("NSR_CACHE", "relative")
    assert make_store().folder == Path.cwd() / "relative" / "weights"
    monkeypatch.setenv("NSR_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert make_store().folder == tmp_path / "xdg" / "nsr" / "weights"


def test_mirror_first_then_the_manifests_addresses(
    make_entry: "MakeEntry", make_store: MakeStore, mirror: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(data=DATA, urls=(f"{mirror.url}/own/a.safetensors",))
    (mirror.folder / "own").mkdir()
    (mirror.folder / "own" / "a.safetensors").write_bytes(DATA)
    monkeypatch.setenv("NSR_WEIGHTS_MIRROR", f"{mirror.url}/mirror/")
    assert make_store(entry).read(entry)[1] == DATA
    assert mirror.asked == [f"/mirror/{entry.file}", "/own/a.safetensors"]


def test_a_folder_as_mirror_and_relative_addresses(
    make_entry: "MakeEntry", make_store: MakeStore, tmp_path: Path
) -> None:
    entry = make_entry(data=DATA, urls=("published/a.safetensors",))
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "a.safetensors").write_bytes(DATA)
    assert make_store(entry, cache=tmp_path / "one").read(entry)[1] == DATA
    stick = tmp_path / "a stick"
    stick.mkdir()
    (stick / entry.file).write_bytes(DATA)
    other = make_entry(data=DATA)
    assert make_store(other, cache=tmp_path / "two", mirror=str(stick)).read(other)[1] == DATA


def test_offline(
    make_entry: "MakeEntry", make_store: MakeStore, mirror: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(data=DATA)
    (mirror.folder / entry.file).write_bytes(DATA)
    with pytest.raises(
        WeightsError,
        match=r"not on this machine, and the network is disabled; leave out --offline, unset NSR_OFFLINE and remove "
        r"`offline` from nsr\.toml, then run `nsr weights pull",
    ):
        make_store(entry, mirror=mirror.url, offline=True).read(entry)
    monkeypatch.setenv("NSR_OFFLINE", "1")
    store = make_store(entry, mirror=mirror.url)
    with pytest.raises(WeightsError, match="network is disabled"):
        store.pull(entry)
    assert mirror.asked == []
    store.folder.mkdir(parents=True)
    (store.folder / entry.file).write_bytes(DATA)
    assert store.read(entry)[1] == DATA
    (store.folder / entry.file).write_bytes(DATA[:-1] + b"?")
    with pytest.raises(WeightsError, match="is damaged, and the network is disabled"):
        store.read(entry)
    monkeypatch.setenv("NSR_OFFLINE", "0")
    assert make_store(entry, mirror=mirror.url).read(entry)[1] == DATA


def test_every_flipped_bit_in_the_cache_is_noticed_and_mended(
    make_entry: "MakeEntry", make_store: MakeStore, mirror: FolderServer
) -> None:
    entry = make_entry(data=DATA)
    (mirror.folder / entry.file).write_bytes(DATA)
    store = make_store(entry, mirror=mirror.url)
    path = store.pull(entry)
    for position in (0, 1, len(DATA) // 2, len(DATA) - 1):
        damaged = bytearray(DATA)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        assert store.verify(entry).state == "damaged"
        assert store.read(entry)[1] == DATA
        assert path.read_bytes() == DATA
    path.write_bytes(DATA[:-1])
    assert store.read(entry)[1] == DATA
    path.write_bytes(DATA + b"x")
    assert store.read(entry)[1] == DATA


def test_a_damaged_bundled_file_is_refused(
    make_entry: "MakeEntry", make_store: MakeStore, bundled: Path, mirror: FolderServer
) -> None:
    entry = make_entry(data=DATA, bundled=True)
    (mirror.folder / entry.file).write_bytes(DATA)
    store = make_store(entry, mirror=mirror.url)
    for damaged in (DATA[:-1] + b"?", DATA[:-1], b"", DATA + b"x"):
        (bundled / entry.file).write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"damaged.*install nsr again"):
            store.read(entry)
    assert mirror.asked == []


def test_damaged_file_and_no_network_leaves_the_file(make_entry: "MakeEntry", make_store: MakeStore) -> None:
    entry = make_entry(data=DATA, urls=("http://127.0.0.1:1/a",))
    store = make_store(entry)
    store.folder.mkdir(parents=True)
    (store.folder / entry.file).write_bytes(b"damaged")
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:1/a"):
        store.read(entry)
    assert store.locate(entry) is None


def test_the_bytes_handed_out_are_the_bytes_checked(
    make_entry: "MakeEntry", make_store: MakeStore, mirror: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is exchanged right after the download is not handed out."""
    entry = make_entry(data=DATA)
    (mirror.folder / entry.file).write_bytes(DATA)
    store = make_store(entry, mirror=mirror.url)

    def exchange(source: object, target: Path, **options: object) -> Path:
        fetch(source, target, **options)  # type: ignore[arg-type]
        target.write_bytes(b"?" * len(DATA))
        return target

    monkeypatch.setattr(store_module, "fetch", exchange)
    with pytest.raises(WeightsError, match="was changed"):
        store.read(entry)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_things_that_are_no_files(
    make_entry: "MakeEntry", make_store: MakeStore, tmp_path: Path, mirror: FolderServer
) -> None:
    entry = make_entry(data=DATA)
    (mirror.folder / entry.file).write_bytes(DATA)
    store = make_store(entry, mirror=mirror.url)
    store.folder.mkdir(parents=True)
    path, outside = store.folder / entry.file, tmp_path / "outside"
    outside.write_bytes(b"precious")
    os.mkfifo(path)
    assert store.verify(entry).state == "damaged"
    assert store.read(entry)[1] == DATA
    path.unlink()
    path.symlink_to(outside)
    assert store.verify(entry).state == "damaged"
    assert store.read(entry)[1] == DATA
    assert not path.is_symlink()
    assert outside.read_bytes() == b"precious"


def test_a_linked_file_is_as_good_as_its_content(
    make_entry: "MakeEntry", make_store: MakeStore, bundled: Path, tmp_path: Path
) -> None:
    """Some installers link the files of a package from their own cache, some people their downloads."""
    packed, other = make_entry("packed", DATA, bundled=True), make_entry("other", DATA)
    store = make_store(packed, other)
    store.folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(DATA)
    (bundled / packed.file).symlink_to(tmp_path / "elsewhere")
    (store.folder / other.file).symlink_to(tmp_path / "elsewhere")
    assert store.read(packed)[1] == store.read(other)[1] == DATA
    assert store.prune() == []


def test_no_address_and_no_name(make_entry: "MakeEntry", make_store: MakeStore) -> None:
    entry = make_entry(data=DATA)
    with pytest.raises(WeightsError, match="no address for it"):
        make_store(entry).read(entry)
    with pytest.raises(UsageError, match="did you mean upscale-x2"):
        make_store(entry).read("upscale-x22")


def test_verify_and_prune(make_entry: "MakeEntry", make_store: MakeStore, bundled: Path) -> None:
    good, bad, absent = make_entry("good", DATA), make_entry("bad", DATA), make_entry("absent", DATA)
    packed = make_entry("packed", DATA, bundled=True)
    store = make_store(good, bad, absent, packed)
    assert store.prune() == []
    store.folder.mkdir(parents=True)
    (bundled / packed.file).write_bytes(DATA)
    for name in ("good", "old-version", "packed"):
        (store.folder / f"{name}.safetensors").write_bytes(DATA)
    (store.folder / bad.file).write_bytes(b"?" * len(DATA))
    part = ".good.safetensors.0123456789ab.000000-0000000000-12345678.part"
    foreign = ("notes.txt", "Mine.safetensors", "x.part")
    for name in (part, *foreign):
        (store.folder / name).write_bytes(b"x")
    (store.folder / "folder.safetensors").mkdir()
    found = {one.name: (store.verify(one).state, store.verify(one).path) for one in store.manifest.entries}
    assert found == {
        "good": ("ok", store.folder / good.file),
        "bad": ("damaged", store.folder / bad.file),
        "absent": ("absent", None),
        "packed": ("ok", bundled / packed.file),
    }
    removed = {path.name for path in store.prune()}
    assert removed == {"old-version.safetensors", "packed.safetensors", "bad.safetensors", part}
    kept = {path.name for path in store.folder.iterdir()}
    assert kept == {"good.safetensors", "folder.safetensors", *foreign}


def test_progress(make_entry: "MakeEntry", make_store: MakeStore, mirror: FolderServer) -> None:
    entry = make_entry(data=DATA)
    (mirror.folder / entry.file).write_bytes(DATA)
    steps: list[tuple[int, int]] = []
    make_store(entry, mirror=mirror.url).pull(entry, lambda *step: steps.append(step))
    assert steps[-1] == (len(DATA), len(DATA))
