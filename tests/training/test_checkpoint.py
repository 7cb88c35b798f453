"""Checkpoints: whole or not there, damaged ones passed over, the one before kept."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.training import checkpoint, storage
from nsr_cli.training.best import load_best, save_best
from nsr_cli.training.storage import Checkpoint


def make(value: float, size: int = 10) -> Checkpoint:
    weights = {"a": torch.full((size,), value), "b": torch.tensor([value])}
    return Checkpoint({"weights": weights, "optimizer": {"0.step": torch.tensor(value)}}, {"seconds": value})


def full(descriptor: int) -> None:
    """What `os.fsync` does on a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def latest(run: Path) -> tuple[int, float]:
    loaded = checkpoint.load_latest(run)
    assert loaded is not None
    return loaded[0], float(loaded[1].tensors["weights"]["b"])


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    assert checkpoint.load_latest(tmp_path) is None
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, make(step))
    assert latest(tmp_path) == (30, 30.0)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-00000020", "step-00000030"]


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, file: str, damage: str) -> None:
    checkpoint.save(tmp_path, 1, make(1))
    path = checkpoint.save(tmp_path, 2, make(2)) / file
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    assert latest(tmp_path) == (1, 1.0)


def test_a_copy_under_another_name_is_neither_read_nor_removed(tmp_path: Path) -> None:
    first = checkpoint.save(tmp_path, 10, make(10))
    copies = [first.with_name(name) for name in (f"{first.name}-good", "step-old")]
    for copy in copies:
        shutil.copytree(first, copy)
    for step in (20, 30):
        checkpoint.save(tmp_path, step, make(step))
    assert latest(tmp_path) == (30, 30.0)
    assert all(copy.is_dir() for copy in copies) and not first.exists()


def test_only_damaged_checkpoints_are_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    (checkpoint.save(tmp_path, 2, make(2)) / "state.json").unlink()
    with pytest.raises(TrainingError, match="every checkpoint is damaged"):
        checkpoint.load_latest(tmp_path)


def test_large_groups_are_split_into_files_that_travel(tmp_path: Path) -> None:
    tensors = {f"t{i}": torch.rand(1 << 20) for i in range(9)}  # 36 MiB
    folder = checkpoint.save(tmp_path, 1, Checkpoint({"optimizer": tensors}, {}))
    sizes = [p.stat().st_size for p in folder.iterdir()]
    assert max(sizes) < 16 << 20 and len(sizes) == 4
    loaded = checkpoint.load_latest(tmp_path)
    assert loaded is not None
    assert all(torch.equal(loaded[1].tensors["optimizer"][name], tensor) for name, tensor in tensors.items())


