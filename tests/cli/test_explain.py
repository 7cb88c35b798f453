"""`nsr explain` as a user runs it."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from tests.command import Paint, Run


@pytest.fixture
def photo(paint: Paint, tmp_path: Path) -> Path:
    return paint(tmp_path / "photo.png", width=100, height=60)


def test_a_sheet_is_written_beside_the_picture(
    nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = nsr("explain", "photo.png", "--model", tiny_model, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert done.stderr.decode().startswith(
        "photo.png -> photo_explain.png  tiny, 6 windows, 4 layers, entropy 0."
    )
    with Image.open(tmp_path / "photo_explain.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 600
    again = nsr("explain", "photo.png", "--model", tiny_model)
    assert again.returncode == 0 and b"skipped, photo_explain.png already exists" in again.stderr


def test_a_single_one_is_reported_in_the_singular(nsr: Run, paint: Paint, tmp_path: Path) -> None:
    paint(tmp_path / "small.png", width=20, height=20)
    config = dataclasses.replace(PRESETS["tiny"], scale=2, blocks=1, cardinality=1, shared=True)
    (tmp_path / "own.safetensors").write_bytes(save_network(Network(config)))
    args = ("explain", "small.png", "-m", "own.safetensors", "--device", "cpu")
    assert "own, 1 window, 1 layer, entropy" in nsr(*args).stderr.decode()
    for option, told in (
        ("--layer", "own has 1 layer that chooses; "),
        ("--cardinal", "own has 1 cardinal group; "),
    ):
        assert told in nsr(*args, option, "2", "--if-exists", "overwrite").stderr.decode()


def test_json_tells_all_and_writes_no_picture(
    nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = nsr("explain", "photo.png", "--model", tiny_model, "--json", "--device", "cpu")
    record = json.loads(done.stdout)
    assert done.returncode == 0 and [path.name for path in tmp_path.glob("*.png")] == ["photo.png"]
    assert (record["grid"], record["window"], record["groups"], record["cardinality"]) == ([3, 2], 48, 2, 4)
    assert record["model"] == "tiny" and len(record["model_sha256"]) == 64 and record["output"] is None
    assert [(one["layer"], one["block"], one["convolution"]) for one in record["layers"]] == [
        (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 2),
    ]  # fmt: skip
    for one in record["layers"]:
        dominant = np.array(one["windows"]["dominant"])
        assert dominant.shape == (6, 4) and set(dominant.flat) <= {1, 2}
        assert 0 <= one["entropy"] <= 1 and sum(one["mean_gamma"]) == pytest.approx(1, abs=1e-4)


def test_one_layer_and_both_outputs(nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = nsr("explain", "photo.png", "-m", tiny_model, "--layer", "3", "--json", "-o", "new/map.png")
    assert done.returncode == 0, done.stderr
    assert [one["layer"] for one in json.loads(done.stdout)["layers"]] == [3]
    assert b"layer 3 of 4" in done.stderr
    with Image.open(tmp_path / "new" / "map.png") as four:
        assert four.width > 960, "four cardinal groups side by side"


def test_a_picture_from_stdin_goes_to_stdout(nsr: Run, photo: Path, tiny_model: Path) -> None:
    done = nsr("explain", "-", "-m", tiny_model, "--layer", "1", "--cardinal", "2", stdin=photo.read_bytes())
    with Image.open(io.BytesIO(done.stdout)) as sheet:
        assert sheet.format == "PNG"
    assert done.stderr.decode().startswith("stdin -> stdout")


def test_a_noisy_gray_picture_by_its_estimated_level(nsr: Run, tmp_path: Path) -> None:
    from tests.tiny import tiny_weights

    model = tiny_weights(tmp_path / "gray.safetensors", scale=1, channels=1, levels=1)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.normal(128, 20, (64, 64)).clip(0, 255).astype(np.uint8)).save(tmp_path / "noisy.png")
    done = nsr("explain", "noisy.png", "--task", "denoise", "-m", model, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sigma"] == pytest.approx(20, abs=3)
    record = json.loads(done.stdout)
    assert record["notes"] == [f"noise level {record['sigma']:g}"] and record["channel"] is None
    assert done.stderr.decode().startswith(f"noisy.png: {record['notes'][0]}\n")


def test_of_a_color_picture_and_a_gray_denoiser_it_says_which_channel_is_shown(nsr: Run, photo: Path) -> None:
    from tests.tiny import tiny_weights

    model = tiny_weights(photo.parent / "gray.safetensors", scale=1, channels=1, levels=1)
    done = nsr("explain", "photo.png", "--sigma", "25", "-m", model, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["channel"] == 1 and record["notes"] == [
        "gray is for gray pictures and denoises each channel by itself; its choices for the first one are shown"
    ]
    assert record["notes"][0] in done.stderr.decode()


@pytest.mark.parametrize(
    "args, expected",
    [
        (["--layer", "5"], "tiny has 4 layers that choose; give 1 to 4"),
        (["--cardinal", "5"], "tiny has 4 cardinal groups; give 1 to 4"),
        (["--task", "denoise"], "not for denoise"),
        (["--task", "denois"], "did you mean denoise?"),
        (["--task", "denoise", "-s", "2"], "--scale does not belong to --task denoise: use --sigma"),
        (["--sigma", "3", "-q", "5"], "belong to different tasks"),
        (["-o", "map.jpg"], "must end in .png"),
        (["-o", "photo.png"], "is the input itself"),
        (["-o", "taken.png"], "already exists: --if-exists overwrite replaces it"),
        (["--json", "-o", "-"], "would both go to stdout"),
    ],
)
def test_wrong_usage_is_one_line(
    args: list[str], expected: str, nsr: Run, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken.png").write_bytes(b"mine")
    done = nsr("explain", "photo.png", "-m", tiny_model, *args)
    text = done.stderr.decode()
    lines = [line for line in text.splitlines() if line.startswith("nsr: ")]
    assert done.returncode == 2 and len(lines) == 1 and expected in lines[0], text
    assert (tmp_path / "taken.png").read_bytes() == b"mine"


def test_where_each_channel_chooses_any_of_them_can_be_shown(nsr: Run, photo: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS["tiny"], scale=2, cardinality=0)
    (tmp_path / "own.safetensors").write_bytes(save_network(Network(config)))
    args = ("explain", "photo.png", "-m", "own.safetensors", "--if-exists", "overwrite")
    for layer, most in (((), 16), (("--layer", "1"), 32)):
        assert nsr(*args, *layer, "--cardinal", str(most)).returncode == 0
        refused = nsr(*args, *layer, "--cardinal", str(most + 1))
        assert refused.returncode == 2
        assert f"has {most} cardinal groups; give 1 to {most}" in refused.stderr.decode()


def test_a_file_that_is_no_picture_is_reported_and_leaves_nothing(
    nsr: Run, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_bytes(b"words")
    for name, reason in (("text.png", "not a picture"), ("gone.png", "no such file")):
        done = nsr("explain", name, "-m", tiny_model)
        assert done.returncode == 1 and reason in done.stderr.decode()
    assert [path.name for path in tmp_path.glob("*.png")] == ["text.png"]
