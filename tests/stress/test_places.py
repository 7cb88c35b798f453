"""Whatever stands where the tool keeps its own files: it neither waits for it nor fails for it without a line."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk import disk, fill, remount
from tests.promises import Reached
from tests.stress.running import Stage, complaints, hidden, paint, tree
from tests.stress.test_training import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs pipes, devices and mounts of Linux"),
]


SECONDS = 60.0  # on a busy machine; what waits, waits for ever


def hollow(path: Path, size: int) -> None:
    """A file that takes no space."""
    path.touch()
    os.truncate(path, size)


WAYS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "2 GB": lambda path: hollow(path, 1 << 31),
    "broken link": lambda path: path.symlink_to("/nowhere/at/all"),
    "circular link": lambda path: path.symlink_to(path.name),
}
FINE = {"pace.json": set(WAYS), "nsr.toml": {"broken link"}, "config.toml": {"broken link"}}


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@pytest.mark.promise(
    "Reading: a pipe, a folder, an endless device, 2 GB, a broken or a circular link in place of the settings and the "
    "remembered pace is not waited for nor read: the pace is done without, settings are one line and exit code 2",
    count=18,
)
@pytest.mark.parametrize("way", WAYS)
def test_the_tool_s_own_files(stage: Stage, reached: Reached, way: str) -> None:
    paint(stage.folder / "d", 1)
    config, cache = (Path(stage.environment[f"XDG_{kind}_HOME"]) / "nsr" for kind in ("CONFIG", "CACHE"))
    for path in (stage.folder / "nsr.toml", config / "config.toml", cache / "pace.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        WAYS[way](path)
        done = stage.run(stage.upscale("d", "-o", "out", "--dry-run"), timeout=SECONDS)
        if way in FINE[path.name]:
            assert done.returncode == 0 and complaints(done.stderr) == [], done.stderr
        else:
            assert done.returncode == 2 and len(complaints(done.stderr)) == 1, done.stderr
            assert f"{path.name} cannot be read: " in complaints(done.stderr)[0]
        remove(path)
        reached()


@pytest.mark.promise(
    "Writing: a pipe, a device or a folder where a result of a folder would go is refused before any work, with one "
    "line and exit code 2, whatever --if-exists says",
    count=6,
)
@pytest.mark.parametrize("way", ["pipe", "endless device", "folder"])
def test_results_of_a_folder(stage: Stage, reached: Reached, way: str) -> None:
    paint(stage.folder / "d", 2)
    (stage.folder / "out").mkdir()
    WAYS[way](stage.folder / "out" / "0000.png")
    for rule in ("skip", "overwrite"):
        done = stage.run(stage.upscale("d", "-o", "out", "--if-exists", rule), timeout=SECONDS)
        assert done.returncode == 2 and len(complaints(done.stderr)) == 1, done.stderr
        assert "out/0000.png is a " in complaints(done.stderr)[0]
        assert [path.name for path in (stage.folder / "out").iterdir()] == ["0000.png"]
        reached()


@pytest.mark.promise(
    "Training: a pipe, a folder or a device in place of config.json is one line and exit code 1; in place of "
    "metrics.csv it is said and the run goes on; a checkpoint with one inside is passed over for the one before",
    count=9,
)
@pytest.mark.parametrize("way", ["pipe", "folder", "endless device"])
def test_files_of_a_training_run(crowd: Stage, reached: Reached, way: str) -> None:
    paint(crowd.folder / "pictures", 2, (104, 100))
    common = [*TINY, "--data", "pictures", "--save-every", "0.01s"]

    def train(out: str, steps: int, *more: str) -> int:
        with crowd.started(crowd.command(*common, "--out", out, "--steps", steps, *more)) as process:
            deadline = time.monotonic() + SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            assert process.poll() is not None, f"it waits: {crowd.said()}"
        return int(process.returncode or 0)

    (crowd.folder / "a").mkdir()
    WAYS[way](crowd.folder / "a" / "config.json")
    assert train("a", 10) == 1
    assert len(crowd.complained()) == 1
    reached()
    (crowd.folder / "b").mkdir()
    WAYS[way](crowd.folder / "b" / "metrics.csv")
    assert train("b", 80) == 0 and "metrics.csv: it is a" in crowd.said()
    reached()
    newest = max((crowd.folder / "b" / "checkpoints").glob("step-*"))
    (newest / "state.json").unlink()
    WAYS[way](newest / "state.json")
    assert train("b", 80, "--resume") == 0
    reached()


def without_rights(command: list[str]) -> list[str]:
    """Root like anybody else: the files of others are closed."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, and setpriv to give up its rights")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner,-chown", *command]


