"""Weights of the user's own: what is given as a file and is none, and files that were trained for another task."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from nsr_cli.engine.stages import load_fitting, read_weights
from nsr_cli.errors import NsrError, UsageError, WeightsError
from nsr_cli.model.checkpoint import save_network
from nsr_cli.model.description import MAX_HEADER, read_description
from nsr_cli.weights.manifest import Manifest, load_manifest
from nsr_cli.weights.store import WeightStore
from tests.tiny import tiny_network

LARGE = 256 << 20


def read(model: Path) -> bytes:
    store = WeightStore(Manifest((), "file:///nowhere"), offline=True)
    return read_weights(store, str(model), "denoise", 1, "rgb")[1]


def refusal(model: Path) -> NsrError:
    """Why a file is no model; reading it takes little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(NsrError) as caught:
            read(model)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_HEADER
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value) and model.name.partition(".")[0] in str(caught.value)
    return caught.value


def sparse(path: Path, size: int, start: bytes = b"") -> Path:
    """A file of `size` bytes that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_special_files_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.safetensors")
    (tmp_path / "device.safetensors").symlink_to("/dev/zero")
    (tmp_path / "folder.safetensors").mkdir()
    for name, what in (
        ("own", "a pipe or a device"),
        ("device", "a pipe or a device"),
        ("folder", "a folder"),
    ):
        error = refusal(tmp_path / f"{name}.safetensors")
        assert isinstance(error, UsageError) and what in str(error) and "check --model" in str(error)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a file when its name was looked up."""
    os.mkfifo(tmp_path / "own.safetensors")
    monkeypatch.setattr(Manifest, "resolve", lambda *_: tmp_path / "own.safetensors")
    error = refusal(tmp_path / "own.safetensors")
    assert isinstance(error, UsageError) and "a pipe or a device" in str(error)


def test_a_file_too_large_for_weights_is_not_read(tmp_path: Path) -> None:
    try:
        path = sparse(tmp_path / "own.safetensors", 1 << 40)
    except OSError:
        pytest.skip("this file system cannot hold a file of 1 TiB")
    refused = refusal(path)
    assert isinstance(refused, UsageError) and "bytes are too many; check --model" in str(refused)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        (LARGE - 8).to_bytes(8, "little"),
        MAX_HEADER.to_bytes(8, "little"),
        b"\xff" * 8,
    ],
)
def test_a_large_file_of_something_else_is_known_by_its_start(start: bytes, tmp_path: Path) -> None:
    error = refusal(sparse(tmp_path / "own.safetensors", LARGE, start))
    assert isinstance(error, WeightsError) and "not a weights file of nsr" in str(error)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    data = save_network(tiny_network())
    (tmp_path / "own.safetensors").write_bytes(data)
    assert read(tmp_path / "own.safetensors") == data


def level_weights(about: Any) -> bytes:
    return save_network(tiny_network(scale=1, levels=1), about=about)


@pytest.mark.parametrize(("trained", "task"), [("denoise-rgb", "dejpeg"), ("dejpeg-gray", "denoise")])
def test_a_network_for_another_task_is_refused(trained: str, task: str) -> None:
    """Both kinds have one shape: the level means noise to the one and quality to the other."""
    kind = trained.partition("-")[0]
    with pytest.raises(
        UsageError, match=f"own was trained for {kind}, not for {task}; choose another --model"
    ):
        load_fitting(level_weights({"task": trained}), task, "own")
    assert load_fitting(level_weights({"task": trained}), kind, "own").config.levels == 1


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ("upscale", {"scale": 2, "channels": 2}),
        ("upscale", {"scale": 2, "levels": 1}),
        ("denoise", {"scale": 1, "levels": 2}),
    ],
)
def test_channels_and_levels_that_no_picture_or_task_has_are_refused(
    task: str, shape: dict[str, int]
) -> None:
    """The first and the last were internal errors, once the picture was read."""
    with pytest.raises(
        UsageError, match=rf"own does not fit {task}: channels ., degradation levels .; choose"
    ):
        load_fitting(save_network(tiny_network(**shape)), task, "own")


@pytest.mark.parametrize(
    "about", [{}, {"imported_from": "x.pth"}, {"task": None}, {"task": ["denoise"]}, {"task": "sharpen-rgb"}]
)
def test_a_file_that_does_not_say_its_task_does_for_both(about: Any) -> None:
    for task in ("denoise", "dejpeg"):
        assert load_fitting(level_weights(about), task, "own").config.scale == 1


def test_bundled_weights_say_their_task() -> None:
    store = WeightStore(offline=True)
    for entry in load_manifest().entries:
        if entry.bundled:
            about = read_description(store.read(entry)[1])["about"]
            assert about["task"] == (
                f"upscale-x{entry.scale}" if entry.scale else f"{entry.task}-{entry.color}"
            )
