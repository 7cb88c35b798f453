"""The real command for the stress tests: started, watched and stopped from outside."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.nursery import Child, Nursery

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "nsr_cli")
Running = Child | subprocess.Popen[bytes]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Without settings of whoever runs the tests; configuration and cache below `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSR_", "_NSR"))}
    own = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"), "NO_COLOR": "1"}
    return {**kept, **own, "PYTHONPATH": str(ROOT), **more}


@dataclass
class Stage:
    """A folder to work in, the command for it, and the weights that enlarge twice."""

    folder: Path
    weights: Path
    environment: Mapping[str, str]
    nursery: Nursery | None = None
    """Where runs are started, for tests that start many."""

    def command(self, *args: object) -> list[str]:
        return [*COMMAND, *(value if isinstance(value, str) else str(value) for value in args)]

    def upscale(self, *args: object) -> list[str]:
        return self.command("upscale", *args, "-s", "2", "--model", self.weights, "--device", "cpu")

    def run(self, command: list[str], **more: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run to the end, from the nursery where there is one and nothing special is asked for."""
        if self.nursery is not None and not more:
            return self.nursery.run(command[len(COMMAND) :], self.folder, self.environment, timeout=900)
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "timeout": 900, **more}
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, check=False, **settings
        )

    @contextmanager
    def started(self, command: list[str], *, afresh: bool = False) -> Iterator[Running]:
        """Start in a session of its own, from the nursery unless `afresh`; it does not outlive the block."""
        log = self.folder / "stderr.txt"
        if self.nursery is not None and not afresh:
            with log.open("wb") as errors, Path(os.devnull).open("r+b") as nothing:
                streams = nothing.fileno(), nothing.fileno(), errors.fileno()
                child = self.nursery.start(command[len(COMMAND) :], self.folder, streams, self.environment)
            try:
                yield child
            finally:
                child.kill()
                child.wait()
            return
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(30)

    def said(self) -> str:
        """What the process that was started last wrote to stderr."""
        return (self.folder / "stderr.txt").read_text(encoding="utf-8", errors="surrogateescape")

    def complained(self) -> list[str]:
        """The lines about failures of the process that was started last."""
        return complaints(self.said())

    def undisturbed(self, folder: Path | str) -> dict[str, str]:
        """The results of a run over a folder that nobody disturbs, as of `tree`."""
        done = self.run(self.upscale(folder, "-o", "clean", "--quiet"))
        assert done.returncode == 0, done.stderr
        return tree(self.folder / "clean")


def complaints(said: str | bytes) -> list[str]:
    """The lines about failures in what a process wrote to stderr; there is no word of an error in the tool itself."""
    text = said if isinstance(said, str) else said.decode(errors="surrogateescape")
    assert "Traceback" not in text and "internal error" not in text, text
    return [line for line in text.splitlines() if line.startswith("nsr: ")]


def paint(folder: Path, count: int, size: tuple[int, int] = (20, 14), seed: int = 1) -> Path:
    """Fill a folder with different small pictures: PNG, and every fourth a JPEG or TIFF."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = random.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
        suffix = {1: "jpg", 3: "tif"}.get(number % 8, "png")
        Image.fromarray(pixels).save(folder / f"{number:04}.{suffix}")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Every visible file below a folder and the hash of its content."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.is_file() and not path.name.startswith("."):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def hidden(folder: Path) -> list[str]:
    """Files below a folder that a user does not see."""
    return sorted(path.name for path in folder.rglob(".*") if path.is_file()) if folder.is_dir() else []


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every visible file directly in a folder."""
    if not folder.is_dir():
        return {}
    found = {path.name: path.stat() for path in folder.iterdir() if not path.name.startswith(".")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def wait_for(condition: Callable[[], bool], process: Running, seconds: float = 120) -> bool:
    """Wait until `condition()` holds; False if the process ended before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        if process.poll() is not None:
            return condition()
        time.sleep(0.002)
    raise TimeoutError("the process neither ended nor did what was waited for")


def listens(process: "Running | subprocess.Popen[bytes]", number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    caught = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(caught) and bool(int(caught[0], 16) >> (number - 1) & 1)
