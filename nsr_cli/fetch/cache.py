"""Where downloads are kept, whether there may be any, and how addresses of mirrors are put together."""

import os
from pathlib import Path
from urllib.parse import quote

_NO = frozenset({"", "0", "false", "no", "off"})


def cache_root() -> Path:
    """Return the folder for downloads: `NSR_CACHE`, else the user's cache folder of the system."""
    chosen = os.environ.get("NSR_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("nsr", appauthor=False)


def is_offline() -> bool:
    """Tell whether `NSR_OFFLINE` forbids the network."""
    return os.environ.get("NSR_OFFLINE", "").strip().lower() not in _NO


def mirror_url(base: str, path: str) -> str:
    """Return the address of the file `path` (with forward slashes) on a mirror.

    Args:
        base: an address, or a folder of this machine.
        path: relative to the mirror's top.
    """
    top = base if "://" in base else Path(base).expanduser().absolute().as_uri()
    return f"{top.rstrip('/')}/{quote(path)}"
