"""A clock that no server can talk its way around."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests import PreparedRequest  # noqa: TID253 - imported by the first download, not before
from requests.adapters import HTTPAdapter  # noqa: TID253


class Watchdog:
    """Closes the connections of its adapter when a time is reached.

    The timeouts of requests apply to the silence between two packets, so a server that sends one byte a second, even
    of the headers, would keep a client for ever. A closed socket ends every such wait.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.adapter = _Adapter(self._sockets)

    @contextlib.contextmanager
    def until(self, ends: float) -> Iterator[None]:
        """Cut the connections if the body still runs when `time.monotonic()` reaches `ends`."""
        timer = threading.Timer(max(0.0, ends - time.monotonic()), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        for opened in list(self._sockets):
            with contextlib.suppress(OSError):
                # Not through TLS, whose state belongs to the waiting thread.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Records every socket that its pools open, even one that still waits for headers."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if "noted" not in vars(pool.ConnectionCls):
            pool.ConnectionCls = _noting(pool.ConnectionCls, self._sockets)
        return pool


def _noting(connection: Any, sockets: list[socket.socket]) -> Any:
    """Return the connection class with a `connect` that records its socket and forgets closed ones."""

    def connect(self: Any) -> None:
        connection.connect(self)
        sockets[:] = [*(one for one in sockets if one.fileno() >= 0), self.sock]

    return type("NotingConnection", (connection,), {"connect": connect, "noted": True})
