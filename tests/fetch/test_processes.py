"""Many processes at once, and processes that are killed, against a real server."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nsr_cli.fetch import fetch
from tests.promises import Reached
from tests.waiting import until

if TYPE_CHECKING:
    from tests.fetch.conftest import Server

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

# Loads the libraries once and forks a child for every download: fifty kills do not mean fifty imports.
# Input: "target size sha256 deadline url...", or "go" to start all the waiting children together.
NURSERY = """
import fcntl, os, sys
from pathlib import Path
if sys.argv[1] == "no-lock":
    fcntl.flock = lambda descriptor, operation: None  # what flock does on some network file systems
import socket
from urllib3.connection import HTTPConnection
from nsr_cli.errors import NsrError
from nsr_cli.fetch import Source, download, fetch
# What waits in the kernel when a process dies is lost; keep that little, to see what the process loses.
HTTPConnection.default_socket_options += [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]

def child(gate, target, size, sha256, deadline, *urls):
    os.read(gate, 1)
    try:
        fetch(Source(urls, int(size), sha256), Path(target), deadline=float(deadline))
    except NsrError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    os._exit(0)

children, (gate, opener) = [], os.pipe()
for line in sys.stdin:
    if line.strip() == "go":
        os.close(opener)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        os.close(gate)
        print(*codes, flush=True)
        children, (gate, opener) = [], os.pipe()
        continue
    pid = os.fork()
    if not pid:
        os.close(opener)
        child(gate, *line.split())
    children.append(pid)
    print(pid, flush=True)
"""


class Nursery:
    """Starts processes that download."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-W", "error", "-c", NURSERY, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, *words: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def hear(self) -> list[int]:
        assert self.process.stdout
        return [int(word) for word in self.process.stdout.readline().split()]

    def prepare(self, server: "Server", target: Path, *faults: str, deadline: float = 60) -> int:
        source = server.source(*faults)
        self.say(target, source.bytes, source.sha256, deadline, *source.urls)
        return self.hear()[0]

    def run(self) -> list[int]:
        """Let the prepared processes go and return their exit codes."""
        self.say("go")
        return self.hear()


@pytest.fixture
def nursery() -> Iterator[Callable[..., Nursery]]:
    started: list[Nursery] = []

    def start(*arguments: str) -> Nursery:
        started.append(Nursery(*arguments))
        return started[-1]

    yield start
    for one in started:
        assert one.process.stdin
        assert one.process.stdout
        one.process.stdin.close()
        one.process.stdout.close()
        assert one.process.wait(30) == 0


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


ONE_BODY = pytest.mark.promise(
    "Weights and data: 16 processes with an empty cache fetch one file, 20 rounds: each has it right, "
    "and the server sent one body",
    count=320,
)


@pytest.mark.parametrize("rounds", (2, pytest.param(20, marks=(pytest.mark.slow, ONE_BODY))))
def test_sixteen_processes_load_one_body(
    server: "Server", tmp_path: Path, nursery: Callable[..., Nursery], rounds: int, reached: Reached
) -> None:
    processes = nursery("lock")
    for number in range(rounds):
        server.hits.clear()
        server.sent = 0
        targets = [tmp_path / str(number) / "f.bin"] * 16
        for target in targets:
            processes.prepare(server, target, "ok")
        assert processes.run() == [0] * 16
        assert targets[0].read_bytes() == server.content
        assert server.hits["ok"] == 1
        assert server.sent == len(server.content)
        assert parts(targets[0].parent) == []
        reached(16)


NO_LOCKS = pytest.mark.promise(
    "Weights and data: the same where locks do nothing, from servers that break off, know no ranges or send half, "
    "20 rounds each: nobody has a wrong byte, nothing is left over",
    count=1280,
)


@pytest.mark.parametrize("fault", ("ok", "broken_once", "no_ranges", "truncated"))
@pytest.mark.parametrize("rounds", (1, pytest.param(20, marks=(pytest.mark.slow, NO_LOCKS))))
def test_sixteen_processes_without_locks(
    server: "Server",
    tmp_path: Path,
    nursery: Callable[..., Nursery],
    fault: str,
    rounds: int,
    reached: Reached,
) -> None:
    """More bodies, but nobody sees a wrong byte, and nothing is left over."""
    processes = nursery("no-lock")
    server.block, server.pause = 1 << 14, 0.001
    for number in range(rounds):
        server.hits.clear()
        target = tmp_path / str(number) / "f.bin"
        for _ in range(16):
            processes.prepare(server, target, fault)
        assert processes.run() == [0] * 16
        assert target.read_bytes() == server.content
        assert server.hits[fault] > 1
        assert parts(target.parent) == []
        reached(16)


