"""Where downloads are kept, whether they are allowed, and how addresses on mirrors are formed."""

import os
from pathlib import Path
from urllib.parse import quote

from nsr_cli.errors import UsageError
from nsr_cli.shown import safe_text

GO_ONLINE = "leave out --offline, unset NSR_OFFLINE and remove `offline` from nsr.toml"
"""What to do when the network is needed but disabled, for messages."""

_NOWHERE = Path(os.devnull) / "no-home-folder-set-NSR_CACHE"  # nothing can be below a device
_NO = frozenset({"", "0", "false", "no", "off"})


def cache_root() -> Path:
    """Return the folder for downloads: `NSR_CACHE`, else the user's cache folder of the system.

    For users without a home it is a folder that cannot be made, so that everything without downloads still works.

    Raises:
        UsageError: `NSR_CACHE` begins with a `~` that leads nowhere.
    """
    chosen = os.environ.get("NSR_CACHE")
    if chosen:
        return expanded(chosen, "NSR_CACHE").absolute()
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("nsr", appauthor=False)
    except RuntimeError:
        return _NOWHERE
    return folder if folder.is_absolute() else _NOWHERE


def expanded(text: str, name: str) -> Path:
    """The path `text`, the value of the setting `name`, with `~` expanded. UsageError if there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"{name}: {safe_text(text)} leads to no home folder; give the whole path") from None


def is_offline() -> bool:
    """Tell whether `NSR_OFFLINE` forbids the network."""
    return os.environ.get("NSR_OFFLINE", "").strip().lower() not in _NO


def mirror_url(base: str, path: str) -> str:
    """Return the address of the file `path` (with forward slashes) on a mirror.

    Args:
        base: an address, or a folder of this machine.
        path: relative to the mirror's top.

    Raises:
        UsageError: `base` begins with a `~` that leads nowhere.
    """
    top = base if "://" in base else expanded(base, "mirror").absolute().as_uri()
    return f"{top.rstrip('/')}/{quote(path)}"
