"""Downloads that end with the right file or with one clear line, and that continue where they stopped."""

from pathlib import Path
from typing import TYPE_CHECKING

from nsr_cli.fetch.cache import GO_ONLINE, cache_root, expanded, is_offline, mirror_url
from nsr_cli.fetch.part import part_folder, remove_abandoned, remove_leftovers
from nsr_cli.fetch.source import Progress, Source, hash_file, is_intact

if TYPE_CHECKING:
    from nsr_cli.fetch.answer import Client

__all__ = [
    "GO_ONLINE",
    "Progress",
    "Source",
    "cache_root",
    "expanded",
    "fetch",
    "hash_file",
    "is_intact",
    "is_offline",
    "mirror_url",
    "part_folder",
    "patience",
    "remove_abandoned",
    "remove_leftovers",
]


def fetch(
    source: Source,
    target: Path,
    *,
    progress: Progress | None = None,
    deadline: float | None = None,
    retries: int = 3,
    client: "Client | None" = None,
) -> Path:
    """Make `target` the file that `source` describes; do nothing if it is that already.

    Bytes that an earlier run (killed or not) left are used. At every moment `target` is either as before or complete.
    A lock saves other processes from downloading the same bytes, but correctness does not depend on it.

    Args:
        source: addresses, size and hash.
        target: the final path; its folder is made where needed. A link there is replaced, never followed.
        progress: called as bytes arrive; bytes of earlier runs count.
        deadline: seconds for everything, shared out among the addresses; the default allows for 50 kB/s.
        retries: how many failures in a row without progress are tolerated.
        client: keeps connections open between calls.

    Returns:
        `target`.

    Raises:
        FetchError: no address delivered the file in time; the line names each one and what was wrong with it.
        WriteError: it could not be stored.
    """
    if is_intact(target, source.bytes, source.sha256):
        return target
    from nsr_cli.fetch.download import download  # only now: the network libraries load slowly

    allowed = patience(source.bytes) if deadline is None else deadline
    download(source, target, progress, allowed, retries, client)
    return target


def patience(size: int) -> float:
    """The default limit for a download of `size` bytes, in seconds: time enough at 50 kB/s."""
    return 60.0 + size / 50_000
