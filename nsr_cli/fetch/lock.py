"""One process at a time, where the file system can do that; elsewhere whoever asks has to be right without it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from nsr_cli.errors import NsrError


@contextlib.contextmanager
def one_at_a_time(path: Path, seconds: float, busy: NsrError) -> Iterator[None]:
    """Run the body while no other process, nor another thread, runs one under the lock `path`.

    Args:
        path: a file that is made for this, in a folder that is there, and removed at the end.
        seconds: how long to wait for others.
        busy: raised when they take longer.
    """
    lock = FileLock(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(timeout=max(0.0, seconds)))
        except Timeout:
            raise busy from None
        except (OSError, NotImplementedError):
            # No lock to be had: the file system has none (filelock's NotImplementedError where flock is missing),
            # or the lock's file cannot be made; if nothing can be written there, the body is about to say so.
            pass
        else:
            # While it is still held: a waiting process sees that it was removed and looks again.
            stack.callback(_remove, path)
        yield


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