CACHES = ("a file", "below /proc", "read-only", "of somebody else", "no home")


@pytest.mark.promise(
    "Weights and data: the cache is a file, below /proc, read-only, somebody else's, or there is no home for it: "
    "bundled networks work without a word, and what would need the cache says in one line why it cannot be written",
    count=10,
)
@pytest.mark.parametrize("way", CACHES)
def test_a_cache_that_is_of_no_use(stage: Stage, reached: Reached, way: str) -> None:
    paint(stage.folder / "d", 1)
    cache = stage.folder / "cache"
    bundled = stage.command("upscale", "d", "-o", "out", "-s", "2", "--device", "cpu")
    pull = stage.command("data", "pull", "Set5", "--mirror", stage.folder)
    environment = {**stage.environment, "NSR_CACHE": str(cache)}
    with disk(stage.folder / "disk", "1m") as small:
        remount(small, "ro")
        if way == "a file":
            cache.touch()
        elif way == "of somebody else":
            cache.mkdir(mode=0o700)
            os.chown(cache, 65534, 65534)
            bundled, pull = without_rights(bundled), without_rights(pull)
        elif way == "no home":
            # No file is closed to this user, so that the interpreter is found wherever it is.
            keep = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
            bundled = stage.command("upscale", "d/0000.png", "-o", "-", "-s", "2", "--device", "cpu")
            without_rights([])
            bundled, pull = (
                ["setpriv", "--reuid", "54321", "--clear-groups", *keep, *command]
                for command in (bundled, pull)
            )
            kept = ("HOME", "NSR_CACHE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
            environment = {name: value for name, value in environment.items() if name not in kept}
        else:
            environment["NSR_CACHE"] = str(small) if way == "read-only" else "/proc/nowhere"
        for command in (bundled, pull):
            done = subprocess.run(
                command,
                cwd=stage.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            if command is bundled:
                assert done.returncode == 0 and complaints(done.stderr) == [], done.stderr
                assert done.stdout or len(tree(stage.folder / "out")) == 1
            else:
                assert done.returncode in (1, 4) and len(complaints(done.stderr)) == 1, done.stderr
                assert "cannot write" in complaints(done.stderr)[0]
            reached()
    assert not (stage.folder / "~").exists()


@pytest.mark.promise(
    "Writing: a folder for temporary files (TMPDIR) that is full, read-only or absent changes nothing",
    count=3,
)
@pytest.mark.parametrize("way", ["full", "read-only", "absent"])
def test_a_temporary_folder_of_no_use(stage: Stage, reached: Reached, way: str) -> None:
    paint(stage.folder / "d", 8)
    assert stage.run(stage.upscale("d", "-o", "whole", "--quiet")).returncode == 0
    with disk(stage.folder / "disk", "64k") as small:
        if way == "full":
            fill(small / "filler")
        else:
            remount(small, "ro")
        folder = small / "absent" if way == "absent" else small
        done = subprocess.run(
            stage.upscale("d", "-o", "out"),
            cwd=stage.folder,
            env={**stage.environment, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0 and complaints(done.stderr) == [], done.stderr
        assert "without the protection" not in done.stderr.decode()
    assert tree(stage.folder / "out") == tree(stage.folder / "whole") and hidden(stage.folder / "out") == []
    reached()
