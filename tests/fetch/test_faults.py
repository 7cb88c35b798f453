"""Whatever a server does: the right file, or one line that names the address, in time."""

import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from nsr_cli.errors import FetchError, UsageError, WriteError
from nsr_cli.fetch import Source, answer, fetch
from nsr_cli.fetch.answer import Client
from tests.disk import disk, remount

if TYPE_CHECKING:
    from tests.fetch.conftest import Server


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".part"))


def leave_a_part(server: "Server", target: Path, data: bytes) -> None:
    """Leave what a failed download leaves: a part that nobody owns."""
    sha256 = server.source("ok").sha256
    (target.parent / f".{target.name}.{sha256[:12]}.000000-0000000000-12345678.part").write_bytes(data)


def test_a_plain_download(server: "Server", tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = fetch(server.source("ok"), tmp_path / "new" / "f.bin", progress=lambda *step: seen.append(step))
    assert target.read_bytes() == server.content
    assert leftovers(target.parent) == []
    assert seen[0] == (0, len(server.content))
    assert seen[-1] == (len(server.content), len(server.content))
    assert seen == sorted(seen)


def test_a_good_file_is_not_asked_for_again(server: "Server", tmp_path: Path) -> None:
    target = tmp_path / "f.bin"
    target.write_bytes(server.content)
    before = target.stat()
    fetch(server.source("ok"), target)
    assert server.hits.total() == 0
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_bad_file_of_the_right_size_is_replaced(server: "Server", tmp_path: Path) -> None:
    target = tmp_path / "f.bin"
    target.write_bytes(bytes(len(server.content)))
    fetch(server.source("ok"), target)
    assert target.read_bytes() == server.content


def test_the_mode_is_the_umasks(server: "Server", tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        target = fetch(server.source("ok"), tmp_path / "f.bin")
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640


RECOVERED = (
    "to_ok",
    "to_ok_elsewhere",
    "no_ranges",
    "broken_once",
    "broken_once_no_ranges",
    "truncated",  # each answer brings half of the rest
    "changed_etag",
    "changed_etag_honest",
    "wrong_range",
    "endless",  # its first bytes are right, and no more are read
)


FAULTS = pytest.mark.promise(
    "Weights and data: 37 faults of servers (reset, 404, 416, 500, cut off, HTML as 200, wrong bytes, no ranges, "
    "changed ETag, redirects in circles and to file:// or http://, gzip bomb, a byte a second, a bad certificate): the "
    "right file, or one line that names the address and exit code 4 within the deadline; a good file stays",
    count=37,
)


@FAULTS
@pytest.mark.parametrize("fault", RECOVERED)
def test_faults_that_pass(server: "Server", tmp_path: Path, fault: str) -> None:
    target = fetch(server.source(fault), tmp_path / "f.bin", retries=40)
    assert target.read_bytes() == server.content
    assert leftovers(tmp_path) == []


def test_the_body_of_a_redirect_is_not_unpacked(server: "Server", tmp_path: Path) -> None:
    tracemalloc.start()
    fetch(server.source("to_ok_with_a_bomb"), tmp_path / "f.bin")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


REFUSED = {
    "404": "HTTP 404 Not Found",
    "403": "HTTP 403 Forbidden",
    "410": "HTTP 410 Gone",
    "416": "HTTP 416 ",
    "304": "HTTP 304 ",
    "500": "HTTP 500 ",
    "503": "HTTP 503 ",
    "599": "HTTP 599;",
    "reset": "the connection broke",
    "truncated_unsized": "its bytes do not fit|the connection ended 1 byte too early",
    "longer": "it offers 300001 bytes where 300000 are expected",
    "wrong_total": "its file has 999999 bytes instead of 300000",
    "html": "it answers with a web page",
    "html_of_the_right_length": "it answers with a web page",
    "wrong": "it sends other content than expected",
    "unasked_piece": "it sends a piece of the file where all of it",
    "compressed": "it sends the file compressed",
    "circle": "it redirects in a circle",
    "to_file": "it redirects to file://",
    "to_ftp": "it redirects to ftp://",
    "to_nonsense": "it redirects to an address that makes no sense",
}


@FAULTS
@pytest.mark.parametrize("fault", REFUSED)
def test_faults_that_stay(server: "Server", tmp_path: Path, fault: str) -> None:
    target = tmp_path / "f.bin"
    target.write_bytes(b"an older version")
    with pytest.raises(FetchError, match=rf"/file\.bin: ({REFUSED[fault]})") as caught:
        fetch(server.source(fault), target, retries=2, deadline=20)
    text = str(caught.value)
    assert server.url(fault) in text
    assert text.isprintable()
    assert caught.value.exit_code == 4
    assert target.read_bytes() == b"an older version"
    assert server.hits[fault] <= 11


@pytest.mark.parametrize("fault", ["absurd_length", "absurd_range"])
def test_numbers_of_thousands_of_digits_are_one_line(server: "Server", tmp_path: Path, fault: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(server.source(fault), tmp_path / "f.bin", retries=2, deadline=20)
    assert server.url(fault) in str(caught.value) and len(str(caught.value)) < 300


@FAULTS
@pytest.mark.parametrize("fault", ("drip", "drip_headers", "silent"))
def test_slow_servers_are_left_at_the_deadline(server: "Server", tmp_path: Path, fault: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="not finished within 2 seconds") as caught:
        fetch(server.source(fault), tmp_path / "f.bin", deadline=2)
    assert time.monotonic() - started < 3.5
    assert server.url(fault) in str(caught.value)


@FAULTS
def test_a_drip_is_left_long_before_a_long_deadline(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "STALL_SECONDS", 1.5)
    started = time.monotonic()
    with pytest.raises(FetchError, match="it sent only"):
        fetch(server.source("drip"), tmp_path / "f.bin", retries=0, deadline=600)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("fault", ("drip", "drip_headers", "silent"))
def test_a_slow_address_leaves_time_for_the_next(server: "Server", tmp_path: Path, fault: str) -> None:
    started = time.monotonic()
    fetch(server.source(fault, "ok"), tmp_path / "f.bin", deadline=4)
    assert time.monotonic() - started < 3.5
    assert server.hits[fault] == server.hits["ok"] == 1


def test_a_head_that_never_ends_is_left_long_before_a_long_deadline(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "HEAD_SECONDS", 1.0)
    started = time.monotonic()
    with pytest.raises(FetchError, match="no answer for too long"):
        fetch(server.source("drip_headers"), tmp_path / "f.bin", retries=0, deadline=600)
    assert time.monotonic() - started < 6


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/f.bin"
        with pytest.raises(FetchError, match="no connection") as caught:
            fetch(Source((url,), 3, "0" * 64), tmp_path / "f.bin", retries=0)
    assert url in str(caught.value)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "url", ("gopher://host/f", "f.bin", "http://", "https://a..b/f", "http://\udcff/", "")
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(Source((url,), 3, "0" * 64), tmp_path / "f.bin", retries=0, deadline=10)
    assert str(caught.value).isprintable()


def test_no_address(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no address"):
        fetch(Source((), 3, "0" * 64), tmp_path / "f.bin")


@pytest.mark.parametrize(("size", "sha256"), ((-1, "0" * 64), (3, "0" * 63), (3, "A" * 64), (3, "")))
def test_a_source_without_a_usable_hash(size: int, sha256: str) -> None:
    with pytest.raises(UsageError):
        Source(("https://host/f",), size, sha256)


def test_passwords_and_tokens_are_not_shown(tmp_path: Path) -> None:
    url = "http://user:secret@127.0.0.1:1/f.bin?token=hush#part"
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:1/f\.bin: ") as caught:
        fetch(Source((url,), 3, "0" * 64), tmp_path / "f.bin", retries=0)
    assert not {"secret", "hush"} & set(str(caught.value).replace("@", " ").replace("=", " ").split())


def test_several_addresses_are_tried_in_order(server: "Server", tmp_path: Path) -> None:
    fetch(server.source("404", "wrong", "broken_once", "no_ranges"), tmp_path / "f.bin")
    assert [server.hits[fault] for fault in ("404", "wrong", "broken_once", "no_ranges")] == [1, 1, 1, 1]


def test_all_addresses_are_named(server: "Server", tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(server.source("404", "html"), tmp_path / "f.bin")
    assert server.url("404") in str(caught.value)
    assert server.url("html") in str(caught.value)
    assert "check the address" in str(caught.value)


def test_another_address_continues_what_the_first_began(server: "Server", tmp_path: Path) -> None:
    fetch(server.source("broken_once", "ok"), tmp_path / "f.bin")
    assert server.ranges[0] is None
    assert server.ranges[1] is not None
    assert server.conditions[1] is None  # the tag is another server's


def test_wrong_bytes_of_one_address_do_not_spoil_another(server: "Server", tmp_path: Path) -> None:
    target = fetch(server.source("poisoned", "ok"), tmp_path / "f.bin", retries=0)
    assert target.read_bytes() == server.content


def test_a_changed_file_is_not_loaded_to_the_end_in_vain(server: "Server", tmp_path: Path) -> None:
    seen: list[int] = []
    fetch(server.source("changed_etag"), tmp_path / "f.bin", progress=lambda done, total: seen.append(done))
    assert seen.count(len(server.content)) == 1


def test_resume_uses_if_range(server: "Server", tmp_path: Path) -> None:
    fetch(server.source("broken_once"), tmp_path / "f.bin")
    assert server.conditions == [None, '"one"']
    assert server.sent <= len(server.content) + (1 << 16)


def test_a_weak_tag_is_not_used_for_if_range(server: "Server", tmp_path: Path) -> None:
    server.etag = 'W/"one"'
    fetch(server.source("broken_once"), tmp_path / "f.bin")
    assert server.conditions == [None, None]


def test_a_failed_run_is_continued_by_the_next(server: "Server", tmp_path: Path) -> None:
    target = tmp_path / "f.bin"
    with pytest.raises(FetchError, match=r"goes on at \d+ %"):
        fetch(server.source("truncated"), target, retries=1)
    assert len(leftovers(tmp_path)) == 1
    before = server.sent
    fetch(server.source("ok"), target)
    assert server.sent == len(server.content)
    assert before > 0
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("fault", ("ok", "no_ranges", "not_satisfiable_once"))
@pytest.mark.parametrize("poison", (1, 1000, 300_000, 400_000))
def test_a_poisoned_part_is_thrown_away(server: "Server", tmp_path: Path, fault: str, poison: int) -> None:
    target = tmp_path / "f.bin"
    leave_a_part(server, target, b"?" * poison)
    assert fetch(server.source(fault), target, retries=0).read_bytes() == server.content
    assert leftovers(tmp_path) == []


def test_a_claimed_part_is_not_idle(server: "Server", tmp_path: Path) -> None:
    """Another process must not take it for abandoned before the first new byte comes."""
    leave_a_part(server, tmp_path / "f.bin", server.content[:1000])
    old = tmp_path / leftovers(tmp_path)[0]
    os.utime(old, (0, 0))
    ages: list[float] = []

    def look(done: int, total: int) -> None:
        ages.extend(time.time() - (tmp_path / name).stat().st_mtime for name in leftovers(tmp_path))
        assert done >= 1000

    fetch(server.source("ok"), tmp_path / "f.bin", progress=look)
    assert not old.exists()
    assert len(ages) > 1
    assert max(ages) < 60


def test_a_complete_part_needs_no_server(server: "Server", tmp_path: Path) -> None:
    leave_a_part(server, tmp_path / "f.bin", server.content)
    fetch(server.source("500"), tmp_path / "f.bin")
    assert server.hits.total() == 0


def test_only_our_own_leftovers_are_removed(server: "Server", tmp_path: Path) -> None:
    target = tmp_path / "f.bin"
    ours = ".f.bin.0123456789ab.000000-0000000000-12345678.part"
    living = (
        f".f.bin.0123456789ab.{'0' * 5}1-{os.getpid():010d}-12345678.part"  # another host, just written to
    )
    others = [
        "f.bin.part",
        ".f.bin.part",
        ".g.bin.0123456789ab.000000-0000000000-12345678.part",
        "f.bin.bak",
        living,
    ]
    for name in [ours, *others]:
        (tmp_path / name).write_bytes(b"x")
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / ".f.bin.0123456789ab.000000-0000000000-87654321.part").symlink_to(outside)
    fetch(server.source("ok"), target)
    assert outside.read_bytes() == b"precious"
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == sorted([*others, "f.bin", "outside"])


def test_links_planted_in_the_folder_lead_nowhere(server: "Server", tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    folder = tmp_path / "cache"
    folder.mkdir()
    target = folder / "f.bin"
    target.symlink_to(outside)
    part = f".f.bin.{server.source('ok').sha256[:12]}.000000-0000000000-12345678.part"
    (folder / part).symlink_to(outside)
    fetch(server.source("ok"), target)
    assert outside.read_bytes() == b"precious"
    assert not target.is_symlink()
    assert target.read_bytes() == server.content


@pytest.mark.parametrize("name", ("n" * 255, "\u00e9" * 127, "[red]\x1b[31m\n.bin"))
def test_long_and_odd_names(server: "Server", tmp_path: Path, name: str) -> None:
    fetch(server.source("broken_once"), tmp_path / name)
    with pytest.raises(FetchError) as caught:
        fetch(Source((server.url("404"),), 3, "0" * 64), tmp_path / name)
    assert str(caught.value).isprintable()


def test_connections_are_kept(server: "Server", tmp_path: Path) -> None:
    with Client() as client:
        for number in range(4):
            fetch(server.source("ok"), tmp_path / f"{number}", client=client)
    assert server.hits["ok"] == 4
    assert server.connections == 1


def test_a_full_disk_is_told_before(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(WriteError, match="and the disk has 0"):
            fetch(server.source("ok"), tmp_path / "f.bin")
    assert server.hits.total() == 0


def test_a_disk_that_fills_up_on_the_way(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "disk", "256k") as small:
        (small / "f.bin").write_bytes(b"an older version")
        usage = shutil.disk_usage(small)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 40))
        with pytest.raises(WriteError, match=r"f\.bin: the disk is full; free some space"):
            fetch(server.source("ok"), small / "f.bin")
        assert (small / "f.bin").read_bytes() == b"an older version"
        remount(small, "size=2m")
        server.sent = 0
        assert fetch(server.source("ok"), small / "f.bin").read_bytes() == server.content
        assert server.sent < len(server.content) // 2


def test_an_interrupt_keeps_what_is_there(server: "Server", tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.source("ok"), tmp_path / "f.bin", progress=stop)
    server.sent = 0
    fetch(server.source("ok"), tmp_path / "f.bin")
    assert server.sent < len(server.content)


def test_a_local_mirror(tmp_path: Path) -> None:
    origin, content = tmp_path / "a file.bin", b"weights" * 1000
    origin.write_bytes(content)
    good = Source((origin.as_uri(),), len(content), hashlib.sha256(content).hexdigest())
    assert fetch(good, tmp_path / "copy").read_bytes() == content
    with pytest.raises(FetchError, match="has 7000 bytes instead of 3"):
        fetch(Source((origin.as_uri(),), 3, "0" * 64), tmp_path / "other")
    with pytest.raises(FetchError, match="no such file"):
        fetch(Source((tmp_path.as_uri(),), 3, "0" * 64), tmp_path / "other")
    with pytest.raises(FetchError, match="sha256"):
        fetch(Source((origin.as_uri(),), len(content), "0" * 64), tmp_path / "other")


def test_the_lock_ends_at_the_deadline(server: "Server", tmp_path: Path) -> None:
    source = server.source("ok")
    with (
        FileLock(tmp_path / f".{source.sha256[:16]}.lock"),
        pytest.raises(FetchError, match="another process") as caught,
    ):
        fetch(source, tmp_path / "f.bin", deadline=0.3)
    assert server.url("ok") in str(caught.value)


def test_a_folder_without_locks_works(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert fetch(server.source("ok"), tmp_path / "f.bin").read_bytes() == server.content


@pytest.fixture
def secure_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Answer one https request with a redirect to plain http; the certificate is trusted for this test."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl here to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as stream:
                    stream.recv(4096)
                    answer_ = (
                        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/f\r\n\r\n"
                    )
                    stream.sendall(answer_)
                    stream.recv(1)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NSR_TEST_CERTIFICATE", str(certificate))
    return f"https://127.0.0.1:{listener.getsockname()[1]}/f.bin"


@FAULTS
def test_https_never_leads_to_http(secure_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.environ["NSR_TEST_CERTIFICATE"])
    with pytest.raises(FetchError, match="redirects to http://, which is not allowed") as caught:
        fetch(Source((secure_url,), 3, "0" * 64), tmp_path / "f.bin", deadline=20)
    assert secure_url in str(caught.value)


@FAULTS
def test_an_unknown_certificate_is_refused(secure_url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="certificate cannot be verified"):
        fetch(Source((secure_url,), 3, "0" * 64), tmp_path / "f.bin", deadline=20)
