"""The registry knows every public set, exactly as catalogued."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nsr_cli.datasets import load_registry
from nsr_cli.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_all_sets_are_there() -> None:
    registry = load_registry()
    counts = {one.name: one.images for one in registry.sets}
    assert counts == {
        "Set5": 5,
        "Set14": 14,
        "BSD100": 100,
        "Urban100": 100,
        "Manga109": 109,
        "DIV2K-valid": 100,
        "Sun-Hays80": 80,
        "Set12": 12,
        "BSD68": 68,
        "CBSD68": 68,
        "Kodak24": 24,
        "McMaster": 18,
        "Classic5": 5,
        "LIVE1": 29,
        "BSDS500-val": 100,
        "T91": 91,
        "BSDS500-train": 200,
        "BSDS500-test": 200,
        "DIV2K-train": 800,
    }
    training = {one.name for one in registry.sets if one.kind == "training"}
    assert training == {"T91", "BSDS500-train", "BSDS500-test", "DIV2K-train"}
    assert {one.name for one in registry.sets if one.color == "gray"} == {"Set12", "BSD68", "Classic5"}
    assert {one.name for one in registry.sets if one.scored_on == "rgb"} == {"DIV2K-valid", "DIV2K-train"}
    assert [one.name for one in registry.sets if one.is_manual] == ["Manga109"]


def test_every_file_can_be_fetched_and_stored_safely() -> None:
    for one in load_registry().sets:
        assert len({file.name.lower() for file in one.files}) == len(one.files)
        assert list(one.files) == sorted(one.files, key=lambda file: file.name)
        for file in one.files:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.url.startswith("https://")
            assert file.url.endswith(file.path)
            assert file.bytes > 1000
        assert one.archive is None or one.archive.url.startswith("https://")


def test_the_registry_is_what_the_catalogue_says(shared_data: Path, tmp_path: Path) -> None:
    catalogue = json.loads((shared_data / "datasets.json").read_text())
    registry = load_registry()
    for name, facts in catalogue["sets"].items():
        one = registry.get(name)
        base = f"https://raw.githubusercontent.com/{facts['repo']}/{facts['commit']}"
        found = {(file.url, file.bytes, file.sha256) for file in one.files}
        expected = {(f"{base}/{file['path']}", file["bytes"], file["sha256"]) for file in facts["files"]}
        assert found == expected
        assert (one.color, one.images, one.bytes) == (facts["color"], facts["images"], facts["bytes"])
    for name, facts in catalogue["archives"].items():
        archive = registry.get(name).archive
        assert archive
        assert (archive.url, archive.bytes, archive.sha256) == (facts["url"], facts["bytes"], facts["sha256"])
    tool, output = ROOT / "tools" / "make_dataset_registry.py", tmp_path / "registry.json"
    subprocess.run(
        [sys.executable, tool, shared_data / "datasets.json", output], check=True, capture_output=True
    )
    assert output.read_bytes() == (ROOT / "nsr_cli" / "datasets" / "registry.json").read_bytes()


@pytest.mark.parametrize(
    ("said", "meant"),
    (
        ("Set5", "Set5"),
        ("set5", "Set5"),
        ("SET-14", "Set14"),
        ("b100", "BSD100"),
        ("urban_100", "Urban100"),
        ("sun hays 80", "Sun-Hays80"),
        ("DIV2K", "DIV2K-valid"),
        ("DIV2K_train_HR", "DIV2K-train"),
        ("kodak", "Kodak24"),
        ("mcm", "McMaster"),
        ("bsds500_val", "BSDS500-val"),
        ("91-images", "T91"),
        ("live", "LIVE1"),
    ),
)
def test_aliases(said: str, meant: str) -> None:
    assert load_registry().get(said).name == meant


def test_aliases_mean_one_set_each() -> None:
    registry = load_registry()
    for one in registry.sets:
        for word in (one.name, *one.aliases):
            assert [other.name for other in registry.sets if other.is_called(word)] == [one.name]


@pytest.mark.parametrize(
    ("said", "meant"), (("Set6", "Set5"), ("Urbann100", "Urban100"), ("maga109", "Manga109"))
)
def test_did_you_mean(said: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"no picture set {said}; did you mean {meant}\?"):
        load_registry().get(said)


def test_unknown_names_are_shown_safely() -> None:
    with pytest.raises(UsageError, match=r"nsr data list") as caught:
        load_registry().get("\x1b[31m\n")
    assert str(caught.value).isprintable()


def test_crop() -> None:
    registry = load_registry()
    bsd = registry.get("BSD100")
    assert bsd.crop_size(321, 481) == (320, 480)
    assert bsd.crop_size(481, 321) == (480, 320)
    assert bsd.crop_size(320, 480) == (320, 480)
    assert bsd.crop_size(100, 480) == (100, 480)
    assert registry.get("BSDS500-val").crop_size(321, 481) == (321, 481)
    assert registry.get("Set5").crop_size(512, 512) == (512, 512)
