"""`nsr info FILE`: results and weights among files that are none, or that nobody may read."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.imaging import codec
from nsr_cli.model.checkpoint import save_network
from nsr_cli.notes import provenance
from tests.command import Inside, Paint
from tests.tiny import tiny_network


@pytest.fixture
def good(paint: Paint, tmp_path: Path) -> Path:
    """A picture with the note of a run."""
    picture = codec.decode(paint(tmp_path / "good.png").read_bytes())
    made = provenance.Making(["upscale", "--scale", "2"], "fake", "ab" * 32)
    marked = provenance.mark(picture, made)
    path = tmp_path / "good_x2.png"
    path.write_bytes(codec.encode(marked, "PNG"))
    return path


def test_json_is_one_object_for_each_file_also_for_those_that_fail(
    good: Path, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    def records(*args: str, code: int) -> list[dict[str, Any]]:
        assert inside("info", "--json", *args) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    plain, made, absent = records("good.png", good.name, "absent.png", code=3)
    assert list(plain) == list(made) == list(absent)
    assert (made["file"], made["input"], made["status"], made["error"]) == (good.name, good.name, "ok", None)
    assert made["made_by"]["command"] == "nsr upscale --scale 2"
    assert (plain["input"], plain["status"], plain["made_by"]) == ("good.png", "failed", None)
    assert plain["error"] == "has no note that nsr made it"
    assert (absent["input"], absent["error"]) == ("absent.png", "No such file or directory")
    assert records("absent.png", code=1) == [absent]


def test_weights_say_what_they_are_and_whether_they_are_whole(
    inside: Inside, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Who gets them as a file has no manifest that lists them."""
    about = {"task": "upscale-x2", "data": ["3 pictures of \x1b[2J"]}
    data = save_network(tiny_network(), about=about)
    (tmp_path / "own.safetensors").write_bytes(data)
    (tmp_path / "cut.safetensors").write_bytes(data[:-1])
    assert inside("info", "own.safetensors", "cut.safetensors") == 3
    said = capsys.readouterr()
    start = f"own.safetensors: weights\n  sha256 {hashlib.sha256(data).hexdigest()}\n  about "
    assert said.out.startswith(start) and said.out.replace("\n", "").isprintable()
    assert "nsr: cut.safetensors: weights: its tensors cannot be read" in said.err
    assert inside("info", "--json", "own.safetensors") == 0
    assert json.loads(capsys.readouterr().out)["made_by"]["about"] == about


def test_a_file_that_may_not_be_read_does_not_hide_the_others(
    good: Path, command: list[str], without_rights: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "shut.png").write_bytes(good.read_bytes())
    (tmp_path / "shut.png").chmod(0)
    done = subprocess.run(
        [*without_rights, *command, "info", "shut.png", good.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "nsr: shut.png: Permission denied\n" in done.stderr
    assert done.stdout.startswith("good_x2.png: nsr upscale --scale 2\n")
