"""A server on this machine that serves one file, well or with every fault that servers have."""

import contextlib
import gzip
import hashlib
import http.client
import math
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nsr_cli.fetch import Source, download
from tests.waiting import until

CONTENT = random.Random(2020).randbytes(300_000)


class Server(ThreadingHTTPServer):
    """Answers `/fault/file.bin`; counts requests, connections and body bytes, and notes what is asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.block, self.pause = 1 << 16, 0.0  # how the body is cut, and the seconds between two pieces
        self.halts: dict[str, int] = {}
        """By the fault: after how many bytes of a body the server stands still, until there is no entry any more."""
        self.send_buffer: int | None = None
        self.hits: Counter[str] = Counter()
        self.ranges: list[str | None] = []
        self.conditions: list[str | None] = []
        self.connections = 0
        self.sent = 0
        self._accepted = 0
        self._finished: list[None] = []  # to which any thread can append

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed in many of these tests."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self._accepted += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: object, client_address: object) -> None:
        self.connections += 1
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._finished.append(None)

    def settle(self) -> None:
        """Return once everything is counted that processes which have ended asked for.

        A process may be killed when the server has not accepted its connection yet. Connections are accepted in their
        order, so all before the one made here have been once it is answered.
        """
        asks = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=60)
        asks.request("GET", "/nothing")
        assert asks.getresponse().status == 204
        asks.close()
        until(lambda: len(self._finished) == self._accepted)

    def url(self, fault: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{fault}/file.bin"

    def source(self, *faults: str) -> Source:
        return Source(
            tuple(self.url(fault) for fault in faults),
            len(self.content),
            hashlib.sha256(self.content).hexdigest(),
        )


class Handler(BaseHTTPRequestHandler):
    """One method for each fault; `ok` is a server as it should be."""

    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        if self.server.send_buffer:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.server.send_buffer)
        super().setup()

    def log_message(self, *arguments: object) -> None:
        """Keep the test output clean."""

    def do_GET(self) -> None:
        fault = self.path.split("/")[1]
        if fault == "nothing":
            self.head(204, 0)
            return
        self.server.hits[fault] += 1
        self.server.ranges.append(self.headers.get("Range"))
        self.server.conditions.append(self.headers.get("If-Range"))
        if fault.isdecimal():
            self.status(int(fault))
        else:
            answer: Callable[[], None] = getattr(self, fault)
            answer()

    # -- parts of answers ------------------------------------------------------------------------------------

    def head(self, status: int, length: int | None, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def body(self, data: bytes) -> None:
        for start in range(0, len(data), self.server.block):
            piece = data[start : start + self.server.block]
            self.wfile.write(piece)
            self.server.sent += len(piece)
            while start + len(piece) >= self.server.halts.get(self.path.split("/")[1], math.inf):
                time.sleep(0.005)
            if self.server.pause:
                time.sleep(self.server.pause)

    def start(self) -> int:
        """Return the first byte that the client asks for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def cut(self) -> None:
        """Reset the connection instead of closing it."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    # -- answers ---------------------------------------------------------------------------------------------

    def ok(self) -> None:
        content, start = self.server.content, self.start()
        if self.headers.get("If-Range", self.server.etag) != self.server.etag:
            start = 0
        headers = [("ETag", self.server.etag)]
        if start:
            headers.append(("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"))
        self.head(206 if start else 200, len(content) - start, *headers)
        self.body(content[start:])

    def status(self, code: int) -> None:
        self.head(code, 5, ("Retry-After", "0"))
        self.wfile.write(b"sorry")

    def no_ranges(self) -> None:
        self.head(200, len(self.server.content))
        self.body(self.server.content)

    def broken_once(self) -> None:
        """Half of the file, then a reset; all is well the next time."""
        if self.server.hits["broken_once"] > 1:
            self.ok()
            return
        self.head(200, len(self.server.content), ("ETag", self.server.etag))
        self.body(self.server.content[: len(self.server.content) // 2])
        self.cut()

    def broken_once_no_ranges(self) -> None:
        if self.server.hits["broken_once_no_ranges"] > 1:
            self.no_ranges()
        else:
            self.head(200, len(self.server.content))
            self.body(self.server.content[:100_000])
            self.cut()

    def reset(self) -> None:
        self.cut()

    def truncated(self) -> None:
        """Closes after half of what is asked for, but not before 50,000 bytes."""
        content, start = self.server.content, self.start()
        self.head(
            206 if start else 200,
            len(content) - start,
            ("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"),
        )
        self.body(content[start : max(start + 50_000, (start + len(content)) // 2)])
        self.close_connection = True

    def truncated_unsized(self) -> None:
        self.head(200, None)
        self.body(self.server.content[:-1])

    def endless(self) -> None:
        """No length, and more bytes than there should be."""
        self.head(200, None)
        with contextlib.suppress(OSError):
            self.body(self.server.content)
            for _ in range(100):
                self.body(bytes(1 << 16))

    def longer(self) -> None:
        self.head(200, len(self.server.content) + 1)
        self.body(self.server.content + b"x")

    def html(self) -> None:
        page = b"<html>please log in</html>"
        self.head(200, len(page), ("Content-Type", "text/html; charset=utf-8"))
        self.body(page)

    def html_of_the_right_length(self) -> None:
        self.head(200, len(self.server.content), ("Content-Type", "text/html"))
        self.body(b"<" * len(self.server.content))

    def wrong(self) -> None:
        self.head(200, len(self.server.content))
        self.body(self.server.content[:-1] + bytes([self.server.content[-1] ^ 1]))

    def changed_etag(self) -> None:
        """Ignores If-Range: the second answer continues another file."""
        content, start = self.server.content, self.start()
        if self.server.hits["changed_etag"] == 1:
            self.head(200, len(content), ("ETag", '"old"'))
            self.body(bytes(1000))
            self.cut()
        elif start:
            self.head(
                206,
                len(content) - start,
                ("ETag", '"new"'),
                ("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"),
            )
            self.body(content[start:])
        else:
            self.head(200, len(content), ("ETag", '"new"'))
            self.body(content)

    def changed_etag_honest(self) -> None:
        """Honours If-Range: the second answer is the whole new file."""
        if self.server.hits["changed_etag_honest"] == 1:
            self.head(200, len(self.server.content), ("ETag", '"old"'))
            self.body(bytes(1000))
            self.cut()
        else:
            self.ok()

    def wrong_range(self) -> None:
        content, start = self.server.content, self.start()
        if self.server.hits["wrong_range"] == 1:
            self.head(200, len(content))
            self.body(content[:1000])
            self.cut()
        elif start:
            self.head(
                206, len(content) - start, ("Content-Range", f"bytes 5-{len(content) - 1}/{len(content)}")
            )
            self.body(content[start:])
        else:
            self.ok()

    def wrong_total(self) -> None:
        """The rest of a file that is longer than ours."""
        content, start = self.server.content, self.start()
        if not start:
            self.head(200, len(content))
            self.body(content[:1000])
            self.cut()
        else:
            self.head(
                206, len(content) - start, ("Content-Range", f"bytes {start}-{len(content) - 1}/999999")
            )
            self.body(content[start:])

    def absurd_length(self) -> None:
        """More digits than Python turns into a number."""
        self.head(200, None, ("Content-Length", "9" * 5000))
        self.body(self.server.content)

    def absurd_range(self) -> None:
        self.head(206, None, ("Content-Range", f"bytes 0-{'9' * 5000}/{'9' * 5000}"))
        self.body(self.server.content)

    def poisoned(self) -> None:
        """Some wrong bytes, then a reset."""
        self.head(200, len(self.server.content))
        self.body(bytes(1000))
        self.cut()

    def unasked_piece(self) -> None:
        content = self.server.content
        self.head(206, len(content) - 5, ("Content-Range", f"bytes 5-{len(content) - 1}/{len(content)}"))
        self.body(content[5:])

    def not_satisfiable_once(self) -> None:
        if self.start():
            self.status(416)
        else:
            self.ok()

    def compressed(self) -> None:
        data = gzip.compress(bytes(1_000_000)) * 50
        self.head(200, len(data), ("Content-Encoding", "gzip"))
        self.body(data)

    def to_ok(self) -> None:
        self.head(302, 0, ("Location", "/ok/file.bin"))

    def circle(self) -> None:
        self.head(302, 0, ("Location", self.path))

    def to_ok_elsewhere(self) -> None:
        """An address in UTF-8, as servers send them against the standard."""
        target = f"http://127.0.0.1:{self.server.server_port}/ok/\u00e9 x.bin"
        self.head(301, 0, ("Location", target.encode().decode("latin-1")))

    def to_ok_with_a_bomb(self) -> None:
        block = gzip.compress(bytes(1_000_000))
        data = block * 300  # a gzip file may have many members
        self.head(302, len(data), ("Location", "/ok/file.bin"), ("Content-Encoding", "gzip"))
        with contextlib.suppress(OSError):
            self.body(data)

    def to_file(self) -> None:
        self.head(302, 0, ("Location", "file:///etc/passwd"))

    def to_ftp(self) -> None:
        self.head(302, 0, ("Location", "ftp://127.0.0.1/file.bin"))

    def to_nonsense(self) -> None:
        self.head(302, 0, ("Location", "http://[::1/\x1b[31m"))

    def drip(self) -> None:
        """One byte a second."""
        self.head(200, len(self.server.content))
        with contextlib.suppress(OSError):
            for byte in self.server.content:
                self.wfile.write(bytes([byte]))
                time.sleep(1)

    def drip_headers(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(1)

    def silent(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.recv(1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the tests reach without any proxy, and a client that does not rest between attempts."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "_MAX_PAUSE_SECONDS", 0.01)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
