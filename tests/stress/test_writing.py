"""Results are whole or absent, whatever ends the run or fills the disk; what was there stays."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsr_cli.imaging import codec
from tests.disk import disk, fill, remount
from tests.promises import Reached
from tests.stress.running import Stage, complaints, hidden, paint, stamps, tree, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL, mounts and limits of POSIX"),
]

FOREIGN = ("notes.txt", ".hidden.png.0123456789ab.part", "z-someone-elses.png")


@pytest.mark.promise(
    "Writing: a run over 200 pictures is killed (SIGKILL) at 50 points and started again: every visible file is "
    "whole, finished ones are not touched again (inode, time), all together equal an undisturbed run, "
    "and strangers' files stay",
    count=50,
)
def test_killed_and_started_again(crowd: Stage, reached: Reached) -> None:
    stage = crowd
    inputs, out = paint(stage.folder / "d", 200), stage.folder / "out"
    whole = stage.undisturbed(inputs)
    chance = random.Random(7)
    out.mkdir()
    for name in FOREIGN:
        (out / name).write_text(name)
    command = stage.upscale(inputs, "-o", out, "--quiet")
    kills = done = 0
    while kills < 50:
        before = stamps(out)
        afresh = kills % 10 == 9  # then somewhere in the start
        with stage.started(command, afresh=afresh) as process:
            if afresh:
                time.sleep(chance.uniform(0, 3))
            else:
                wanted = len(before) + chance.randint(1, 6)
                wait_for(lambda wanted=wanted: len(stamps(out)) >= wanted, process)  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += process.returncode == -signal.SIGKILL
        after = stamps(out)
        assert before.items() <= after.items()
        made = {name: digest for name, digest in tree(out).items() if name not in FOREIGN}
        assert made.items() <= whole.items()
        done = len(made)
        if done == len(whole):
            for name in whole:
                (out / name).unlink()
    before = stamps(out)
    last = stage.run(command)
    assert last.returncode == 0, last.stderr
    assert before.items() <= stamps(out).items()
    assert {name: digest for name, digest in tree(out).items() if name not in FOREIGN} == whole
    assert all((out / name).read_text() == name for name in FOREIGN)
    left = [name for name in hidden(out) if name not in FOREIGN]
    reached.note(f"{len(left)} hidden temporary files left by {kills} kills")
    assert tree(inputs) == tree(paint(stage.folder / "again", 200))
    reached(kills)


@pytest.mark.promise(
    "Writing: the disk fills up in the middle of a folder, twelve times: what does not fit is one line each, results "
    "of before stay whole, no temporary file stays, exit code 3; with space again the same command does the rest",
    count=12,
)
@pytest.mark.parametrize("moment", [1, 4, 10, 25])
def test_a_full_disk(crowd: Stage, reached: Reached, moment: int) -> None:
    stage = crowd
    inputs = paint(stage.folder / "d", 60, (60, 40))
    whole = stage.undisturbed(inputs)
    for number, rule in enumerate(["skip", "overwrite", "overwrite"]):
        with disk(stage.folder / f"disk{number}", "4m") as out:
            names = list(whole)[-3 * number :] if number else []
            for name in names:
                (out / name).write_bytes(b"old" * 20)
            command = stage.upscale(inputs, "-o", out, "--if-exists", rule)
            with stage.started(command) as process:
                wanted = len(names) + moment
                assert wait_for(lambda out=out, wanted=wanted: len(tree(out)) >= wanted, process)  # type: ignore[misc]
                fill(out / ".filler")
                code = process.wait()
            lines = stage.complained()
            assert code == 3, stage.said()
            assert lines and all("the disk is full; free some space" in line for line in lines)
            made = tree(out)
            wrong = [name for name, digest in made.items() if whole[name] != digest]
            assert all(name in names and (out / name).read_bytes() == b"old" * 20 for name in wrong)
            assert len(lines) == len(whole) - sum(whole[name] == digest for name, digest in made.items())
            assert set(names) <= set(made) and hidden(out) == [".filler"]
            (out / ".filler").unlink()
            again = stage.run(command)
            assert again.returncode == 0, again.stderr
            assert tree(out) == whole
        reached()


@pytest.mark.promise("Writing: /dev/full, as -o and behind stdout: one line, exit code 1", count=2)
def test_dev_full(crowd: Stage, reached: Reached) -> None:
    stage = crowd
    paint(stage.folder, 1)
    done = stage.run(stage.upscale("0000.png", "-o", "/dev/full"))
    assert done.returncode == 1
    assert b"cannot write /dev/full: the disk is full" in done.stderr
    reached()
    with Path("/dev/full").open("wb") as full:
        command = stage.upscale("0000.png", "-o", "-", "--quiet")
        piped = subprocess.run(
            command,
            cwd=stage.folder,
            env=stage.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
    assert piped.returncode == 1
    assert len(complaints(piped.stderr)) == 1 and b"No space left" in piped.stderr
    reached()


@pytest.mark.promise(
    "Writing: a read-only folder is refused before the network is loaded, with one line and exit code 1, "
    "and what is in it stays",
    count=3,
)
@pytest.mark.parametrize("output", ["{}", "{}/new/deeper", "{}/0000.png"])
def test_a_read_only_folder(crowd: Stage, reached: Reached, output: str) -> None:
    stage = crowd
    inputs = paint(stage.folder / "d", 1)
    with disk(stage.folder / "disk", "1m") as out:
        (out / "0000.png").write_text("old")
        remount(out, "ro")
        given = inputs if output == "{}/new/deeper" else inputs / "0000.png"
        done = stage.run(
            stage.upscale(given, "-o", output.format(out), "--if-exists", "overwrite", "--verbose")
        )
        assert done.returncode == 1, done.stderr
        assert len(complaints(done.stderr)) == 1
        assert b"cannot write into" in done.stderr and b"upscale with" not in done.stderr
        assert (out / "0000.png").read_text() == "old" and [path.name for path in out.iterdir()] == [
            "0000.png"
        ]
    reached()


@pytest.mark.promise(
    "Writing: a limit to the size of files (RLIMIT_FSIZE, EFBIG): large results fail with one line each, small ones "
    "are written, old ones stay whole, exit code 3",
)
def test_a_limit_to_the_size_of_files(stage: Stage) -> None:
    import resource

    out = stage.folder / "out"
    paint(stage.folder / "d", 2, (8, 8))
    paint(stage.folder / "large", 1, (70, 60), seed=5)
    (stage.folder / "large" / "0000.png").rename(stage.folder / "d" / "large.png")
    whole = stage.undisturbed("d")
    limit = 24_000
    assert (stage.folder / "clean" / "large.png").stat().st_size > limit
    out.mkdir()
    (out / "large.png").write_text("old")
    command = stage.upscale("d", "-o", out, "--if-exists", "overwrite")
    done = stage.run(command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3, done.stderr
    lines = complaints(done.stderr)
    assert len(lines) == 1 and "the file is too large for this file system" in lines[0]
    assert (out / "large.png").read_text() == "old" and hidden(out) == []
    assert {name: tree(out)[name] for name in ("0000.png", "0001.png")} == {
        name: whole[name] for name in ("0000.png", "0001.png")
    }


@pytest.mark.promise(
    "Writing: an input is never replaced without --if-exists overwrite, be it named again, linked, hard-linked or "
    "reached another way",
    count=6,
)
def test_inputs_stay(crowd: Stage, reached: Reached) -> None:
    stage = crowd
    original = paint(stage.folder / "d", 1) / "0000.png"
    content = original.read_bytes()
    (stage.folder / "link.png").symlink_to(original)
    os.link(original, stage.folder / "hard.png")
    (stage.folder / "way").symlink_to("d", target_is_directory=True)
    outputs = ["d/0000.png", "./d/../d/0000.png", "link.png", "hard.png", "way/0000.png", str(original)]
    for output in outputs:
        done = stage.run(stage.upscale("d/0000.png", "-o", output))
        assert done.returncode == 2, (output, done.stderr)
        assert len(complaints(done.stderr)) == 1
        assert original.read_bytes() == content
        reached()
    assert (
        stage.run(stage.upscale("d/0000.png", "-o", "d/0000.png", "--if-exists", "overwrite")).returncode == 0
    )
    assert codec.decode(original.read_bytes()).width == 40
    assert (stage.folder / "hard.png").read_bytes() == content
