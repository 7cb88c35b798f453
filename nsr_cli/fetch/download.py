"""From addresses to a verified file under its final name."""

import contextlib
import random
import re
import shutil
import time
from pathlib import Path

from nsr_cli.errors import FetchError, WriteError
from nsr_cli.fetch.answer import Client, Request
from nsr_cli.fetch.failure import BrokenError, RefusedError
from nsr_cli.fetch.lock import one_at_a_time
from nsr_cli.fetch.part import Part, remove_abandoned
from nsr_cli.fetch.source import Progress, Source, is_intact
from nsr_cli.files import write_error
from nsr_cli.shown import safe_text

_GAIN = 1 << 20  # bytes of progress that make up for a failure
_MAX_PAUSE_SECONDS = 8.0


def download(
    source: Source,
    target: Path,
    progress: Progress | None,
    allowed: float,
    retries: int,
    client: Client | None,
) -> None:
    """Do the work of `fetch`, within `allowed` seconds."""
    ends = time.monotonic() + allowed
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from error
    # The lock only saves work: without it each process would fill a part of its own and check its sha256.
    lock = target.with_name(f".{source.sha256[:16]}.lock")
    with one_at_a_time(lock, ends - time.monotonic(), _busy(target, source)):
        if is_intact(target, source.bytes, source.sha256):  # another process was faster
            return
        with contextlib.ExitStack() as stack:
            used = client or stack.enter_context(Client())
            _Download(source, target, used, progress or _ignore).run(retries, ends)
    remove_abandoned(target)


class _Download:
    """A download in progress: the partial file, and what went wrong at each address."""

    def __init__(self, source: Source, target: Path, client: Client, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._client = client
        self._progress = progress
        self._problems: dict[str, str] = {}
        self._etags: dict[str, str | None] = {}  # of the answers that the bytes so far came from
        self._asked_pause = 0.0
        self._ends = 0.0

    def run(self, retries: int, ends: float) -> None:
        """Try the addresses in turn until one delivers, pausing longer after every fruitless round."""
        self._ends = ends
        self._part = Part(self._target, self._source.sha256, self._source.bytes)
        try:
            _check_space(self._target, self._source.bytes - self._part.size)
            self._report()
            hopeful, failures, best = list(self._source.urls), 0, self._part.size
            while not self._round(hopeful):
                failures = 1 if self._part.size >= best + _GAIN else failures + 1
                best = max(best, self._part.size)
                if not hopeful or failures > retries or not self._rest(failures):
                    raise self._error(is_final=not hopeful)
        finally:
            self._part.release()

    def _round(self, hopeful: list[str]) -> bool:
        """Ask each address in `hopeful` once; drop those that will never deliver.

        Each has an equal share of the time that is left, so that none takes the time of those after it.
        """
        asked = list(hopeful)
        for number, url in enumerate(asked):
            now = time.monotonic()
            share = (self._ends - now) / (len(asked) - number)
            for _ in range(2):  # again at once if only the bytes so far were to blame
                if time.monotonic() >= now + share:
                    break
                try:
                    self._transfer(url, now + share)
                except RefusedError as error:
                    self._problems[url] = str(error)
                    hopeful.remove(url)
                    break
                except BrokenError as error:
                    self._note(url, error, now + share, share)
                    if not error.restart:
                        break
                else:
                    return True
        return False

    def _transfer(self, url: str, ends: float) -> None:
        """Download what is missing from `url`, check the whole file and give it its name."""
        part = self._part
        if part.size < self._source.bytes:
            request = Request(url, part.size, self._source.bytes, ends, self._etags.get(url))
            with self._client.get(request) as answer:
                if answer.offset != part.size:  # no ranges: the file comes from its start
                    self._restart()
                part.is_mixed = part.size > 0
                self._etags[url] = answer.etag
                for chunk in answer.chunks:
                    part.append(chunk)
                    self._report()
        if not part.is_right():
            if part.is_mixed:
                raise BrokenError("its bytes do not fit those of an earlier attempt", restart=True)
            self._restart()
            raise RefusedError("it sends other content than expected (the sha256 differs)")
        try:
            part.publish()
        except FileNotFoundError:
            if not is_intact(self._target, self._source.bytes, self._source.sha256):
                raise BrokenError("another process took the partial file away", restart=True) from None

    def _note(self, url: str, error: BrokenError, ends: float, seconds: float) -> None:
        is_late = time.monotonic() >= ends
        self._problems[url] = f"not finished within {seconds:.0f} seconds" if is_late else str(error)
        self._asked_pause = error.wait
        if error.restart:
            self._restart()

    def _restart(self) -> None:
        self._part.restart()
        self._etags.clear()

    def _rest(self, failures: int) -> bool:
        """Wait before the next round; False if the time does not allow it."""
        pause = min(_MAX_PAUSE_SECONDS, 0.25 * 2.0**failures) * random.uniform(0.5, 1.0)  # noqa: S311
        pause = max(pause, self._asked_pause)
        if time.monotonic() + pause >= self._ends:
            return False
        time.sleep(pause)
        return True

    def _report(self) -> None:
        self._progress(self._part.size, self._source.bytes)

    def _error(self, *, is_final: bool) -> FetchError:
        problems = [f"{_shown(url)}: {problem}" for url, problem in self._problems.items()]
        remedy = "check the address or give a mirror" if is_final else "check the network and run it again"
        if self._part.size:
            remedy += f" (it goes on at {100 * self._part.size // self._source.bytes} %)"
        what = safe_text(self._target.name)
        return FetchError(f"cannot download {what}: {'; '.join(problems) or 'there is no address'}; {remedy}")


def _shown(url: str) -> str:
    """Return an address for messages, without a password or a token in it."""
    bare = re.split("[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    return safe_text(f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}")


def _check_space(target: Path, needed: int) -> None:
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(target.parent).free
        if free < needed:
            raise WriteError(
                f"cannot write {safe_text(target)}: it needs {needed / 1e6:,.1f} MB and the disk has "
                f"{free / 1e6:,.1f} MB left; free some space"
            )


def _busy(target: Path, source: Source) -> FetchError:
    where = _shown(source.urls[0]) if source.urls else "no address"
    return FetchError(
        f"cannot download {safe_text(target.name)} from {where}: another process is still at it; "
        "wait for it or end it"
    )


def _ignore(done: int, total: int) -> None:
    """Report progress to nobody."""
