"""Writing is all or nothing."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsr_cli import files
from nsr_cli.errors import WriteError
from nsr_cli.files import atomic_stream, part_name, write_atomic
from tests.disk import disk
from tests.promises import Reached


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: with a file that has no name (Linux), and with a named one (everywhere)."""
    if request.param == "named":
        monkeypatch.setattr(files, "_open_nameless", lambda folder, mode: None)
    return str(request.param)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_writes_and_replaces(tmp_path: Path, way: str) -> None:
    target = tmp_path / "out.png"
    write_atomic(target, b"first")
    write_atomic(target, memoryview(b"second"))
    assert target.read_bytes() == b"second"
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize("umask", (0o022, 0o077, 0o002))
def test_new_file_gets_the_mode_of_the_umask(tmp_path: Path, way: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


def test_existing_file_keeps_its_mode(tmp_path: Path, way: str) -> None:
    target = tmp_path / "private.png"
    target.write_bytes(b"old")
    target.chmod(0o600)
    write_atomic(target, b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def modes_while_written(target: Path, like: Path | None) -> tuple[int, int]:
    """The mode of what becomes `target` while it is written, and afterwards."""
    with atomic_stream(target, like) as stream:
        before = os.fstat(stream.fileno()).st_mode
        stream.write(b"x")
    return stat.S_IMODE(before), stat.S_IMODE(target.stat().st_mode)


def scan_of(folder: Path, mode: int) -> Path:
    scan = folder / f"scan{mode:o}"
    scan.write_bytes(b"private")
    scan.chmod(mode)
    return scan


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize(
    ("umask", "scan", "result"),
    [
        (0o022, 0o600, 0o600),
        (0o022, 0o640, 0o640),
        (0o022, 0o660, 0o640),
        (0o022, 0o666, 0o644),
        (0o022, 0o604, 0o604),
        (0o022, 0o755, 0o644),
        (0o022, 0o400, 0o600),  # nobody else may read it, and its owner may write what is his
        (0o022, 0o444, 0o644),
        (0o077, 0o666, 0o600),
        (0o002, 0o664, 0o664),
    ],
)
def test_a_result_is_open_to_nobody_who_may_not_read_its_input(
    tmp_path: Path, way: str, umask: int, scan: int, result: int
) -> None:
    source, before = scan_of(tmp_path, scan), os.umask(umask)
    try:
        assert modes_while_written(tmp_path / "result", source) == (result, result)
        write_atomic(tmp_path / "whole", b"x", like=source)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == result


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_result_that_replaces_a_file_is_as_narrow_as_that_from_the_start(tmp_path: Path, way: str) -> None:
    target = scan_of(tmp_path, 0o600)
    assert modes_while_written(target, None) == (0o600, 0o600)
    target.chmod(0o644)
    assert modes_while_written(target, scan_of(tmp_path, 0o400)) == (0o644, 0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_an_input_that_is_gone_or_a_link_or_a_pipe(tmp_path: Path, way: str) -> None:
    before = os.umask(0o022)
    try:
        assert modes_while_written(tmp_path / "a", tmp_path / "gone")[1] == 0o600
        (tmp_path / "link").symlink_to(scan_of(tmp_path, 0o600))
        assert modes_while_written(tmp_path / "b", tmp_path / "link")[1] == 0o600
        os.mkfifo(tmp_path / "pipe", 0o600)
        assert modes_while_written(tmp_path / "c", tmp_path / "pipe")[1] == 0o644
    finally:
        os.umask(before)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="giving files to others needs root")
@pytest.mark.parametrize(("scan", "result"), [(0o640, 0o600), (0o604, 0o600), (0o664, 0o644)])
def test_another_group_gets_no_more_than_everybody(tmp_path: Path, way: str, scan: int, result: int) -> None:
    source, before = scan_of(tmp_path, scan), os.umask(0o022)
    try:
        os.chown(source, -1, os.getegid() + 1)
        assert modes_while_written(tmp_path / "a", source) == (result, result)
        shared = tmp_path / "shared"
        shared.mkdir()
        os.chown(shared, -1, os.getegid() + 1)
        shared.chmod(0o2755)  # new files get the folder's group, which is that of the scan
        assert modes_while_written(shared / "b", source) == (scan & ~0o022, scan & ~0o022)
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "name", ("a" * 255, "\u00e9" * 127, "\U0001f33f" * 63, "-x.png", "[red].png", "new\nline")
)
def test_any_name_up_to_255_bytes(tmp_path: Path, way: str, name: str) -> None:
    for content in (b"x", b"y"):
        write_atomic(tmp_path / name, content)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"y"


def test_a_name_that_is_not_utf8(tmp_path: Path, way: str) -> None:
    target = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_atomic(target, b"x")
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.png"]


@given(st.text(min_size=1).filter(lambda text: not set(text) & {"/", "\0"}))
def test_part_names_never_exceed_the_limit(name: str) -> None:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return  # no file can have this name
    part = part_name(name, "0" * 12)
    assert len(os.fsencode(part)) <= 255
    assert part.startswith(".")
    assert part.endswith(".part")


def test_too_long_a_name_is_one_line(tmp_path: Path, way: str) -> None:
    with pytest.raises(WriteError, match="name is too long"):
        write_atomic(tmp_path / ("a" * 256), b"x")
    assert names(tmp_path) == []


@pytest.mark.parametrize("failing", (errno.ENOSPC, errno.EDQUOT, errno.EIO))
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, way: str, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(failing, os.strerror(failing))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError) as caught:
        write_atomic(target, b"new")
    assert "out.png" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.png"]


