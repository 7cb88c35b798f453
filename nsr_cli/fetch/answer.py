"""One answer of a server (or a local file), read with suspicion and against the clock.

Nothing is decompressed, no redirect from https to anything else is followed, and no byte beyond the announced size
is accepted.
"""

import contextlib
import http
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import requests  # noqa: TID253 - imported by the first download, not before
from urllib3.exceptions import HTTPError

from nsr_cli.fetch.failure import LATE, BrokenError, RefusedError, translated
from nsr_cli.fetch.watch import Watchdog
from nsr_cli.shown import counted, safe_text

CHUNK = 1 << 16  # bytes read at once, the most that a killed download can lose
CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0  # of silence on an open connection
HEAD_SECONDS = 30.0  # from the request to the end of the answer's headers, redirects included
STALL_SECONDS = 20.0
STALL_BYTES = 20 * 1024  # fewer in that time count as no progress
MAX_REDIRECTS = 10
MAX_WAIT_SECONDS = 30.0  # the longest pause that a server gets by Retry-After

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)")


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the bytes of a file from `offset` to `size`, to be fulfilled before `ends`."""

    url: str
    offset: int
    size: int
    ends: float  # of time.monotonic()
    etag: str | None = None  # of the answer from which the first `offset` bytes came


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes that come, from `offset` on; that is 0 if the server does not support ranges."""

    offset: int
    etag: str | None
    chunks: Iterator[bytes]


class Client:
    """Keeps connections open from one download to the next; use it as a context manager."""

    def __init__(self) -> None:
        self._watchdog = Watchdog()
        self._session = _Session()
        self._session.mount("https://", self._watchdog.adapter)
        self._session.mount("http://", self._watchdog.adapter)
        self._session.headers.update({"User-Agent": "nsr", "Accept": "*/*", "Accept-Encoding": "identity"})

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close all connections."""
        self._session.close()

    @contextlib.contextmanager
    def get(self, request: Request) -> Iterator[Answer]:
        """Ask for a file and yield the answer.

        Raises:
            RefusedError, BrokenError: here, or while the chunks are read.
        """
        if urlsplit(request.url).scheme == "file":
            with _local_file(request) as answer:
                yield answer
            return
        with self._watchdog.until(request.ends):
            response = self._answer(request)
            with response:
                offset = _check(request, response)
                yield Answer(offset, response.headers.get("ETag"), _chunks(response, request.size - offset))

    def _answer(self, request: Request) -> requests.Response:
        """Wait for an answer, as long as its headers are complete in time."""
        until = min(request.ends, time.monotonic() + HEAD_SECONDS)
        try:
            with self._watchdog.until(until), translated():
                response = self._follow(request)
        except BrokenError as error:
            if time.monotonic() >= until:
                raise BrokenError(LATE) from error
            raise
        if time.monotonic() >= until:  # headers that were cut off can look complete
            response.close()
            raise BrokenError(LATE)
        return response

    def _follow(self, request: Request) -> requests.Response:
        """Follow redirects by hand, to see where each one leads."""
        url = request.url
        if urlsplit(url).scheme not in ("http", "https"):
            raise RefusedError("not an http or https address")
        for _ in range(MAX_REDIRECTS + 1):
            left = max(0.1, request.ends - time.monotonic())
            response = self._session.get(
                url,
                headers=_headers(request),
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),
            )
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                return response
            response.close()
            url = _next_url(url, location)
        raise RefusedError("it redirects in a circle")


class _Session(requests.Session):
    """Ignores redirects: requests would read and unpack the body of one even if told not to follow it."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


def _headers(request: Request) -> dict[str, str]:
    if not request.offset:
        return {}
    headers = {"Range": f"bytes={request.offset}-"}
    if request.etag and not request.etag.startswith("W/"):  # weak tags are not allowed in If-Range
        headers["If-Range"] = request.etag
    return headers


