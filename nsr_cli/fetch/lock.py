"""A lock between processes, where the file system supports it; callers must be correct without it, too."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from nsr_cli.errors import NsrError


@contextlib.contextmanager
def one_at_a_time(path: Path, seconds: float, busy: NsrError) -> Iterator[None]:
    """Run the body while no other process or thread runs one under the lock `path`.

    Args:
        path: a file that is made for this, in an existing folder, and removed at the end.
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
            # No lock: the file system has none (filelock raises NotImplementedError without flock), or its file
            # cannot be made. If nothing can be written there, the body will say so.
            pass
        else:
            # Removed while it is still held: a waiting process notices that and tries again.
            stack.callback(_remove, path)
        yield


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
