"""How a decoding process is started: a bare interpreter with this one's import path, and memory settings."""

import os
import subprocess
import sys
from pathlib import Path

from nsr_cli.sandbox.shared import SharedFile

# The interpreter gets this one's import path, so that nothing is imported from the working folder.
_CODE = """
import sys
sys.path[:] = {paths!r}
from nsr_cli.sandbox.worker import main
main({descriptor!r}, {path!r})
"""
# One thread is enough. glibc shall keep memory for the next picture and use large pages, which halves the time
# for a JPEG of 10 megapixels.
_TUNABLES = "GLIBC_TUNABLES"
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 27),
}


def start(shared: SharedFile) -> "subprocess.Popen[bytes]":
    """Start a decoding process that has `shared` open. OSError if that is impossible."""
    if getattr(sys, "frozen", False) or not sys.executable:
        raise OSError("there is no Python interpreter to start")
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *(path for path in sys.path if path and path != home)]
    descriptor = shared.descriptor if shared.path is None else None
    return subprocess.Popen(  # noqa: S603 (nothing of it comes from a user)
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _CODE.format(paths=paths, descriptor=descriptor, path=shared.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        pass_fds=() if descriptor is None else (descriptor,),
    )


def _environment() -> dict[str, str]:
    tunables = [text for text in (os.environ.get(_TUNABLES), "glibc.malloc.hugetlb=1") if text]
    return {**os.environ, **_SETTINGS, _TUNABLES: ":".join(tunables)}
