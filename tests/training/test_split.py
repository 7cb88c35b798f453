"""Which pictures a run trains on and which it holds out, and what is said of them."""

import hashlib
import shutil
from pathlib import Path

import pytest
from PIL import Image

from nsr_cli.datasets import PictureSet, Registry
from nsr_cli.datasets.registry import RemoteFile
from nsr_cli.training import split
from nsr_cli.training.split import load_and_split
from nsr_cli.training.status import ignore
from tests.training.helpers import run_tiny, tiny_recipe


@pytest.mark.parametrize(("holdout", "count"), [(0, 12), (8, 1)])
def test_validation_on_the_training_pictures_is_said(
    holdout: int, count: int, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted(pictures.iterdir())[:count]:
        shutil.copy(path, folder)
    recipe = tiny_recipe(steps=1, holdout=holdout)
    _, told = run_tiny(recipe, folder, tmp_path / "run")
    assert told.warnings[0] == (
        "no picture is held out, so validation is on the training pictures themselves; give more pictures, a "
        "--holdout above 0 or --validate"
    )
    _, told = run_tiny(recipe, folder, tmp_path / "set", validate=lambda *_: 1.0)
    assert told.warnings == []


def test_how_many_pictures_are_held_out_is_said(pictures: Path, tmp_path: Path) -> None:
    _, told = run_tiny(tiny_recipe(steps=1), pictures, tmp_path / "run")
    assert told.notes == ["10 pictures to train on, 2 held out for validation"]


def test_pictures_too_small_for_half_of_a_crop_are_counted(pictures: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(pictures, mixed)
    Image.new("RGB", (7, 40)).save(mixed / "small.png")
    _, told = run_tiny(tiny_recipe(steps=1), mixed, tmp_path / "run")
    assert told.warnings[0] == "1 of 13 pictures are left out: less than half of a 16×16 crop"


def test_a_picture_of_half_a_crop_is_trained_and_validated_on(tmp_path: Path) -> None:
    for i in range(2):
        Image.new("RGB", (8, 40), (i, i, i)).save(tmp_path / f"{i}.png")
    _, told = run_tiny(tiny_recipe(steps=2), tmp_path, tmp_path / "run")
    assert told.notes == ["1 picture to train on, 1 held out for validation"]
    assert told.warnings == ["2 of 2 pictures are continued by their mirror image: less than a 16×16 crop"]


def test_training_on_a_benchmark_is_said(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = min(pictures.iterdir()).read_bytes()
    file = RemoteFile("a.png", "", "", len(data), hashlib.sha256(data).hexdigest())
    registry = Registry((PictureSet("Set5", "benchmark", "rgb", 1, (file,)),))
    monkeypatch.setattr(split, "load_registry", lambda: registry)
    _, told = run_tiny(tiny_recipe(steps=1), pictures, tmp_path / "run")
    assert told.warnings == [
        "1 of 12 pictures are those of Set5: its scores will tell nothing of this network"
    ]


def test_unreadable_pictures_are_named_and_the_others_used(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in list(pictures.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "bad.png").write_bytes(b"no picture")
    _, told = run_tiny(tiny_recipe(steps=1, holdout=0), folder, tmp_path / "run")
    skipped, held_out = told.warnings
    assert skipped.startswith(f"skipped {folder / 'bad.png'}: ") and "no picture is held out" in held_out


@pytest.mark.parametrize(
    ("count", "holdout", "expected"), [(12, 2, (10, 2)), (12, 8, (6, 6)), (12, 0, (12, 0)), (1, 8, (1, 0))]
)
def test_at_most_half_of_the_pictures_are_held_out_and_no_one_of_one(
    count: int, holdout: int, expected: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    for path in sorted(pictures.iterdir())[:count]:
        shutil.copy(path, tmp_path)
    parts = load_and_split(tiny_recipe(holdout=holdout), [tmp_path], tmp_path / "run", ignore)
    assert tuple(map(len, parts)) == expected
    assert len({picture.tobytes() for part in parts for picture in part}) == count
