"""docs/json.md names the fields that commands print, all of them and no others."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.bench import figures, runs
from tests.command import Inside

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
OPEN = {"paper", "made_by", "scores"}  # their keys are names of what they hold
COMMANDS = {
    "nsr upscale, denoise, dejpeg": "upscale own/a.png -s 2 --model tiny.safetensors -o b.png",
    "nsr auto": "auto a.jpg -o c.png --model lite",
    "nsr eval": "eval --set own/ -s 2 --model bicubic --per-image",
    "nsr compare": "compare a.jpg -s 2 -m bicubic,input",
    "nsr explain": "explain a.jpg -m tiny.safetensors",
    "A sheet that is skipped": "compare a.jpg -s 2 -m bicubic",
    "nsr inspect": "inspect a.jpg",
    "nsr bench": "bench --quick --device cpu",
    "nsr info": "info",
    "nsr info FILE": "info b.png",
    "nsr config show": "config show",
    "nsr data list": "data list",
    "nsr data verify": "data verify --data data",
    "nsr weights list": "weights list",
    "nsr weights verify": "weights verify",
}


def sections() -> dict[str, set[str]]:
    """The fields of each section of the page."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        cells = re.findall(r"^\| (`.+?) \| ", body, re.MULTILINE)
        found[title] = {name for cell in cells for name in re.findall(r"`([\w.\[\]]+)`", cell)}
    return found


def fields(value: Any, name: str = "") -> Iterator[str]:
    """The names of an object's fields as the page writes them."""
    if isinstance(value, Mapping) and name.rpartition(".")[2] not in OPEN:
        for key, inner in value.items():
            yield from fields(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from fields(value[0], f"{name}[]")
    else:
        yield name


@pytest.fixture
def said(
    inside: Inside,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> dict[str, set[str]]:
    """What each command prints for pictures of noise."""
    rows = [figures.Figure("peak", 90.0, "GFLOP/s")]
    monkeypatch.setattr(runs, "run_all", lambda place, **_: (rows, figures.Growth((1.0,), (1.0,))))
    pixels = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    for path in ("own/a.png", "data/Set5/a.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / path)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=20)
    (tmp_path / "tiny.safetensors").symlink_to(tiny_model)
    found = {}
    for title, command in COMMANDS.items():
        capsys.readouterr()
        code = inside(*command.split(), "--json")
        assert code == (4 if "verify --data" in command else 0), command
        lines = capsys.readouterr().out.splitlines()
        records = [json.loads(line) for line in lines]
        assert records and all(record.pop("schema") == 1 for record in records)
        found[title] = {field for record in records for field in fields(record)}
    return found


def test_the_page_is_true(said: dict[str, set[str]]) -> None:
    page = sections()
    assert list(page) == list(COMMANDS)
    page["nsr auto"] |= page["nsr upscale, denoise, dejpeg"]
    for title, names in page.items():
        assert names == said[title], title
