"""Folders of runs: one training at a time in each, and nothing of another run taken for its own."""

import signal
import subprocess
from pathlib import Path

import pytest

from nsr_cli.errors import TrainingError, UsageError, WriteError
from nsr_cli.training import checkpoint, folder, log
from nsr_cli.training.distributed import Processes
from nsr_cli.training.folder import reserved
from nsr_cli.training.loop import Stop, Trainer
from nsr_cli.training.publish import load_trained
from tests.training.helpers import COMMAND, ROOT, noise_pictures, run_tiny, tiny_recipe
from tests.waiting import until


def run_without_checkpoint(pictures: Path, run: Path) -> None:
    """A run that is killed after a validation and before its first checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda *_: None)
        run_tiny(tiny_recipe(), pictures, run)


def test_what_is_left_of_a_run_is_not_taken_for_another(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_without_checkpoint(pictures, run)
    assert {path.name for path in folder.leftovers(run)} == {
        "best",
        "config.json",
        "metrics.csv",
        "curve.png",
    }
    with pytest.raises(
        UsageError, match="a run that ended before its first checkpoint; start it anew with --res"
    ):
        run_tiny(tiny_recipe(seed=7), pictures, run)


def test_a_run_that_starts_anew_clears_what_another_left(pictures: Path, tmp_path: Path) -> None:
    """It ends before its own first validation: then nothing of the other's must be published as its best."""
    run = tmp_path / "run"
    run_without_checkpoint(pictures, run)
    kept: list[list[Path]] = []

    def look(trainer: Trainer, stop: Stop) -> None:
        kept.append(folder.leftovers(trainer.run))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "fit", look)
        run_tiny(tiny_recipe(seed=7), pictures, run, resume=True)
    assert kept == [[run / "config.json"]] and '"seed": 7' in kept[0][0].read_text()


@pytest.mark.parametrize("name", ["config.json", "metrics.csv"])
def test_each_file_of_a_run_tells_that_it_was_there(name: str, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="ended before its first checkpoint"):
        run_tiny(tiny_recipe(), pictures, tmp_path)


def test_the_best_weights_of_another_run_are_not_published(pictures: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run_tiny(tiny_recipe(steps=2), pictures, one)
    run_tiny(tiny_recipe(steps=2, seed=7), pictures, two)
    assert load_trained(two).step == 2
    (two / "best").rename(tmp_path / "away")
    (one / "best").rename(two / "best")
    with pytest.raises(
        TrainingError, match="two: the best weights are those of another run; give --which last"
    ):
        load_trained(two)
    assert load_trained(two, "last").step == 2


def test_a_run_is_the_same_after_it_was_resumed(pictures: Path, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(), tmp_path / "run"
    run_tiny(recipe, pictures, run)
    newest = max((run / "checkpoints").iterdir())
    first = checkpoint.load_latest(run)
    trainer, _ = run_tiny(recipe, pictures, run, resume=True)
    assert first is not None and trainer.identity == first[1].state["run"] is not None
    assert newest.is_dir() and load_trained(run).step in (10, 20)


def test_a_run_of_before_runs_had_an_identity_stays_without(pictures: Path, tmp_path: Path) -> None:
    """Else its best weights of before would pass for another's."""
    recipe, run = tiny_recipe(), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsr_cli.training.loop.uuid.uuid4", lambda: type("None", (), {"hex": None}))
        run_tiny(recipe, pictures, run)
    trainer, _ = run_tiny(recipe, pictures, run, resume=True)
    assert trainer.identity is None and load_trained(run).recipe == recipe


def test_a_second_training_in_the_same_folder_is_refused(pictures: Path, tmp_path: Path) -> None:
    """Of the same recipe or another, with --resume or without."""
    run = tmp_path / "run"
    with reserved(run, Processes()):
        for resume in (False, True):
            with pytest.raises(
                UsageError, match="run: another training is at work there; wait for its end or"
            ):
                run_tiny(tiny_recipe(), pictures, run, resume=resume)
    assert run_tiny(tiny_recipe(steps=1), pictures, run)[0].step == 1
    assert not (run / ".lock").exists()


def test_a_killed_training_keeps_nobody_out(tmp_path: Path) -> None:
    data = noise_pictures(tmp_path / "pictures")
    command = [*COMMAND, "--data", str(data), "--out", str(tmp_path / "run"), "--steps", "1000000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until((tmp_path / "run" / "metrics.csv").exists, 120)
        with pytest.raises(UsageError, match="another training"), reserved(tmp_path / "run", Processes()):
            pass
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "run" / ".lock").exists()
    with reserved(tmp_path / "run", Processes()):
        pass


def test_a_folder_that_stays_empty_is_removed_with_those_above_it(tmp_path: Path) -> None:
    with reserved(tmp_path / "a" / "b", Processes()):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with reserved(tmp_path / "mine", Processes()):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_bytes(b"")
    with (
        pytest.raises(WriteError, match=r"cannot be made: .*; choose another --out") as caught,
        reserved(tmp_path / "a\nb" / "run", Processes()),
    ):
        pass
    assert str(caught.value).isprintable()


def test_without_locks_there_is_only_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("nsr_cli.fetch.lock.FileLock.acquire", missing)
    with reserved(tmp_path / "run", Processes()), reserved(tmp_path / "run", Processes()):
        log.write_config(tmp_path / "run", tiny_recipe(), [])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]
