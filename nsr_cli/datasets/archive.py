"""Unpacking a set that comes as a zip file, without trusting the file."""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from nsr_cli.datasets.pictures import is_picture_name
from nsr_cli.errors import DataError
from nsr_cli.fetch import hash_file, part_folder, remove_abandoned
from nsr_cli.files import sync_folder, write_atomic, write_error
from nsr_cli.reads import read_regular
from nsr_cli.shown import counted, safe_text

SUMS = "SHA256SUMS"  # lines as sha256sum writes them

_BLOCK = 1 << 20
_MOST_SUMS = 1 << 24  # bytes of the list
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_GROWTH = 3  # pictures are compressed already: an archive that unpacks to more times its size is a zip bomb
_ROOM = 1 << 26


def extract(archive: Path, folder: Path, images: int) -> None:
    """Unpack the pictures of a zip file into a new `folder`, without the folders in the file.

    This is done in a folder beside it, which takes the name `folder` when the pictures are complete and counted; an
    existing folder with other content is replaced. A list of hashes is stored with the pictures.

    Args:
        archive: the zip file; its own hash has been checked before.
        folder: where to put the pictures.
        images: how many there must be.

    Raises:
        DataError: the archive is damaged, does not hold the right pictures, or holds something dangerous.
        WriteError: the pictures cannot be stored.
    """
    try:
        aside = part_folder(folder)
        try:
            _unpack(archive, aside, images)
            sync_folder(aside)
            _publish(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, error) from error
    remove_abandoned(folder)


def read_sums(folder: Path) -> dict[str, str]:
    """Return the hash of every picture that `extract` put into `folder`, by name; empty without a usable list."""
    try:
        lines = read_regular(folder / SUMS, _MOST_SUMS).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    matches = [_SUM_LINE.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in matches if match} if all(matches) else {}


def damaged_pictures(folder: Path) -> list[str]:
    """Return the names of the pictures in `folder` that are not what `extract` stored."""
    damaged = []
    for name, sha256 in read_sums(folder).items():
        path = folder / name
        try:
            is_right = stat.S_ISREG(path.lstat().st_mode) and hash_file(path) == sha256
        except OSError:
            is_right = False
        if not is_right:
            damaged.append(name)
    return damaged


def _unpack(archive: Path, folder: Path, images: int) -> None:
    left = _GROWTH * archive.stat().st_size + _ROOM
    sums: dict[str, str] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in _pictures(opened, archive, images):
                name = member.filename.rpartition("/")[2]
                left -= member.file_size
                if left < 0:
                    raise _refused(archive, "it unpacks to far more than a set of pictures")
                sums[name] = _copy(opened, member, folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, RuntimeError) as error:
        raise _refused(archive, "it is damaged") from error
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items()))
    write_atomic(folder / SUMS, lines.encode("ascii"))


def _pictures(opened: zipfile.ZipFile, archive: Path, images: int) -> list[zipfile.ZipInfo]:
    """Return the members to unpack; refuse an archive that holds anything that does not belong there."""
    members, names = [], set()
    for member in opened.infolist():
        if member.is_dir():
            continue
        parts = member.filename.split("/")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not all(_NAME.fullmatch(part) for part in parts) or kind not in (0, stat.S_IFREG):
            raise _refused(
                archive, f"it holds {safe_text(member.filename[:100])}, which could lead out of the folder"
            )
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(archive, "it is packed in a way that no picture set uses")
        if parts[-1].lower() in names:
            raise _refused(archive, f"it holds {parts[-1]} twice")
        if is_picture_name(parts[-1]):
            names.add(parts[-1].lower())
            members.append(member)
    if len(members) != images:
        raise _refused(archive, f"it holds {counted(len(members), 'picture')}, the set has {images}")
    return members


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> str:
    """Unpack one member, which zipfile checks against its CRC; return its sha256."""
    digest = hashlib.sha256()
    with target.open("xb") as sink:
        for block in _blocks(opened, member):
            digest.update(block)
            sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())
    return digest.hexdigest()


def _blocks(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member; zipfile ensures that it is no longer than announced."""
    try:
        with opened.open(member) as source:
            while block := source.read(_BLOCK):
                yield block
    except OSError as error:  # for example if an offset in the archive points to before its start
        raise zipfile.BadZipFile("unreadable") from error


def _publish(aside: Path, folder: Path) -> None:
    """Give the complete folder its name; what is there is moved away first, unless it is the same.

    It is removed only once the new folder has the name, so readers miss the pictures for two renames at most.
    """
    olds: list[Path] = []
    try:
        for _ in range(10):
            try:
                aside.rename(folder)
            except OSError:
                if not folder.exists() and not folder.is_symlink():
                    raise
                if _is_same(folder, aside):  # where there are no locks, another process may have been faster
                    return
                olds.append(part_folder(folder))
                with contextlib.suppress(OSError):  # another process may have moved it
                    folder.rename(olds[-1] / "old")
            else:
                sync_folder(folder.parent)
                return
        raise FileExistsError(17, "another process keeps making it")
    finally:
        for old in olds:
            shutil.rmtree(old, ignore_errors=True)


def _is_same(folder: Path, new: Path) -> bool:
    """Whether `folder` holds, undamaged, the pictures that were unpacked into `new`."""
    return read_sums(folder) == read_sums(new) and not damaged_pictures(folder)


def _refused(archive: Path, why: str) -> DataError:
    return DataError(
        f"cannot use {safe_text(archive)}: {why}; remove it and try again, or use another mirror"
    )