KILLED = pytest.mark.promise(
    "Weights and data: a download is killed (SIGKILL) at 50 random points: the file is absent or right, the next run "
    "goes on with at most 64 KiB loaded twice, and finishes",
    count=50,
)


@pytest.mark.parametrize("kills", (12, pytest.param(50, marks=(pytest.mark.slow, KILLED))))
def test_killed_downloads_are_finished_by_the_next_run(
    server: "Server", tmp_path: Path, nursery: Callable[..., Nursery], kills: int, reached: Reached
) -> None:
    """SIGKILL at random points: the name is absent or right, and at most 64 KiB are loaded twice."""
    chance = random.Random(kills)
    processes = nursery("lock")
    server.content = chance.randbytes(4_000_000)
    server.send_buffer = 4096
    server.block, server.pause = 1 << 14, 0.002  # about 0.6 seconds for the whole file
    folder, target, interrupted = tmp_path / "cache", tmp_path / "cache" / "f.bin", 0
    held = 0
    while interrupted < kills:
        server.sent = 0
        server.ranges.clear()
        victim = processes.prepare(server, target, "ok")
        processes.say("go")
        time.sleep(chance.uniform(0, 0.5))
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.kill(victim, signal.SIGKILL)
        codes = processes.hear()
        server.settle()
        if server.ranges:
            assert server.ranges == [f"bytes={held}-" if held else None]
        if target.exists():
            assert target.read_bytes() == server.content
            assert codes in ([0], [-signal.SIGKILL])
            target.unlink()
            held = 0
            continue
        assert codes == [-signal.SIGKILL]
        interrupted += 1
        begun, held = held, 0
        for part in parts(folder) if folder.exists() else []:
            assert server.content.startswith(part.read_bytes())
            held = max(held, size(part))
        assert begun <= held
        assert begun + server.sent - held <= 1 << 16
    reached(interrupted)
    fetch(server.source("ok"), target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == server.source("ok").sha256
    assert parts(folder) == []


def size(path: Path) -> int:
    return path.stat().st_size


def wait_for_part(folder: Path, most: int) -> None:
    """Wait until a part in a folder, in which parts come and go, has more than `most` bytes."""

    def long_enough(part: Path) -> bool:
        with contextlib.suppress(OSError):
            return size(part) > most
        return False

    until(lambda: any(map(long_enough, parts(folder))))


def test_every_run_starts_where_the_killed_one_stopped(
    server: "Server", tmp_path: Path, nursery: Callable[..., Nursery]
) -> None:
    processes = nursery("lock")
    server.block, server.halts = 1 << 14, {"ok": 60_000}
    target = tmp_path / "f.bin"
    held = fetches = 0
    for _ in range(3):
        victim = processes.prepare(server, target, "ok")
        processes.say("go")
        wait_for_part(tmp_path, held + 34_000)
        os.kill(victim, signal.SIGKILL)
        assert processes.hear() == [-signal.SIGKILL]
        held = size(parts(tmp_path)[0])
        fetches = len(server.ranges)
    assert held > 100_000
    server.halts.clear()
    fetch(server.source("ok"), target)
    assert server.ranges[fetches:] == [f"bytes={held}-"]


def test_a_living_owner_keeps_its_part(
    server: "Server", tmp_path: Path, nursery: Callable[..., Nursery]
) -> None:
    """Without locks a second process must load for itself: the first one is still writing."""
    processes = nursery("no-lock")
    server.block, server.halts = 1 << 14, {"ok": 60_000}
    target = tmp_path / "f.bin"
    owner = processes.prepare(server, target, "ok")
    processes.say("go")
    wait_for_part(tmp_path, 34_000)
    held = parts(tmp_path)
    other = Nursery("no-lock")
    other.prepare(server, target, "no_ranges")
    assert other.run() == [0]
    other.process.communicate()
    server.halts.clear()
    assert processes.hear() == [0]
    assert f"-{owner:010d}-" in held[0].name
    assert target.read_bytes() == server.content


def test_a_stopped_holder_of_the_lock_is_not_waited_for_beyond_the_deadline(
    server: "Server", tmp_path: Path, nursery: Callable[..., Nursery]
) -> None:
    processes = nursery("lock")
    server.block, server.pause = 1 << 12, 0.05
    target = tmp_path / "f.bin"
    holder = processes.prepare(server, target, "ok")
    processes.say("go")
    until(lambda: server.sent)
    os.kill(holder, signal.SIGSTOP)
    other = Nursery("lock")
    other.prepare(server, target, "ok", deadline=0.5)
    started = time.monotonic()
    assert other.run() == [4]
    assert time.monotonic() - started < 3
    other.process.communicate()
    os.kill(holder, signal.SIGKILL)
    assert processes.hear() == [-signal.SIGKILL]
