"""Inputs that change while a run is at them: the result is that of one version, or there is one line and no result."""

import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.nursery import Nursery
from tests.promises import Reached
from tests.stress.running import Running, Stage, environment, hidden, paint, tree, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sees in /proc when a file is open"),
]

SIZE = (400, 900)
BANDS = ("--max-memory", "32M")


def rewrite(path: Path, other: Path) -> None:
    """Put the bytes of `other` into the file, a part at a time, as a copying program does."""
    data = other.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for start in range(0, len(data), 1 << 16):
            file.write(data[start : start + (1 << 16)])
            time.sleep(0.002)
        file.truncate()


def replace(path: Path, other: Path) -> None:
    aside = path.with_name(".aside")
    aside.write_bytes(other.read_bytes())
    aside.replace(path)


def grow(path: Path, other: Path) -> None:
    with path.open("ab") as file:
        file.write(other.read_bytes())


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "rewritten": rewrite,
    "replaced": replace,
    "truncated": lambda path, _: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path, _: os.truncate(path, 0),
    "deleted": lambda path, _: path.unlink(),
    "grown": grow,
}


def has_open(process: Running, path: Path) -> bool:
    try:
        return any(link.readlink() == path.resolve() for link in Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return False


@dataclass(frozen=True)
class Versions:
    """Two pictures in files of one length, and the pixels of their results."""

    old: Path
    new: Path
    results: tuple[bytes, ...]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory, weights: Path, nursery: Nursery) -> Versions:
    folder = tmp_path_factory.mktemp("versions")
    stage = Stage(folder, weights, environment(folder / "home"), nursery)
    found = []
    for name, seed in (("old", 1), ("new", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", pixels, photometric="rgb", rowsperstrip=20, metadata=None)
        found.append(folder / f"{name}.tif")
    assert found[0].stat().st_size == found[1].stat().st_size
    done = stage.run(stage.upscale(*found, "-o", "whole", *BANDS))
    assert done.returncode == 0, done.stderr
    return Versions(found[0], found[1], tuple(pixels_of(folder / "whole" / path.name) for path in found))


@pytest.mark.promise(
    "Reading: a TIFF file that is read in bands is rewritten, replaced, truncated, emptied, deleted or grown: "
    "the result is that of one version, or there is one line, no result and exit code 1",
    count=12,
)
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_in_bands(
    crowd: Stage, reached: Reached, versions: Versions, change: str
) -> None:
    stage = crowd
    chance = random.Random(change)
    path, out = stage.folder / "a.tif", stage.folder / "out.tif"
    for turn in range(2):
        path.write_bytes(versions.old.read_bytes())
        with stage.started(stage.upscale("a.tif", "-o", out, *BANDS)) as process:
            assert wait_for(lambda process=process: has_open(process, path), process)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 1.0) if turn else 0)
            during = process.poll() is None
            CHANGES[change](path, versions.new)
            process.wait()
        lines = stage.complained()
        assert hidden(stage.folder) == []
        if process.returncode == 0:
            assert lines == [] and pixels_of(out) in versions.results
            out.unlink()
        else:
            assert process.returncode == 1 and len(lines) == 1 and not out.exists(), stage.said()
        assert during
        reached()


def pixels_of(path: Path) -> bytes:
    found = tifffile.imread(path)
    return bytes(found.tobytes())


@pytest.mark.promise(
    "Reading: pictures of a folder are rewritten, replaced, truncated, emptied, deleted or grown between planning and "
    "reading: each result is that of one version, or there is one line for it; the others are as ever",
    count=6,
)
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_before_their_turn(crowd: Stage, reached: Reached, change: str) -> None:
    stage = crowd
    inputs, others = paint(stage.folder / "d", 60), paint(stage.folder / "e", 60, seed=2)
    whole = {}
    for folder in (inputs, others):
        done = stage.run(stage.upscale(folder, "-o", f"{folder.name}_whole", "--quiet"))
        assert done.returncode == 0, done.stderr
        whole[folder.name] = tree(stage.folder / f"{folder.name}_whole")
    out = stage.folder / "out"
    with stage.started(stage.upscale("d", "-o", out)) as process:
        assert wait_for(lambda: len(tree(out)) >= 3, process)
        for path in sorted(inputs.iterdir(), reverse=True)[:50]:
            CHANGES[change](path, others / path.name)
        process.wait()
    lines = stage.complained()
    assert process.returncode == (3 if lines else 0), stage.said()
    made = tree(out)
    for name, digest in made.items():
        possible = {whole["d"][name], whole["e"][name]}
        assert digest in possible, name
    failed = {Path(line.split(": ")[1]).stem for line in lines}  # of a JPEG there is a PNG
    assert len(lines) == len(failed) == len(whole["d"]) - len(made) and hidden(out) == []
    assert not failed & {Path(name).stem for name in made}
    if change in ("truncated", "emptied", "deleted"):
        assert failed
    reached()