def test_a_tensor_larger_than_a_file_may_be_is_split_by_rows(tmp_path: Path) -> None:
    """Of 13 rows of 3.5 MiB, four fit into one file: the pieces have 4, 4, 4 and 1."""
    tensors = {"small": torch.rand(7), "large": torch.rand(13, 7, 1 << 17), "last": torch.tensor(3.0)}
    folder = checkpoint.save(tmp_path, 1, Checkpoint({"weights": tensors}, {}))
    assert max(p.stat().st_size for p in folder.iterdir()) < 16 << 20
    loaded = checkpoint.load_latest(tmp_path)
    assert loaded is not None
    found = loaded[1].tensors["weights"]
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_pieces_are_put_together_by_number_and_not_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of files come back sorted: the tenth before the second."""
    monkeypatch.setattr(storage, "MAX_BYTES", 100)
    tensor = torch.rand(12, 25)
    folder = checkpoint.save(tmp_path, 1, Checkpoint({"weights": {"large": tensor}}, {}))
    assert len(list(folder.glob("*.safetensors"))) == 12
    loaded = checkpoint.load_latest(tmp_path)
    assert loaded is not None and torch.equal(loaded[1].tensors["weights"]["large"], tensor)


def test_messages_about_a_folder_of_any_name_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "a\nb"
    (checkpoint.save(run, 1, make(1)) / "state.json").unlink()
    save_best(run, make(1))
    monkeypatch.setattr(os, "fsync", full)
    for call in (
        lambda: checkpoint.save(run, 2, make(2)),
        lambda: save_best(run, make(2)),
        lambda: checkpoint.load_latest(run),
    ):
        with pytest.raises((TrainingError, WriteError), match=r"a\\nb") as caught:
            call()
        assert str(caught.value).isprintable()


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 1, make(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            WriteError, match=r"No space left on device; the one before it is kept \(step 1\)$"
        ):
            checkpoint.save(tmp_path, 2, make(2))
        with pytest.raises(WriteError, match=r"there is none before it$"):
            checkpoint.save(tmp_path / "new", 2, make(2))
    assert latest(tmp_path) == (1, 1.0)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = checkpoint.save(tmp_path, 1, make(1))
    shutil.copytree(folder, folder.with_name(".step-00000002.77.part"))
    assert latest(tmp_path) == (1, 1.0)
    checkpoint.save(tmp_path, 3, make(3))
    assert sorted(p.name for p in folder.parent.iterdir()) == ["step-00000001", "step-00000003"]


def test_the_best_is_kept_until_a_better_one_is_safe(tmp_path: Path) -> None:
    assert load_best(tmp_path) is None
    for value in (1.0, 2.0):
        save_best(tmp_path, make(value))
    best = load_best(tmp_path)
    assert best is not None and float(best.tensors["weights"]["b"]) == 2.0
    assert [p.name for p in tmp_path.iterdir()] == ["best"]
    (tmp_path / "best").rename(tmp_path / ".best.old")  # killed between the two renames
    best = load_best(tmp_path)
    assert best is not None and float(best.tensors["weights"]["b"]) == 2.0


def test_best_weights_that_do_not_fit_on_the_disk_leave_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of them would keep the next checkpoint from its place."""
    save_best(tmp_path, make(1.0))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"):
        save_best(tmp_path, make(2.0))
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    best = load_best(tmp_path)
    assert best is not None and float(best.tensors["weights"]["b"]) == 1.0


def test_damaged_best_weights_are_not_taken_for_absent_ones(tmp_path: Path) -> None:
    save_best(tmp_path, make(1.0))
    (tmp_path / "best" / "state.json").write_bytes(b"{}")
    with pytest.raises(TrainingError, match="the best weights are damaged"):
        load_best(tmp_path)


def test_what_a_kill_left_of_the_first_best_is_none(tmp_path: Path) -> None:
    (tmp_path / ".best.part").mkdir()
    (tmp_path / ".best.part" / "weights.safetensors").write_bytes(b"half")
    assert load_best(tmp_path) is None


def test_the_best_of_before_outlives_a_kill_and_then_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two renames, resumed, and the next save fails: the newest whole one is still there."""
    for value in (1.0, 2.0):
        save_best(tmp_path, make(value))
    shutil.copytree(tmp_path / "best", tmp_path / ".best.part")
    (tmp_path / "best").rename(tmp_path / ".best.old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError):
            save_best(tmp_path, make(3.0))
    best = load_best(tmp_path)
    assert best is not None and float(best.tensors["weights"]["b"]) == 2.0
    save_best(tmp_path, make(4.0))
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


@pytest.mark.parametrize("left", [False, True])
def test_a_step_saved_again_is_there_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, left: bool
) -> None:
    """The last step is saved again when its validation was made up for: the one of before must stay whole."""
    folder = checkpoint.save(tmp_path, 7, make(7))
    if left:  # of a save that was killed between its two renames
        shutil.copytree(folder, folder.with_name(".step-00000007.77.part"))
    seen: list[bool] = []
    real = shutil.rmtree

    def look(path: Path, **options: Any) -> None:
        real(path, **options)
        seen.append(latest(tmp_path) == (7, 7.0))

    monkeypatch.setattr(shutil, "rmtree", look)
    checkpoint.save(tmp_path, 7, make(7))
    assert all(seen) and latest(tmp_path) == (7, 7.0)
    checkpoint.save(tmp_path, 8, make(8))
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name, "step-00000008"]


def test_a_step_saved_again_gets_the_new_state_in_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint.save(tmp_path, 7, make(7))
    before = (folder / "weights.safetensors").stat()
    again = Checkpoint(make(7).tensors, {"seconds": 8.0})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            checkpoint.save(tmp_path, 7, again)
    assert latest(tmp_path) == (7, 7.0)
    checkpoint.save(tmp_path, 7, again)
    found = storage.read(folder)
    assert found is not None and found.state == {"seconds": 8.0}
    after = (folder / "weights.safetensors").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (folder / ".state.json.part").exists()