def _next_url(url: str, location: str) -> str:
    try:
        target = urljoin(url, location.encode("latin-1").decode("utf-8", "replace"))
        before, after = urlsplit(url).scheme, urlsplit(target).scheme
    except ValueError:
        raise RefusedError("it redirects to an address that makes no sense") from None
    if after == "https" or (after == "http" and before == "http"):
        return target
    raise RefusedError(f"it redirects to {safe_text(after[:20])}://, which is not allowed")


def _check(request: Request, response: requests.Response) -> int:
    """Return the position in the file at which the body starts; raise if the answer is of no use."""
    status = response.status_code
    if status in _BUSY:
        raise BrokenError(_status_text(status), wait=_wait(response))
    if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and request.offset:
        raise BrokenError(_status_text(status), restart=True)
    if status not in (http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT):
        raise RefusedError(_status_text(status))
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedError("it sends the file compressed, which was not asked for")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise RefusedError("it answers with a web page instead of the file")
    offset = _range_start(request, response) if status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length, left = response.headers.get("Content-Length", ""), str(request.size - offset)
    if length.isdecimal() and length.lstrip("0") != left:  # as text: it may have thousands of digits
        raise RefusedError(f"it offers {length[:20]} bytes where {left} are expected")
    return offset


def _range_start(request: Request, response: requests.Response) -> int:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not match or int(match[1]) != request.offset:
        if not request.offset:
            raise RefusedError("it sends a piece of the file where all of it was asked for")
        raise BrokenError("it sends another piece of the file than was asked for", restart=True)
    if match[2] not in ("*", str(request.size)):
        raise RefusedError(f"its file has {match[2]} bytes instead of {request.size}")
    if request.etag and response.headers.get("ETag", request.etag) != request.etag:
        raise BrokenError("the file was exchanged there during the download", restart=True)
    return request.offset


def _chunks(response: requests.Response, expected: int) -> Iterator[bytes]:
    """Yield exactly `expected` bytes of the body, as they come in."""
    received = since = 0
    mark = time.monotonic()
    while received < expected:
        with translated():
            # `read1` returns what has arrived; `read` would wait for the whole block.
            data: bytes = response.raw.read1(min(CHUNK, expected - received), decode_content=False)
        if not data:
            missing = expected - received
            raise BrokenError(f"the connection ended {counted(missing, 'byte')} too early")
        received += len(data)
        since += len(data)
        yield data
        if time.monotonic() - mark >= STALL_SECONDS:
            if since < STALL_BYTES:
                raise BrokenError(f"it sent only {since} bytes in {STALL_SECONDS:.0f} seconds")
            mark, since = time.monotonic(), 0
    if "Content-Length" in response.headers:
        with contextlib.suppress(HTTPError, OSError):
            response.raw.read(1)  # reads nothing, but lets the connection be used again


@contextlib.contextmanager
def _local_file(request: Request) -> Iterator[Answer]:
    path = Path(url2pathname(urlsplit(request.url).path))
    try:
        if not path.is_file():  # a pipe would block
            raise RefusedError("there is no such file")
        stream = path.open("rb")
    except OSError as error:
        raise RefusedError(safe_text(error.strerror or "it cannot be read")) from error
    with stream:
        length = stream.seek(0, os.SEEK_END)
        if length != request.size:
            raise RefusedError(f"the file has {length} bytes instead of {request.size}")
        stream.seek(request.offset)
        yield Answer(request.offset, None, _pieces(stream, request.size - request.offset))


def _pieces(stream: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        try:
            data = stream.read(min(CHUNK, left))
        except OSError as error:
            raise RefusedError(safe_text(error.strerror or "it cannot be read")) from error
        if not data:
            raise BrokenError("the file became shorter")
        left -= len(data)
        yield data


def _status_text(status: int) -> str:
    with contextlib.suppress(ValueError):
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    return f"HTTP {status}"


def _wait(response: requests.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), MAX_WAIT_SECONDS) if asked.isdecimal() else 0.0