def test_full_disk(tmp_path: Path, way: str) -> None:
    with disk(tmp_path / "disk", "1m") as small:
        target = small / "out.bin"
        write_atomic(target, b"old" * 1000)
        with pytest.raises(WriteError, match="disk is full"):
            write_atomic(target, bytes(2 << 20))
        assert target.read_bytes() == b"old" * 1000
        assert names(small) == ["out.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_devices_are_written_to_and_never_replaced(tmp_path: Path, way: str) -> None:
    write_atomic(Path("/dev/null"), b"x")
    with pytest.raises(WriteError, match="disk is full"):
        write_atomic(Path("/dev/full"), b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_an_open_pipe_is_written_to() -> None:
    """/dev/stdout and /dev/fd/N are links to names that do not exist as paths."""
    reader, writer = os.pipe()
    try:
        write_atomic(Path(f"/dev/fd/{writer}"), b"picture")
        assert os.read(reader, 100) == b"picture"
    finally:
        os.close(reader)
        os.close(writer)


def test_missing_folder_and_folder_as_target(tmp_path: Path, way: str) -> None:
    with pytest.raises(WriteError, match="folder does not exist"):
        write_atomic(tmp_path / "no" / "out.png", b"x")
    with pytest.raises(WriteError, match="it is a folder"):
        write_atomic(tmp_path, b"x")
    with pytest.raises(WriteError, match="it is a folder"), atomic_stream(tmp_path):
        pass


def test_read_only_folder_is_one_line(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root ignores permissions, so the system's refusal is played."""
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(WriteError, match="permission denied; choose another folder"):
        write_atomic(tmp_path / "out.png", b"x")
    monkeypatch.undo()
    assert names(tmp_path) == []


def test_a_link_is_followed_and_kept(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(folder / "real.png")
    write_atomic(tmp_path / "link.png", b"new")
    assert (tmp_path / "link.png").is_symlink()
    assert (folder / "real.png").read_bytes() == b"new"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(WriteError, match="loop"):
        write_atomic(tmp_path / "loop", b"x")


def test_hard_links_are_cut_not_written_through(tmp_path: Path, way: str) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    write_atomic(tmp_path / "b", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_interrupted_body_removes_its_temporary(tmp_path: Path, way: str) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_stream(tmp_path / "out") as stream:  # noqa: PT012
        stream.write(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


def test_no_link_support_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT has no hard links; the named temporary file does the work there."""

    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    write_atomic(tmp_path / "out", b"x")
    assert (tmp_path / "out").read_bytes() == b"x"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without names")
def test_on_linux_there_is_nothing_to_leave_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = files._open_nameless(tmp_path, 0o600)
    if descriptor is None:
        pytest.skip("this file system has no files without names")
    os.close(descriptor)
    seen: list[list[str]] = []
    real = os.fsync

    def look(descriptor: int) -> None:
        seen.append(names(tmp_path))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_atomic(tmp_path / "out", b"x")
    assert seen == [[], ["out"]]  # at the file's fsync, and at the folder's


WRITER = """
import sys
from pathlib import Path
from nsr_cli.files import write_atomic
target, data = Path(sys.argv[1]), [bytes([value]) * 300_000 for value in (65, 66)]
print("ready", flush=True)
while True:
    for block in data:
        write_atomic(target, block)
"""


KILLED = pytest.mark.promise(
    "Writing: a process that does nothing but replace one file is killed (SIGKILL) 50 times: it is old or new, "
    "and nothing else is to be seen",
    count=50,
)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("kills", (6, pytest.param(50, marks=(pytest.mark.slow, KILLED))))
def test_a_killed_writer_leaves_one_whole_file(tmp_path: Path, kills: int, reached: Reached) -> None:
    target = tmp_path / "out.bin"
    for round_ in range(kills):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.003 * (round_ % 17))
            process.send_signal(signal.SIGKILL)
            process.wait()
        if target.exists():
            content = target.read_bytes()
            assert len(content) == 300_000
            assert len(set(content)) == 1
        reached()
    visible = [name for name in names(tmp_path) if not name.startswith(".")]
    assert visible in ([], ["out.bin"])
