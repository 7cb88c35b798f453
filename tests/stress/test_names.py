"""Names are only names, and what is no picture is never opened."""

import json
import os
import random
import socket
import sys
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from tests.promises import Reached
from tests.stress.running import Stage, complaints

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes need Linux"),
]

NAMES = 300
PIECES = [
    b" ", b"\n", b"\r", b"\t", b"-", b"--", b"[red]", b"[bold]", b"\x1b[31m", b"\x1b]0;title\x07", b"\x9b31m", b"\xff",
    b"\xc3", b"\xed\xa0\x80", b"%s", b"{stem}", b"$(id)", b"`id`", b"*", b"?", b"\\", b"'", b'"', b"~", b"#", b"&",
    b";", b"|", b"\x7f", b"\x01", "ñ".encode(), unicodedata.normalize("NFD", "ñ").encode(), "日本".encode(),
    "\u202e".encode(), "\u2028".encode(), "\u200f".encode(), "🌿".encode(), b"a", b"B", b"0", b"CON", b"..",
]  # fmt: skip


def odd_names(count: int) -> list[bytes]:
    """Different file names of odd pieces, up to the 255 bytes that a name may have."""
    chance, found = random.Random(3), dict[bytes, None]()
    found[b"x" * 251 + b".png"] = None
    for piece in PIECES:
        if not piece.startswith(b"."):
            found[piece + b"n.png"] = None
    while len(found) < count:
        stem = b"".join(chance.choices(PIECES, k=chance.choice([1, 2, 3, 5, 60]))).replace(b"/", b"")
        if not stem.startswith(b"."):  # a hidden one is ignored in folders
            found[stem[:251] + b".png"] = None
    return list(found)


def is_safe(said: bytes) -> bool:
    """One could print it on any terminal: UTF-8 without controls and turns of direction."""
    hidden = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
    text = said.decode("utf-8")
    return all(
        char == "\n" or (unicodedata.category(char) not in hidden and char not in "\u202e\u200f")
        for char in text
    )


def place_what_is_no_picture(folder: Path) -> int:
    """Things that are called like pictures; returns how many."""
    os.mkfifo(folder / "fifo \x1b[31m.png")
    os.mkfifo(folder / "fifo.tif")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "there.png").symlink_to("back.png")
    (folder / "back.png").symlink_to("there.png")
    (folder / "up").symlink_to(".", target_is_directory=True)
    (folder / "gone\n.png").symlink_to("nowhere")
    (folder / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(folder / "socket.png"))
    made = 9
    try:
        os.mknod(folder / "device.png", 0o20666, os.makedev(1, 5))
        made += 1
    except OSError:
        pass
    return made


@pytest.mark.promise(
    "Names: 300 odd ones (NFC and NFD, spaces, newlines, leading dashes, [red], ESC, bytes that are no UTF-8, 255 "
    "bytes), and links in circles, pipes, sockets and devices: restored, or skipped with one safe line; "
    "no escape reaches the output",
    count=NAMES,
)
def test_odd_names(crowd: Stage, reached: Reached) -> None:
    stage = crowd
    folder, wanted = stage.folder / "d", odd_names(NAMES)
    folder.mkdir()
    Image.new("RGB", (5, 4), (10, 200, 90)).save(stage.folder / "p.png")
    content = (stage.folder / "p.png").read_bytes()
    for name in wanted:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)
    others = place_what_is_no_picture(folder)
    done = stage.run(stage.upscale("d", "-r", "-o", "out", "--json"))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert len(records) == NAMES and all(record["status"] == "ok" for record in records)
    assert sorted(os.fsencode(path.name) for path in (stage.folder / "out").iterdir()) == sorted(wanted)
    assert is_safe(done.stderr) and is_safe(done.stdout)
    skipped = [line for line in done.stderr.splitlines() if b": skipped, " in line]
    assert len(skipped) == others
    again = stage.run(stage.upscale("d", "-r", "-o", "out", "--verbose"))
    assert again.returncode == 0 and is_safe(again.stderr)
    assert len([line for line in again.stderr.splitlines() if b": skipped, " in line]) == NAMES + others
    reached(NAMES)


@pytest.mark.promise(
    "Names: each of them given by itself: restored, or one safe line (a result's name of more than 255 bytes)",
    count=14,
)
def test_odd_names_given(crowd: Stage, reached: Reached) -> None:
    stage = crowd
    Image.new("RGB", (5, 4)).save(stage.folder / "p.png")
    content = (stage.folder / "p.png").read_bytes()
    chosen = [b"x" * 251 + b".png", *odd_names(NAMES)[1:40:3]]
    for name in chosen:
        Path(os.fsdecode(os.fsencode(stage.folder) + b"/" + name)).write_bytes(content)
        made = stage.folder / (os.fsdecode(name.removesuffix(b".png")) + "_x2.png")
        # A name that could be taken for an option, a pattern or stdin stands behind `--`, as for every program.
        base = stage.upscale()
        done = stage.run([*base, "--", os.fsdecode(name)])
        assert is_safe(done.stderr) and len(complaints(done.stderr)) <= 1, name
        if len(name) > 251:
            assert done.returncode in (1, 2) and b"name would be too long" in done.stderr
            assert done.stderr.count(b"nsr: ") == 1
        else:
            assert done.returncode == 0, (name, done.stderr)
            assert made.exists()
        reached()
