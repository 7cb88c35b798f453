"""How much of this machine the program may use; without torch, so that every module can ask."""

import math
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

NO_THREADS = (
    "the system allows no more threads; "
    "close other programs, or raise its limit (ulimit -u, a container's pids limit)"
)
"""What is said where `lacks_threads` holds."""

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_DEFAULT_MEMORY = 4 << 30
_BUDGET_SHARE = 0.5  # of the free memory, unless the user sets a limit
# For control groups 2 and 1: the files with the limit and the use, and the line of memory.stat with the cached files.
_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_ZEN_4 = 25  # AMD's processor family of that generation
_MOST_BYTES = 1 << 16  # of a file in which the system states figures
_M_ARENA_MAX = -8  # a parameter of glibc's mallopt (malloc.h)


def usable_threads(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """CPUs this process may use: its affinity, and its control groups' CPU quotas rounded down, at least 1.

    The quotas of all groups above its own count too. Versions 1 and 2 of control groups are understood.

    Args:
        groups: where control groups are mounted.
        membership: the file that says which of them this process is in.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _folders(groups, membership, "cpu"):
        quota = _quota(folder)
        if quota is not None:
            allowed = min(allowed, math.floor(quota))
    return max(1, allowed)


def window_threads() -> int:
    """How many threads convolve windows: the CPUs this process may use, or fewer where OMP_NUM_THREADS says so.

    PyTorch's own number is ignored, because a thread inherits it from whichever thread set it last.
    """
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return min(usable_threads(), max(1, int(wish))) if wish.isdecimal() else usable_threads()


def lacks_threads(error: BaseException) -> bool:
    """Whether an error says that the system did not let a thread start. Python has no class for that."""
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"


@cache
def multiplies_512_bits(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether 512-bit products take no longer than 256-bit ones: AVX-512, except where AMD splits them in two."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except (OSError, ValueError):
        return False
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "avx512f" not in facts.get("flags", "").split():
        return False
    family = facts.get("cpu family", "")
    return facts.get("vendor_id") != "AuthenticAMD" or (family.isdecimal() and int(family) > _ZEN_4)


def _folders(groups: Path, membership: Path, controller: str) -> list[str]:
    """Folders of the control groups that this process is in, innermost first; those of a container last.

    They are text, because this is asked for with every picture, and paths would take most of the time.
    """
    try:
        lines = _read(membership).splitlines()
    except (OSError, ValueError):
        lines = []
    found = []
    for line in ["0::/", *lines]:
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" or controller in kinds.split(","):
            inside = [part for part in path.split("/") if part not in ("", ".")]
            if ".." not in inside:  # else the group is outside of what this container can see
                top = [str(groups), *([] if number == "0" else [kinds])]
                found += ["/".join([*top, *inside[:depth]]) for depth in range(len(inside), -1, -1)]
    return list(dict.fromkeys(found))


def _quota(folder: str) -> float | None:
    """The group's CPU time in CPUs; None without a limit."""
    try:
        try:
            quota, period = _read(f"{folder}/cpu.max").split()
        except FileNotFoundError:
            quota, period = (_read(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def free_memory(
    meminfo: Path = Path("/proc/meminfo"), groups: Path = _GROUPS, membership: Path = _MEMBERSHIP
) -> int:
    """Bytes of memory that are free now, within the limits of the control groups; 4 GiB where that is unknown."""
    known = [_DEFAULT_MEMORY]
    try:
        lines = dict(line.split(":", 1) for line in _read(meminfo).splitlines())
        known = [int(lines["MemAvailable"].split()[0]) * 1024]
    except (OSError, KeyError, ValueError, IndexError):
        pass
    for folder in _folders(groups, membership, "memory"):
        for names in _MEMORY_FILES:
            with suppress(OSError, ValueError):
                known.append(_left(folder, *names))
    return max(min(known), 0)


def memory_budget(limit: int | None, free: Callable[[], int]) -> int:
    """Bytes that one picture may take: `limit`, or half of what `free` returns if that is None."""
    return limit or int(_BUDGET_SHARE * free())


def _left(folder: str, limit: str, used: str, cached: str) -> int:
    """Bytes that a control group's processes may still take; cached files do not count as used.

    Raises:
        OSError, ValueError: there is no limit.
    """
    room = int(_read(f"{folder}/{limit}")) - int(_read(f"{folder}/{used}"))
    for line in _read(f"{folder}/memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == cached:
            room += int(value)
    return room


def _read(path: str | Path) -> str:
    """The text of one of the system's short files. Opening them as Python's files would take twice as long.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, _MOST_BYTES).decode()
    finally:
        os.close(descriptor)


def one_heap() -> None:
    """Let all threads that start from now on take memory from one heap, if the C library is glibc.

    With a heap for each thread, memory that one has freed is lost to the others, and the 64 MB pieces of such heaps
    have no room for a large picture.
    """
    if (libc := glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, 1)


@cache
def glibc() -> "ctypes.CDLL | None":
    """The C library, if it is glibc, whose allocator can be configured."""
    import ctypes
    import platform

    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        return ctypes.CDLL(None)
    return None
