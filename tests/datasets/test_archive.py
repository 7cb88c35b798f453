"""A zip file from anywhere: the right pictures in the right folder, or nothing at all."""

import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from nsr_cli.datasets import archive as archive_module
from nsr_cli.datasets.archive import SUMS, damaged_pictures, extract, read_sums
from nsr_cli.errors import DataError, WriteError

Member = tuple[str | zipfile.ZipInfo, bytes]
GOOD: list[Member] = [
    ("HR/", b""),
    ("HR/0001.png", b"one"),
    ("HR/0002.png", b"two" * 1000),
    ("HR/readme.txt", b""),
]


def make_zip(path: Path, members: list[Member], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, data in members:
            opened.writestr(name, data)
    return path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def link(name: str, target: bytes) -> Member:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member, target


def test_pictures_are_unpacked_without_their_folders(tmp_path: Path) -> None:
    extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set", 2)
    assert everything(tmp_path) == ["a.zip", "set", "set/0001.png", "set/0002.png", f"set/{SUMS}"]
    assert (tmp_path / "set" / "0002.png").read_bytes() == b"two" * 1000
    assert set(read_sums(tmp_path / "set")) == {"0001.png", "0002.png"}
    assert damaged_pictures(tmp_path / "set") == []


def test_damage_is_found(tmp_path: Path) -> None:
    extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set", 2)
    (tmp_path / "set" / "0001.png").write_bytes(b"onf")
    (tmp_path / "set" / "0002.png").unlink()
    assert damaged_pictures(tmp_path / "set") == ["0001.png", "0002.png"]
    (tmp_path / "set" / SUMS).write_text("../../etc/passwd")
    assert read_sums(tmp_path / "set") == {}


@pytest.mark.promise(
    "Weights and data: 13 archive members that lead out of the folder, are links, have odd names or are too many: "
    "it is refused, and the folder of before stays",
    count=13,
)
@pytest.mark.parametrize(
    ("member", "message"),
    (
        (("../0003.png", b"x"), "lead out"),
        (("/0003.png", b"x"), "lead out"),
        (("HR/../../0003.png", b"x"), "lead out"),
        (("C:/0003.png", b"x"), "lead out"),
        (("HR\\0003.png", b"x"), "lead out"),
        (("\x1b[31m.png", b"x"), "lead out"),
        ((".hidden.png", b"x"), "lead out"),
        (("a" * 101 + ".png", b"x"), "lead out"),
        (link("0003.png", b"/etc/passwd"), "lead out"),
        (link("link.txt", b"/etc"), "lead out"),
        (("other/0001.png", b"x"), "twice"),
        (("other/0001.PNG", b"x"), "twice"),
        (("0003.png", b"x"), "holds 3 pictures, the set has 2"),
    ),
)
def test_dangerous_or_wrong_members(tmp_path: Path, member: Member, message: str) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "set").mkdir()
    (folder / "set" / "old.png").write_bytes(b"old")
    with pytest.raises(DataError, match=message) as caught:
        extract(make_zip(tmp_path / "a.zip", [*GOOD, member]), folder / "set", 2)
    assert "a.zip" in str(caught.value)
    assert str(caught.value).isprintable()
    assert everything(folder) == ["set", "set/old.png"]
    assert everything(tmp_path) == ["a.zip", "cache", "cache/set", "cache/set/old.png"]


def test_too_few_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 2 pictures, the set has 100"):
        extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set", 100)
    assert everything(tmp_path) == ["a.zip"]


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_ROOM", 1 << 16)
    bomb = make_zip(tmp_path / "a.zip", [("0001.png", bytes(10_000_000))])
    with pytest.raises(DataError, match="far more"):
        extract(bomb, tmp_path / "set", 1)
    assert everything(tmp_path) == ["a.zip"]


def test_a_member_that_lies_about_its_length(tmp_path: Path) -> None:
    """The announced length is what is counted, so no more than it may come out."""
    path = make_zip(tmp_path / "a.zip", [("0001.png", bytes(1000))])
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        where = data.index(header) + offset
        data[where : where + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        extract(path, tmp_path / "set", 1)
    assert everything(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("compression", (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
def test_other_packings_are_refused(tmp_path: Path, compression: int) -> None:
    with pytest.raises(DataError, match="no picture set uses"):
        extract(make_zip(tmp_path / "a.zip", GOOD, compression), tmp_path / "set", 2)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("0001.png", b"one")])
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(header) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="no picture set uses"):
        extract(path, tmp_path / "set", 1)


def test_every_truncation_and_flip_is_refused_or_harmless(tmp_path: Path) -> None:
    data = make_zip(tmp_path / "good.zip", GOOD).read_bytes()
    path, folder = tmp_path / "a.zip", tmp_path / "set"
    for position in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[position] ^= 1 << (position % 8)
        for content in (bytes(damaged), data[:position]):
            path.write_bytes(content)
            try:
                extract(path, folder, 2)
            except DataError:
                assert not folder.exists()
            else:
                assert sorted(path.read_bytes() for path in folder.glob("*.*")) == [b"one", b"two" * 1000]
                for stored in folder.iterdir():
                    stored.unlink()
                folder.rmdir()
    assert everything(tmp_path) == ["a.zip", "good.zip"]


def test_an_incomplete_folder_is_replaced_and_leftovers_go(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "0001.png").write_bytes(b"half")
    killed = tmp_path / ".set.000000000000.000000-0000000000-12345678.part"
    killed.mkdir()
    (killed / "0001.png").write_bytes(b"half")
    extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set", 2)
    assert everything(tmp_path) == ["a.zip", "set", "set/0001.png", "set/0002.png", f"set/{SUMS}"]
    assert (tmp_path / "set" / "0001.png").read_bytes() == b"one"


def test_the_same_pictures_stay_where_they_are(tmp_path: Path) -> None:
    """Without locks two processes may unpack a set: a reader of the first one's folder must not lose it."""
    archive, folder = make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set"
    extract(archive, folder, 2)
    before = folder.stat().st_ino
    extract(archive, folder, 2)
    assert folder.stat().st_ino == before
    (folder / "0001.png").write_bytes(b"damaged")
    extract(archive, folder, 2)
    assert (folder / "0001.png").read_bytes() == b"one"
    assert everything(tmp_path) == ["a.zip", "set", "set/0001.png", "set/0002.png", f"set/{SUMS}"]


def test_nothing_is_removed_before_the_new_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "0001.png").write_bytes(b"half")
    remove = shutil.rmtree
    seen: list[bytes] = []

    def watched(path: Path, ignore_errors: bool = False) -> None:
        if (path / "old").exists():
            seen.append((tmp_path / "set" / "0001.png").read_bytes())
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", watched)
    extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "set", 2)
    assert seen == [b"one"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = make_zip(tmp_path / "a.zip", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match="disk is full"):
            extract(path, tmp_path / "set", 2)
    assert everything(tmp_path) == ["a.zip"]
